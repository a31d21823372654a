"""Drives an adapter by hand: tests/integration/adapter_probe.c, one process a call.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import procs  # noqa: E402

PROGRAM = os.environ.get("ADAPTER_PROBE", str(procs.REPO / "build/dev/tests/integration/adapter_probe"))
CATALOGUE = procs.REPO / "adapters/catalogue/instance_prices.csv.gz"


class Probe:
    """Calls to one account: Probe("aws", url, "us-east-1", AWS_ACCESS_KEY_ID=...). Each gives the reply as it is printed."""

    def __init__(self, adapter, endpoint, region, **environment):
        self.argv = [PROGRAM, adapter, endpoint, region]
        sanitizers = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
        fixed = {"PATH": os.environ["PATH"], "TRIMTAB_CATALOGUE": str(CATALOGUE), "AWS_EC2_METADATA_DISABLED": "true"}
        self.env = {**fixed, **sanitizers, **environment}

    def __call__(self, *args, seconds=60):
        argv = [*self.argv, *map(str, args)]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=seconds)
        assert done.returncode in (0, 1), done.stderr
        assert "Sanitizer" not in done.stderr, done.stderr
        return json.loads(done.stdout)

    def act(self, verb, kind, name, **fields):
        """apply; tags={...} and the fields of adapter_probe."""
        tags = fields.pop("tags", {})
        args = [f"{key}={value}" for key, value in fields.items()]
        return self("act", verb, kind, name, *args, *[f"tag:{key}={value}" for key, value in tags.items()])

    def finish(self, reply, polls=20):
        """Polls the operation of a reply until it is done or fails, each time in a process of its own."""
        for _ in range(polls):
            if "error" in reply or reply["operation"] == "":
                return reply
            time.sleep(min(reply["pollAfterMs"], 20) / 1000)
            reply = self("poll", reply["operation"])
        raise AssertionError(f"still not done after {polls} polls: {reply}")
