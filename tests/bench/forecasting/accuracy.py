"""Pinball loss and coverage from rolling origins in the last 30 % of each series.

SPDX-License-Identifier: Apache-2.0
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import numpy as np

from . import ours, rivals
from .series import scale_of

HORIZONS = ["1 h", "24 h"]
ORIGINS = 8
TEST_SHARE = 0.3
SPREAD = 37
GOAL = 0.85


def steps_of(series, horizon):
    return series.hour_steps if horizon == "1 h" else series.day_steps


def first_origin(series):
    return int(series.n * (1 - TEST_SHARE))


def origins_of(series, steps):
    return sorted(set(np.linspace(first_origin(series), series.n - steps, ORIGINS).astype(int).tolist()))


def judge(series, steps, predict):
    """What a model's forecasts are worth: loss at each quantile over the series' seasonal-naive error, and how many of the
    points stayed under it."""
    scale = scale_of(series.y[: first_origin(series)], series.season)
    losses, covered, points = [], np.zeros(len(rivals.QUANTILES), int), 0
    for origin in origins_of(series, steps):
        y = series.y[origin:origin + steps, None]
        found = predict(origin)
        over = y - found
        q = np.array(rivals.QUANTILES)[None, :]
        losses.append(np.mean(np.maximum(q * over, (q - 1) * over), 0) / scale)
        covered += np.sum(y <= found, 0)
        points += steps
    return {"loss": np.mean(losses, 0).tolist(), "covered": covered.tolist(), "points": points}


def run_rival(name, series, horizon):
    model, steps, fallbacks = rivals.MAKERS[name](), steps_of(series, horizon), 0
    yesterday, started = rivals.SeasonalNaive(False), time.perf_counter()
    model.prepare(series, first_origin(series), steps)

    def predict(origin):
        nonlocal fallbacks
        try:
            found = model.predict(series, origin, steps)
        except Exception:  # A fit of statsforecast may fail on what it is given; what its user would do then is unknown.
            found = None
        if found is not None and np.all(np.isfinite(found)):
            return found
        fallbacks += 1
        return yesterday.predict(series, origin, steps)

    result = judge(series, steps, predict)
    return {**result, "fallbacks": fallbacks, "seconds": time.perf_counter() - started}


def run_ours(series, horizon):
    steps = steps_of(series, horizon)
    found = ours.forecast(series, steps, origins_of(series, steps), rivals.QUANTILES)
    return judge(series, steps, lambda origin: found[origin])


WORK = []  # The series: inherited by the workers when they are forked.


def work(name, at, horizon):
    series = WORK[at]
    return run_ours(series, horizon) if name == ours.NAME else run_rival(name, series, horizon)


def rival_key(store, name, series, horizon):
    packages = rivals.MAKERS[name]().packages
    return store.key("accuracy", name, rivals.REVISION, rivals.versions(packages), series.digest(),
                     steps_of(series, horizon), origins_of(series, steps_of(series, horizon)))


def measure(all_series, names, store, processes, cached_only):
    """{(model, horizon, name of the series): result}. A fast rival is not worth a line in the cache, a slow one is."""
    WORK[:] = all_series
    results, tasks = {}, []
    for name in [*names, ours.NAME]:
        slow = name != ours.NAME and "numpy" != rivals.MAKERS[name]().packages[0]
        for horizon in HORIZONS:
            for at, series in enumerate(all_series):
                key = rival_key(store, name, series, horizon) if slow else None
                known = store.get(key) if slow else None
                if known and np.all(np.isfinite(known["loss"])):
                    results[name, horizon, series.name] = known
                elif not slow or not cached_only:
                    tasks.append((name, at, horizon, key))
    # The quick ones first, then series from all over the list with all their rivals: a run that is cut short has compared
    # a fair selection of them.
    tasks.sort(key=lambda task: (task[3] is not None, task[0] != "LightGBM", task[1] * SPREAD % len(all_series), task[2]))
    started = time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        pending = {pool.submit(work, name, at, horizon): (name, at, horizon, key) for name, at, horizon, key in tasks}
        for done, future in enumerate(as_completed(pending), 1):
            name, at, horizon, key = pending[future]
            series = all_series[at]
            results[name, horizon, series.name] = result = future.result()
            if key:
                store.put(key, result, {"model": name, "series": series.name, "horizon": horizon})
                print(f"{done}/{len(tasks)} after {time.monotonic() - started:.0f} s: {name}, {horizon}, {series.name}",
                      file=sys.stderr, flush=True)
    return results


def mean_loss(results, name, horizon, series):
    """Mean over the series of the mean over the quantiles; NaN if one of them was not measured."""
    found = [results.get((name, horizon, one.name)) for one in series]
    return float(np.mean([np.mean(one["loss"]) for one in found])) if found and all(found) else float("nan")


def least_loss(results, name, horizon, series):
    """What the rival's mean loss is at least, whatever it answers on the series that it has not answered yet."""
    return float(sum(np.mean(results[name, horizon, one.name]["loss"]) for one in measured(results, name, horizon, series))
                 / len(series))


def measured(results, name, horizon, series):
    return [one for one in series if (name, horizon, one.name) in results]


def pooled_coverage(results, name, horizons, series):
    """(share under each quantile, number of points)"""
    found = [results[name, horizon, one.name] for horizon in horizons for one in measured(results, name, horizon, series)]
    points = sum(one["points"] for one in found)
    return np.sum([one["covered"] for one in found], 0) / max(points, 1), points


