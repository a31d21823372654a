"""Results of the rivals, kept between runs: some of them take a second a forecast. A line of JSON for each, under the hash
of all that it depends on; a line is added under a lock, so runs beside each other share the file.

SPDX-License-Identifier: Apache-2.0
"""

import fcntl
import hashlib
import json
import os
from pathlib import Path


class Store:
    def __init__(self):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trimtab"
        cache.mkdir(parents=True, exist_ok=True)
        self.path, self.found = cache / "forecast-rivals.jsonl", {}
        if self.path.exists():
            with open(self.path) as lines:
                for line in lines:
                    try:
                        entry = json.loads(line)
                        self.found[entry["key"]] = entry["result"]
                    except (ValueError, KeyError):
                        continue  # The end of a run that was killed.

    @staticmethod
    def key(*parts):
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:24]

    def get(self, key):
        return self.found.get(key)

    def put(self, key, result, about):
        self.found[key] = result
        line = json.dumps({"key": key, **about, "result": result}) + "\n"
        with open(self.path, "a") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            out.write(line)
