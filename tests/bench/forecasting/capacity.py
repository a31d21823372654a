"""The capacity that a rate of violations costs. At every step of the last part of a series a method sets the capacity that
will be there a lead time later, from what is known now:

    slack       sum of the capacity above demand / sum of demand
    violations  share of the steps with demand above capacity

Each method has one knob that moves along the curve of slack against violations: the utilisation that is aimed for, a margin,
the quantile, or what a violation costs. The slack at a rate of violations is read off the curve, the knob being the same for all series.

SPDX-License-Identifier: Apache-2.0
"""

import functools
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import ours, rivals
from .accuracy import first_origin
from .series import DAY, HOUR

LEAD = 600  # Seconds; a step if that is longer.
ROWS_MAX, TEST_MAX = 12000, 2500
UTILISATIONS = [1.1, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02]
MARGINS = [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.15, 1.3, 1.5, 1.75, 2, 2.5, 3, 4, 6, 10, 20]
LEVELS = [0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999]
OVER = [1.15, 1.3, 1.6, 2, 3, 5]  # Beyond the highest quantile or the largest error so far: that, times this.
COSTS = [0.5, 1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 125, 150, 200, 300, 400, 600, 800, 1000, 1250, 1500, 2000, 3000, 4000,
         6000, 10000, 20000, 50000, 100000]
RATES = [0.01, 0.001]
RESAMPLES = 2000
GOAL = 0.8
REVISION = 1  # See rivals.REVISION.
WORK = []


