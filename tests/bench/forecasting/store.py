"""Results of the slow rivals, kept between runs: some of them take a second a forecast, all of them hours. A line of JSON
for each, under the hash of all that it depends on: values of the series, versions of the packages, revision of the rival.

New lines go to the user's cache, under a lock, so runs beside each other share it. What `keep` has put into KEPT comes with
the checkout, so a new machine need not fit for hours what another has.

SPDX-License-Identifier: Apache-2.0
"""

import fcntl
import hashlib
import json
import os
from pathlib import Path

KEPT = Path(__file__).resolve().parent / "data" / "rivals.jsonl"


def read(path):
    """{key: line} of a file; the end of a run that was killed is left out."""
    found = {}
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                found[json.loads(line)["key"]] = line
            except (ValueError, KeyError):
                continue
    return found


def about(line):
    """Whose answer to what a line is, as something that sorts."""
    return tuple(str(value) for name, value in json.loads(line).items() if name not in ("key", "result"))


class Store:
    def __init__(self, use_kept=True):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trimtab"
        cache.mkdir(parents=True, exist_ok=True)
        self.path, self.asked = cache / "forecast-rivals.jsonl", set()
        self.lines = {**(read(KEPT) if use_kept else {}), **read(self.path)}

    @staticmethod
    def key(*parts):
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:24]

    def get(self, key, is_kept=True):
        """is_kept: it is for `keep` too."""
        if is_kept:
            self.asked.add(key)
        return json.loads(self.lines[key])["result"] if key in self.lines else None

    def put(self, key, result, about):
        self.lines[key] = line = json.dumps({"key": key, **about, "result": result})
        with open(self.path, "a") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            out.write(line + "\n")

    def keep(self):
        """Puts what this run has used into KEPT, in place of what other versions of packages or series had answered."""
        used = {about(self.lines[key]): self.lines[key] for key in self.asked if key in self.lines}
        kept = {about(line): line for line in read(KEPT).values()}
        KEPT.write_text("".join(line + "\n" for _, line in sorted({**kept, **used}.items())))