def tables(report, results, names, series):
    for horizon in HORIZONS:
        rows = []
        for name in [*names, ours.NAME]:
            have = measured(results, name, horizon, series)
            if not have:
                continue
            found = [results[name, horizon, one.name] for one in have]
            loss = mean_loss(results, name, horizon, have)
            share = mean_loss(results, ours.NAME, horizon, have) / loss
            shares, _ = pooled_coverage(results, name, [horizon], have)
            rows.append([name, len(have), f"{loss:.4f}", *(f"{x:.4f}" for x in np.mean([one["loss"] for one in found], 0)),
                         *(f"{100 * x:.1f}" for x in shares), "" if name == ours.NAME else f"{share:.3f}"])
        report.heading(f"Accuracy, {horizon} ahead")
        report.table(["model", "series", "loss", *(f"at {q:g}" for q in rivals.QUANTILES),
                      *(f"covered {q:g}, %" for q in rivals.QUANTILES), "ours / it"], rows)
        if fallbacks := [f"{name} {count}" for name in names if (count := sum(
                results[name, horizon, one.name]["fallbacks"] for one in measured(results, name, horizon, series)))]:
            report.say(f"\nOrigins at which a fit failed and yesterday stood in: {', '.join(fallbacks)}.")
        against_best(report, results, names, series, horizon)
    by_source(report, results, names, series)
    coverage(report, results, series)


def against_best(report, results, names, series, horizon):
    """A rival that has not answered on every series yet leaves the goal open, unless ours would be below it whatever it
    answers on the others."""
    mine, found, unknown = mean_loss(results, ours.NAME, horizon, series), [], []
    for name in names:
        have = measured(results, name, horizon, series)
        if len(have) < len(series) and not mine <= GOAL * least_loss(results, name, horizon, series):
            unknown.append(name)
        if have:
            share = mean_loss(results, ours.NAME, horizon, have) / mean_loss(results, name, horizon, have)
            found.append((share, name, len(have)))
    if not found:
        return
    share, name, count = max(found)
    is_missed = any(share > GOAL for share, _, count in found if count == len(series))
    text = f"{share:.3f} of {name}"
    if count < len(series):
        text += f" on {count} series"
        if name not in unknown:
            text += f"; {mine / least_loss(results, name, horizon, series):.3f} if it lost nothing on the other {len(series) - count}"
    if unknown:
        text += f"; too few answers of {', '.join(unknown)}"
    report.verdict(f"{horizon}: loss against the best rival", False if is_missed else None if unknown else True, text,
                   f"<= {GOAL}")


def by_source(report, results, names, series):
    """On no source folder worse than the best of the naive rules by more than 3 %."""
    naive, rows, worst = [name for name in names if name in rivals.NAIVE], [], {}
    if not naive:
        return
    for source in sorted({one.source for one in series}):
        members = [one for one in series if one.source == source]
        row = [source, len(members)]
        for horizon in HORIZONS:
            losses = {name: mean_loss(results, name, horizon, members) for name in naive}
            best = min(losses, key=losses.get)
            mine = mean_loss(results, ours.NAME, horizon, members)
            ratio = mine / losses[best]
            row += [best, f"{losses[best]:.4f}", f"{mine:.4f}", f"{ratio:.3f}"]
            worst[horizon] = max(worst.get(horizon, (0, "")), (ratio, source))
        rows.append(row)
    report.heading("Accuracy by source folder, against the best naive rule there")
    report.table(["source", "series"] + [f"{horizon}: {what}" for horizon in HORIZONS
                                         for what in ("best naive", "its loss", "ours", "ratio")], rows)
    for horizon in HORIZONS:
        report.verdict(f"{horizon}: worst source folder against its best naive rule", worst[horizon][0] <= 1.03,
                       f"{worst[horizon][0]:.3f} on {worst[horizon][1]}", "<= 1.03")


def coverage(report, results, series):
    rows = []
    for horizons in ([HORIZONS[0]], [HORIZONS[1]], HORIZONS):
        share, points = pooled_coverage(results, ours.NAME, horizons, series)
        each = [np.array(results[ours.NAME, h, one.name]["covered"]) / results[ours.NAME, h, one.name]["points"]
                for h in horizons for one in series]
        rows.append([" and ".join(horizons), len(series), points, *(f"{100 * x:.2f}" for x in share),
                     *(f"{100 * x:.2f}" for x in np.mean(each, 0))])
        if len(horizons) == 1:
            for q, within, found in zip(rivals.QUANTILES[1:], (1.5, 1.0, 0.5), share[1:]):
                report.verdict(f"{horizons[0]}: coverage of {q:g}, pooled", abs(found - q) * 100 <= within,
                               f"{100 * found:.2f} % of {points} points", f"within {within} points")
    report.heading("Coverage of ours, in %: pooled over all points, then as the mean of the series")
    report.table(["horizon", "series", "points", *(f"{q:g} pooled" for q in rivals.QUANTILES),
                  *(f"{q:g} mean" for q in rivals.QUANTILES)], rows)


def write_csv(path, results):
    with open(path, "w") as out:
        out.write("horizon,model,series," + ",".join([f"pb{q:g}" for q in rivals.QUANTILES]
                                                     + [f"cov{q:g}" for q in rivals.QUANTILES]) + "\n")
        for (name, horizon, series), result in sorted(results.items()):
            shares = [count / result["points"] for count in result["covered"]]
            out.write(",".join([horizon.replace(" ", ""), name, series, *(f"{x:.6g}" for x in result["loss"] + shares)])
                      + "\n")