class Case:
    """A series with its lead, the part that is judged, and how many past errors are remembered."""

    def __init__(self, series):
        self.series = series = series.newest(ROWS_MAX)
        self.lead = max(1, round(LEAD / series.step))
        self.first = max(first_origin(series), series.n - TEST_MAX)
        self.window = int(min(7 * series.season, max(series.season, self.first // 3)))
        self.warm = self.first - self.lead - self.window  # Forecasts from here on give the errors of the window.
        self.demand = series.y[self.first:]

    @functools.cached_property
    def aws(self):
        return aws_track(self)

    def usable(self):
        """A demand is not negative."""
        return self.warm >= 2 * self.series.season and self.demand.sum() > 0 and self.series.y.min() >= 0

    def steady(self):
        before = self.series.y[: self.first]
        median = np.median(before)
        return bool(median > 0 and np.quantile(before, 0.99) <= 3 * median)


def hpa_track(case, utilisation):
    """The Horizontal Pod Autoscaler: ratio rule, 10 % tolerance, 5 minutes of stabilisation on the way down, any real size."""
    series, lead = case.series, case.lead
    stabilisation = int(np.ceil(300 / series.step)) if series.step <= 300 else 0
    now, recent, track = series.y[0] / utilisation, [], np.empty(series.n + lead)
    track[: lead + 1] = now
    for t, demand in enumerate(series.y):
        wanted = demand / utilisation
        if now > 0 and abs(demand / (now * utilisation) - 1) <= 0.1:
            wanted = now
        recent = (recent + [wanted])[-stabilisation - 1:]
        now = max(recent) if wanted < now else wanted
        track[t + lead] = now
    return track[case.first:series.n]


def vpa_track(case, share):
    """The Vertical Pod Autoscaler's decaying histogram, half-life 24 h, as it was known a lead before."""
    y, n = case.series.y, case.series.n
    edges = rivals.vpa_edges(y[: case.first].max() * 10, first=1e-5)
    bucket = np.clip(np.searchsorted(edges, y, "right") - 1, 0, len(edges) - 2)
    decay, weights, track = 0.5 ** (case.series.step / DAY), np.zeros(len(edges) - 1), np.full(n, np.nan)
    for t in range(n - case.lead):
        weights *= decay
        weights[bucket[t]] += 1
        if t + case.lead >= case.first:
            mass = np.cumsum(weights)
            track[t + case.lead] = edges[np.searchsorted(mass, share * mass[-1]) + 1]
    return track[case.first:]


def hour_tops(step, y):
    hours = (np.arange(len(y)) * step // HOUR).astype(int)
    tops = np.full(hours[-1] + 1, -np.inf)
    np.maximum.at(tops, hours, y)
    return tops, hours


def aws_track(case):
    """As AWS predictive scaling: every 6 h a forecast of the hourly maxima, two days ahead, from 14 days."""
    from statsforecast.models import MSTL, AutoETS

    series = case.series
    tops, hours = hour_tops(series.step, series.y)
    track, forecast, made = np.full(series.n, np.nan), None, 0
    for t in range(case.first, series.n):
        known = int(min((t - case.lead + 1) * series.step // HOUR, len(tops)))
        if forecast is None or known - made >= 6:
            past = tops[max(0, known - 14 * 24):known].astype(np.float64)
            try:
                model = MSTL(season_length=[24], trend_forecaster=AutoETS(model="ZZN"))
                forecast = model.forecast(y=past, h=48)["mean"]
            except Exception:  # Not every history can be fitted: yesterday, then.
                forecast = np.resize(past[-24:], 48)
            made = known
        track[t] = max(forecast[min(hours[t] - made, 47)], 0.0)
    return track[case.first:]


def ets_track(case):
    """AutoETS, fitted once a day on four days and carried forward between; the forecast of t from a lead before it."""
    series, track, model, made = case.series, np.full(case.series.n, np.nan), None, 0
    for t in range(case.warm, series.n):
        origin = t - case.lead + 1
        past = series.y[max(0, origin - 4 * series.season):origin].astype(np.float64)
        try:
            if model is None or origin - made >= series.season:
                model, made = rivals.make_statsforecast("AutoETS", series).fit(past), origin
                track[t] = model.predict(h=case.lead)["mean"][-1]
            else:
                track[t] = model.forward(y=past, h=case.lead)["mean"][-1]
        except Exception:
            track[t] = past[-1]
    return track


def conformal(case, track):
    """A forecast with a rolling quantile of its own recent errors on top: the knob is the quantile."""
    newest = np.arange(case.first, case.series.n) - case.lead
    errors = np.sort(sliding_window_view(case.series.y - track, case.window)[newest - case.window + 1], axis=1)
    ranks = [min(case.window, max(1, int(np.ceil(q * (case.window + 1))))) - 1 for q in [*LEVELS, 1.0]]
    base = track[case.first:]
    return [base + errors[:, rank] for rank in ranks] + [base + np.maximum(errors[:, -1], 0) * over for over in OVER]


def ours_track(case, knobs, option):
    origins = list(range(case.first - case.lead + 1, case.series.n - case.lead + 1))
    found = ours.forecast(case.series, case.lead, origins, knobs, option)
    return np.stack([found[origin][case.lead - 1] for origin in origins])


def cost_tracks(case):
    """What is worth serving at a cost of a violation: spec.sla.violationCost."""
    return list(ours_track(case, COSTS, "--violation-costs").T)


def quantile_tracks(case):
    """The quantiles as they are: spec.sla.maxViolationPerMille."""
    levels = [*LEVELS, 0.9995, 0.9999, 0.99995]
    track = ours_track(case, levels, "--quantiles")
    return [track[:, j] for j in range(len(levels))] + [track[:, -1] * over for over in OVER]


def last_value_at_cost(case):
    """Our rule of costs on the simplest forecast there is: tells what is the rule's merit, and what the forecast's."""
    y, newest = case.series.y, np.arange(case.first, case.series.n) - case.lead
    errors = np.sort(sliding_window_view(y - last_value(case), case.window)[newest - case.window + 1], axis=1)
    levels = (np.arange(case.window) + 1) / (case.window + 1)
    capacity = np.maximum(y[newest][:, None] + errors, 0)
    sums, span = np.concatenate([[0], np.cumsum(y)]), min(7 * case.series.season, case.first - case.lead)
    mean = (sums[newest + 1] - sums[newest + 1 - span]) / span
    idle = np.cumsum(np.diff(capacity, axis=1, prepend=capacity[:, :1]) * (levels - 0.5 / (case.window + 1)), axis=1)
    at = [np.argmin(idle + (cost * mean)[:, None] * (1 - levels), axis=1) for cost in COSTS]
    highest = capacity[:, -1]
    return [capacity[np.arange(len(capacity)), best] for best in at] + [highest * over for over in OVER]


def last_value(case):
    return np.concatenate([np.full(case.lead, case.series.y[0]), case.series.y[: -case.lead]])


METHODS = {
    "HPA": lambda case: [hpa_track(case, u) for u in UTILISATIONS],
    "VPA p90": lambda case: [vpa_track(case, 0.9) * margin for margin in MARGINS],
    "VPA p95": lambda case: [vpa_track(case, 0.95) * margin for margin in MARGINS],
    "AWS-like": lambda case: [case.aws / u for u in UTILISATIONS],
    "AWS-like and HPA": lambda case: [np.maximum(case.aws / u, hpa_track(case, u)) for u in UTILISATIONS],
    "last value, rolling conformal": lambda case: conformal(case, last_value(case)),
    "ETS, rolling conformal": lambda case: conformal(case, ets_track(case)),
    "last value, at our costs": last_value_at_cost,
    f"{ours.NAME}, one quantile": quantile_tracks,
    ours.NAME: cost_tracks,
}
OURS = list(METHODS)[-3:]


def judge(method, at):
    """[(slack, violations) at each knob]"""
    case = WORK[at]
    found = []
    for capacity in METHODS[method](case):
        capacity = np.where(np.isfinite(capacity), np.maximum(capacity, 0), 0)
        found.append((float(np.maximum(capacity - case.demand, 0).sum() / case.demand.sum()),
                      float(np.mean(case.demand > capacity))))
    return found


def knob_at(rate, slack, violations):
    """The place on a curve where it has that rate of violations, between two knobs: (one, the other, how far to it); None
    where the curve does not reach. Interpolated on the logarithm of the violations."""
    order = np.argsort(slack)
    x = -np.minimum.accumulate(np.log(np.maximum(violations, 5e-5))[order])
    wanted = -np.log(rate)
    if not x[0] <= wanted <= x[-1]:
        return None
    after = min(int(np.searchsorted(x, wanted)), len(x) - 1)
    before = max(after - 1, 0)
    way = x[after] - x[before]
    return order[before], order[after], (wanted - x[before]) / way if way > 0 else 0.0


def each_at(rate, curves, what=0):
    """Slack (what = 1: violations) of each series, the knob being the one at which all of them together have that rate.
    curves: series x knobs x (slack, violations)."""
    knob = knob_at(rate, *curves.mean(0).T)
    if knob is None:
        return np.full(len(curves), np.nan)
    before, after, way = knob
    return (1 - way) * curves[:, before, what] + way * curves[:, after, what]


def slack_at(rate, curves):
    """NaN where the curve does not reach."""
    return float(np.mean(each_at(rate, curves)))


def measure(cases, store, processes, methods):
    """{method: array of series x knobs x (slack, violations)}"""
    WORK[:] = cases
    found, pending = {}, {}
    with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
        for method in methods:
            # The same program says the same of the same series: a run that was cut short goes on.
            who = ours.digest() if method in OURS else rivals.versions(["statsforecast", "numpy"])
            for at, case in enumerate(cases):
                key = store.key("capacity", method, REVISION, who, case.series.digest(), case.lead, case.first)
                known = store.get(key, is_kept=method not in OURS)
                if known:
                    found[method, at] = known
                else:
                    pending[pool.submit(judge, method, at)] = method, at, key
        for done, future in enumerate(as_completed(pending), 1):
            method, at, key = pending[future]
            found[method, at] = future.result()
            store.put(key, found[method, at], {"method": method, "series": cases[at].series.name})
            print(f"{done}/{len(pending)}: {method}, {cases[at].series.name}", file=sys.stderr, flush=True)
    return {method: np.array([found[method, at] for at in range(len(cases))]) for method in methods}


def interval(curves, best, rate):
    """95 % of ours / best over resampled series."""
    random, ratios = np.random.default_rng(1), []
    for _ in range(RESAMPLES):
        chosen = random.integers(0, len(curves[best]), len(curves[best]))
        one, other = (slack_at(rate, curves[method][chosen]) for method in (ours.NAME, best))
        if np.isfinite(one) and np.isfinite(other):
            ratios.append(one / other)
    if len(ratios) < RESAMPLES / 2:
        return "-"
    low, high = np.quantile(ratios, [0.025, 0.975])
    return f"{low:.2f} to {high:.2f}"


def best_of(curves, rate):
    """(the rival with the least slack, its slack); None if none reaches the rate."""
    found = [(slack_at(rate, curve), method) for method, curve in curves.items() if method not in OURS]
    reaching = [pair for pair in found if np.isfinite(pair[0])]
    return min(reaching)[::-1] if reaching else None


def hourly_oracle(case):
    tops, hours = hour_tops(case.series.step, case.demand)
    return float((tops[hours] - case.demand).sum() / case.demand.sum())


def tables(report, all_series, store, processes):
    cases = []
    for series in all_series:
        case = Case(series)
        if case.usable():
            cases.append(case)
        else:
            print(f"capacity: left out {series.name}: too short, or below 0", file=sys.stderr)
    if not cases:
        return
    curves = measure(cases, store, processes, list(METHODS))
    steady = np.array([case.steady() for case in cases])
    for title, chosen in (("all", steady | True), ("steady (P99 at most 3 times the median before)", steady),
                          ("bursty (the others)", ~steady)):
        if chosen.any():
            perfect = np.mean([hourly_oracle(case) for case, kept in zip(cases, chosen) if kept])
            curves_table(report, title, {method: curve[chosen] for method, curve in curves.items()}, perfect)
    by_source(report, cases, curves)
    weights(report, cases, curves)


def curves_table(report, title, part, perfect):
    slack = {method: [slack_at(rate, curve) for rate in RATES] for method, curve in part.items()}
    report.heading(f"Slack at a rate of violations: {title}, {len(part[ours.NAME])} series, lead 10 minutes")
    report.table(["method", *(f"at {100 * rate:g} %" for rate in RATES)],
                 [[method, *("-" if np.isnan(x) else f"{x:.3f}" for x in found)] for method, found in slack.items()]
                 + [["oracle that changes hourly", *[f"{perfect:.3f}"] * 2], ["oracle", "0", "0"]])
    for j, rate in enumerate(RATES):
        found = best_of(part, rate)
        if found:
            best, least = found
            ratio = slack[ours.NAME][j] / least
            report.verdict(f"slack at {100 * rate:g} % violations, {title.split()[0]}", ratio <= GOAL,
                           f"{ratio:.3f} of {best} ({interval(part, best, rate)})", f"<= {GOAL}")


def by_source(report, cases, curves):
    """One knob for the series of a folder; and the same for all of them, as above."""
    sources, rows, worst = sorted({case.series.source for case in cases}), [], {}
    for source in sources:
        chosen = np.array([case.series.source == source for case in cases])
        part, row = {method: curve[chosen] for method, curve in curves.items()}, [source, int(chosen.sum())]
        for rate in RATES:
            found, mine = best_of(part, rate), slack_at(rate, part[ours.NAME])
            if not found or np.isnan(mine):
                row += ["-", "-", "-", "-", "-"]
                continue
            best, least = found
            row += [best, f"{least:.3f}", f"{mine:.3f}", f"{mine / least:.3f}", interval(part, best, rate)]
            worst[rate] = max(worst.get(rate, (0, "", "")), (mine / least, source, best))
        rows.append(row)
    report.heading("Capacity by source folder, against the best rival there")
    report.table(["source", "series", *(f"{100 * rate:g} %: {what}" for rate in RATES
                                        for what in ("best rival", "its slack", "ours", "ratio", "interval"))], rows)
    for rate, (ratio, source, best) in worst.items():
        report.verdict(f"slack at {100 * rate:g} % violations, worst source folder", ratio <= GOAL,
                       f"{ratio:.3f} of {best} on {source}", f"<= {GOAL}")


def half_of(values):
    """How many of the largest make half of the sum."""
    ordered = np.sort(values)[::-1]
    return int(np.searchsorted(np.cumsum(ordered), ordered.sum() / 2) + 1)


def weights(report, cases, curves):
    """Whether a few series make the figures: an interval over series is as wide as they are few."""
    rows = []
    for rate in RATES:
        found = best_of(curves, rate)
        if not found:
            continue
        mine, other = each_at(rate, curves[ours.NAME]), each_at(rate, curves[found[0]])
        top = int(np.argmax(other))
        without = np.arange(len(cases)) != top
        ratio = slack_at(rate, curves[ours.NAME][without]) / slack_at(rate, curves[found[0]][without])
        halves = [half_of(each_at(rate, curves[method], what)) for what in (0, 1) for method in (ours.NAME, found[0])]
        rows.append([f"{100 * rate:g} %", found[0], *halves, f"{100 * np.mean(mine < other):.0f}",
                     f"{np.exp(np.mean(np.log(np.maximum(mine, 1e-9) / np.maximum(other, 1e-9)))):.3f}",
                     cases[top].series.name, f"{100 * other[top] / other.sum():.0f}", f"{ratio:.3f}"])
    report.heading(f"What the slack of {len(cases)} series is made of, each at the knob of all")
    report.table(["violations", "best rival", "series with half of our slack", "of its", "with half of our violations", "of its",
                  "less slack with ours, % of series", "ours / its, geometric mean", "its largest slack", "% of all",
                  "ours / its without that"], rows)
