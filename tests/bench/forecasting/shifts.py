"""Coverage soon after level shifts that are injected into real series: from a point on, demand is multiplied, or a
constant is added. The 1 h forecasts from origins 2 to 24 h after each are judged.

SPDX-License-Identifier: Apache-2.0
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from . import ours, rivals
from .accuracy import first_origin
from .series import HOUR, Series

HOURS = [2, 3, 4, 6, 8, 12, 16, 20, 24]
PER_SERIES = 3
# Each series gets the next three: factors of the level, and additions in units of the median of what came before.
KINDS = [("times", 2.0), ("plus", 1.0), ("times", 0.5), ("times", 1.5), ("plus", 3.0), ("times", 4.0), ("times", 0.25)]
WITHIN = 5.0  # Points.
WORK = []


def shifted(series, at, kind, amount):
    y = series.y.copy()
    if kind == "times":
        y[at:] *= amount
    else:
        level = float(np.median(np.abs(y[:at])))
        y[at:] += amount * (level or float(np.std(y[:at])))
    return Series(f"{series.name} {kind} {amount:g} at {at}", series.start, series.step, y)


def shifts_of(series, index):
    """[(row, the series with a shift from it on)]: up to three over the last 30 %, each with a day and an hour behind it."""
    last = series.n - series.day_steps - series.hour_steps
    if series.step > HOUR or last <= first_origin(series):
        return []
    rows = np.linspace(first_origin(series), last, PER_SERIES).astype(int).tolist()
    return [(at, shifted(series, at, *KINDS[(index * PER_SERIES + i) % len(KINDS)])) for i, at in enumerate(rows)]


def judge(index):
    """[(points, covered at each quantile) for each of HOURS] of every shift of the series."""
    series, found = WORK[index], []
    for at, changed in shifts_of(series, index):
        origins = [at + hours * series.hour_steps for hours in HOURS]
        # What lies behind the last forecast is of no use; reading it would take time.
        changed = Series(changed.name, changed.start, changed.step, changed.y[: origins[-1] + series.hour_steps])
        answers = ours.forecast(changed, series.hour_steps, origins, rivals.QUANTILES)
        found.append([(series.hour_steps, np.sum(changed.y[o:o + series.hour_steps, None] <= answers[o], 0))
                      for o in origins])
    return found


def tables(report, series, processes):
    WORK[:] = series
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        shifts = [shift for found in pool.map(judge, range(len(series))) for shift in found]
    report.heading(f"Coverage of ours, in %, 1 h ahead, after {len(shifts)} injected level shifts")
    rows = []
    for title, hours in [("2 to 4 h", HOURS[:3]), ("6 to 12 h", HOURS[3:6]), ("16 to 24 h", HOURS[6:]), ("2 to 24 h", HOURS)]:
        chosen = [shift[HOURS.index(hour)] for shift in shifts for hour in hours]
        points = sum(count for count, _ in chosen)
        share = np.sum([covered for _, covered in chosen], 0) / max(points, 1)
        rows.append([title, len(chosen), points, *(f"{100 * x:.2f}" for x in share)])
    report.table(["after the shift", "origins", "points", *(f"{q:g}" for q in rivals.QUANTILES)], rows)
    for q, found in list(zip(rivals.QUANTILES, share))[1:]:
        reached = len(shifts) >= 200 and abs(found - q) * 100 <= WITHIN
        report.verdict(f"coverage of {q:g}, 2 to 24 h after a level shift", reached,
                       f"{100 * found:.2f} % of {points} points, {len(shifts)} shifts", f"within {WITHIN:g} points, >= 200 shifts")
