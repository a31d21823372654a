#!/usr/bin/env python3
"""coverage.py SUMMARY.json: gcovr's summary by folder. SPDX-License-Identifier: Apache-2.0"""

import json
import sys
from collections import defaultdict
from pathlib import PurePath

folders = defaultdict(lambda: [0, 0, 0, 0])
with open(sys.argv[1]) as summary:
    files = json.load(summary)["files"]
for file in files:
    for key in (str(PurePath(file["filename"]).parent), "all"):
        counts = (file["line_covered"], file["line_total"], file["branch_covered"], file["branch_total"])
        folders[key] = [a + b for a, b in zip(folders[key], counts)]
print(f"{'folder':28} {'lines':>8} {'':>6} {'branches':>9}")
for folder, (lines, line_total, branches, branch_total) in sorted(folders.items(), key=lambda f: (f[0] == "all", f[0])):
    line_percent = 100 * lines / line_total if line_total else 0
    branch_percent = 100 * branches / branch_total if branch_total else 0
    print(f"{folder:28} {line_percent:7.1f}% {line_total:6} {branch_percent:8.1f}%")
