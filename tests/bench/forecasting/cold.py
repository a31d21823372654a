"""Cold starts: what a history that has just begun borrows from others, and whether its quantiles hold. Each series is cut
off at some origins as if it had begun some hours before, all the others of its source folder being what lends.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from . import ours, rivals
from .accuracy import first_origin
from .series import DAY, HOUR, Series, scale_of

ORIGINS = 4
AGES = [1, 3, 6, 12, 24, 36]  # Hours.
DONORS_MAX = 16
WEEK = 7 * DAY
WITHIN = 5.0  # Points.
WORK = []


def beside(series, other):
    """The other, moved by whole weeks to where the series is: they need not have been recorded in the same year."""
    weeks = round((series.start - other.start) / WEEK)
    return Series(other.name, other.start + weeks * WEEK, other.step, other.y)


def donors_of(index):
    """Of the same folder, those that follow by name, beginning again at the first."""
    series = WORK[index]
    others = [WORK[(index + i) % len(WORK)] for i in range(1, len(WORK))]
    return [beside(series, other) for other in others
            if other.source == series.source and series.step % other.step == 0][:DONORS_MAX]


def judge(task):
    """[(age, basis, loss at each quantile, points, covered at each quantile)]"""
    index, kin = task
    series, donors = WORK[index], donors_of(index)
    if not donors or series.step > HOUR:
        return []
    steps = series.day_steps
    origins = sorted(set(np.linspace(first_origin(series), series.n - steps, ORIGINS).astype(int).tolist()))
    scale = scale_of(series.y[: first_origin(series)], series.season)
    answers = {}
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder:
        paths = [Path(folder) / f"{i}.csv" for i in range(len(donors) + 1)]
        for one, path in zip([series, *donors], paths):
            one.write(path)
        argv = [ours.helper("forecast_cold"), kin, str(steps), ",".join(map(str, origins)),
                ",".join(str(60 * age) for age in AGES), *map(str, paths)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            for origin, age, basis, _, *values in csv.reader(process.stdout):
                answers.setdefault((int(origin), int(age) // 60, basis), []).append([float(text) for text in values])
        if process.returncode != 0:
            raise RuntimeError(f"forecast_cold of {series.name} ended with {process.returncode}")
    found, q = [], np.array(rivals.QUANTILES)[None, :]
    for (origin, age, basis), rows in answers.items():
        y, rows = series.y[origin:origin + steps, None], np.array(rows)
        over = y - rows
        found.append((origin, age, basis, np.mean(np.maximum(q * over, (q - 1) * over), 0) / scale, steps,
                      np.sum(y <= rows, 0)))
    return found


def tables(report, series, processes):
    WORK[:] = series
    for kin in ("policy", "tenant"):
        with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
            each = list(pool.map(judge, [(index, kin) for index in range(len(series))]))
        pooled_table(report, kin, each)


def shares_of(cases):
    points = sum(case[4] for case in cases)
    return np.sum([case[5] for case in cases], 0) / max(points, 1), points


def pooled_table(report, kin, each):
    rows = []
    for title, ages in [*((f"{age} h", [age]) for age in AGES), ("all", AGES)]:
        starts, pooled, alone = 0, [], []
        for cases in each:
            known = {(origin, age): case for case in cases for origin, age, basis in [case[:3]] if basis != "pooled"}
            starts += sum(1 for _, age in known if age in ages)
            for case in cases:
                if case[2] == "pooled" and case[1] in ages:
                    pooled.append(case)
                    alone.append(known[case[:2]])
        if not pooled:
            continue
        loss = np.mean([np.mean(case[3]) for case in pooled]) / np.mean([np.mean(case[3]) for case in alone])
        shares, points = shares_of(pooled)
        others, _ = shares_of(alone)
        rows.append([title, starts, len(pooled), points, *(f"{100 * x:.1f}" for x in shares[1:]),
                     *(f"{100 * x:.1f}" for x in others[1:]), f"{loss:.3f}"])
    report.heading(f"Cold starts, 24 h ahead, donors of the {kin}")
    report.table(["age", "starts", "pooled", "points", *(f"pooled {q:g}, %" for q in rivals.QUANTILES[1:]),
                  *(f"prior {q:g}, %" for q in rivals.QUANTILES[1:]), "loss pooled / prior"], rows)
    for q, share in zip(rivals.QUANTILES[1:], shares[1:]):
        report.verdict(f"cold start, {kin}: coverage of {q:g}", share * 100 >= 100 * q - WITHIN,
                       f"{100 * share:.2f} % of {points} points", f">= {100 * q - WITHIN:g} %")
