#!/usr/bin/env python3
"""Packs folders of CSV series into one file a source: a line `# name start step rows` for each series, then its values as
published, one a line, an empty line for a gap. Only series on an exact grid can be packed, and nothing is lost.

    python3 tests/bench/forecasting/pack.py FOLDER_OF_SOURCES

SPDX-License-Identifier: Apache-2.0
"""

import csv
import gzip
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from forecasting.series import DATA, parse_time  # noqa: E402


def packed(path):
    with open(path, newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    times = [parse_time(row[0]) for row in rows]
    step = min(later - earlier for earlier, later in zip(times, times[1:]))
    if step <= 0 or any((time - times[0]) % step for time in times):
        sys.exit(f"{path}: not on a grid")
    values = [""] * (int((times[-1] - times[0]) // step) + 1)
    for time, row in zip(times, rows):
        values[int((time - times[0]) // step)] = row[1]
    return "\n".join([f"# {path.stem} {rows[0][0]} {step:.0f} {len(values)}", *values, ""])


def main():
    for folder in sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_dir()):
        text = "".join(packed(path) for path in sorted(folder.glob("*.csv")))
        # No name and no time in the header: the same series give the same bytes.
        (DATA / f"{folder.name}.txt.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
