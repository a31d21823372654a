#!/usr/bin/env python3
"""Measures the forecasts of `trimtab forecast` against what else is there, on real series: accuracy and calibration from
rolling origins, coverage after level shifts and from cold starts, the capacity that a rate of violations costs, and
speed and memory.

    make bench BENCH=forecast                                      all of it; hours at the first time, for the rivals
    make bench BENCH=forecast BENCH_ARGS_forecast="--markdown docs/forecasting.md"
    python3 tests/bench/forecast.py --only accuracy --rivals "last value,yesterday" --stride 5        a quick look

What the slow rivals answered is kept in ~/.cache/trimtab/forecast-rivals.jsonl, under the series and the versions of the
packages. The report goes to stdout as Markdown, progress to stderr. It is no test: a missed goal is no failure.

SPDX-License-Identifier: Apache-2.0
"""

import argparse
import os
import sys
from pathlib import Path

# Before numpy starts its threads: one core each, and what numba compiled is kept.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NIXTLA_NUMBA_CACHE": "1"})
sys.path.insert(0, str(Path(__file__).resolve().parent))
from forecasting import accuracy, capacity, cold, rivals, shifts, speed  # noqa: E402
from forecasting.report import Report  # noqa: E402
from forecasting.series import DATA, load  # noqa: E402
from forecasting.store import Store  # noqa: E402

PARTS = ["accuracy", "shifts", "cold", "capacity", "speed"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--data", action="append", type=Path, default=[], help="a further folder of CSV series")
    parser.add_argument("--no-own-data", action="store_true", help="only what --data names")
    parser.add_argument("--stride", type=int, default=1, help="every K-th series")
    parser.add_argument("--rivals", default=",".join(rivals.MAKERS), help="comma-separated, of: %(default)s")
    parser.add_argument("--cached-only", action="store_true", help="of the slow rivals only what is known already")
    parser.add_argument("--fresh", action="store_true", help="do not use the slow rivals' results of the checkout")
    parser.add_argument("--keep", action="store_true", help="put the slow rivals' results into the checkout")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--speed-runs", type=int, default=11, help="series that are timed")
    parser.add_argument("--csv", type=Path, help="write the accuracy by series")
    parser.add_argument("--markdown", type=Path, help="put what was run between the markers of this document")
    args = parser.parse_args()
    names = [name for name in args.rivals.split(",") if name]
    if unknown := [name for name in names if name not in rivals.MAKERS]:
        parser.error(f"no such rival: {', '.join(unknown)}")
    series = load(([] if args.no_own_data else [DATA]) + args.data, args.stride)
    report, store = Report(), Store(use_kept=not args.fresh)
    print(f"{len(series)} series", file=sys.stderr)
    for part in (part for part in PARTS if part in args.only):
        report.begin(part)
        if part == "accuracy":
            results = accuracy.measure(series, names, store, args.processes, args.cached_only)
            accuracy.tables(report, results, names, series)
            if args.csv:
                accuracy.write_csv(args.csv, results)
        elif part == "shifts":
            shifts.tables(report, series, args.processes)
        elif part == "cold":
            cold.tables(report, series, args.processes)
        elif part == "capacity":
            capacity.tables(report, series, store, args.processes)
        else:
            speed.tables(report, series, args.speed_runs)
        report.finish()
    report.finish_all()
    if args.keep:
        store.keep()
    if args.markdown:
        report.put_into(args.markdown)


if __name__ == "__main__":
    main()
