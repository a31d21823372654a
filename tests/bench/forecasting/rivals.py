"""The rivals under one face: predict(series, origin, steps) -> quantiles, an array of steps x QUANTILES, that may look at
rows below origin only. The simple ones are the rules that autoscalers use today; their spread is that of their own errors.

SPDX-License-Identifier: Apache-2.0
"""

import importlib.metadata

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

QUANTILES = (0.5, 0.9, 0.95, 0.99)
LEVELS = [80, 90, 98]  # The upper ends of these intervals are the quantiles 0.9, 0.95 and 0.99.
REVISION = 1  # Goes up when a rival below changes what it answers: results in the cache are then no longer its own.
CONFORMAL_WINDOWS = 4
KEEP_DAYS = 14  # Of history, for the models that take seconds with more.


class LastValue:
    """The last value; quantiles from the differences of the past at the same distance."""

    name, packages = "last value", ["numpy"]

    def prepare(self, series, first, steps):
        pass

    def predict(self, series, origin, steps):
        y = series.y[:origin]
        knots = np.unique(np.clip(np.geomspace(1, steps, 12).astype(int), 1, origin // 2))
        spread = np.array([np.quantile(y[k:] - y[:-k], QUANTILES) for k in knots])
        ahead = np.arange(1, steps + 1)
        found = np.stack([y[-1] + np.interp(ahead, knots, spread[:, j]) for j in range(len(QUANTILES))], 1)
        found[:, 0] = y[-1]
        return found


class SeasonalNaive:
    def __init__(self, week):
        self.week, self.name, self.packages = week, "last week" if week else "yesterday", ["numpy"]

    def prepare(self, series, first, steps):
        pass

    def predict(self, series, origin, steps):
        y, season = series.y[:origin], series.season
        if self.week and 14 * season < origin:
            season *= 7
        base = y[origin - season + (np.arange(steps) % season)]
        found = base[:, None] + np.quantile(y[season:] - y[:-season], QUANTILES)[None, :]
        found[:, 0] = base
        return found


def vpa_edges(top, first=1e-4, ratio=1.05):
    """Buckets of the Vertical Pod Autoscaler's histogram: each 5 % wider than the one before it."""
    top = max(float(top), 1e-12)
    n = int(np.ceil(np.log(1 / first * (ratio - 1) + 1) / np.log(ratio))) + 1
    return top * first * (ratio ** np.arange(n + 1) - 1) / (ratio - 1)


class VpaHistogram:
    """The Vertical Pod Autoscaler's decaying histogram, half-life 24 h; flat ahead."""

    name, packages = "VPA histogram", ["numpy"]

    def prepare(self, series, first, steps):
        pass

    def predict(self, series, origin, steps):
        y = series.y[:origin]
        weights = np.exp2(-np.arange(origin)[::-1] * series.step / 86400.0)
        edges = vpa_edges(y.max())
        bucket = np.clip(np.searchsorted(edges, y, "right") - 1, 0, len(edges) - 2)
        mass = np.cumsum(np.bincount(bucket, weights, len(edges) - 1))
        return np.tile([edges[np.searchsorted(mass, q * mass[-1]) + 1] for q in QUANTILES], (steps, 1))


def make_statsforecast(kind, series, intervals=None):
    """A season of a day where the model takes that many steps in bearable time; ETS takes at most 24."""
    from statsforecast.models import MSTL, AutoETS, DynamicOptimizedTheta

    if kind == "AutoETS":
        return AutoETS(season_length=series.season if series.season <= 24 else 1, prediction_intervals=intervals)
    if kind == "MSTL":
        return MSTL(season_length=[series.season], trend_forecaster=AutoETS(model="ZZN"), prediction_intervals=intervals)
    return DynamicOptimizedTheta(season_length=series.season, prediction_intervals=intervals)


class Conformal:
    """A model of statsforecast with its conformal intervals. Without them AutoETS and MSTL explode: multiplicative trends."""

    packages = ["statsforecast", "numpy"]

    def __init__(self, kind):
        self.kind, self.name = kind, f"{'DOT' if kind == 'DynamicOptimizedTheta' else kind}-conf"

    def prepare(self, series, first, steps):
        pass

    def predict(self, series, origin, steps):
        from statsforecast.utils import ConformalIntervals

        y = series.y[:origin]
        if self.kind != "AutoETS":
            y = y[-KEEP_DAYS * series.season:]
        windows = min(CONFORMAL_WINDOWS, (len(y) - 2 * series.season - 2) // steps)
        if windows < 2:
            windows = max(2, min(CONFORMAL_WINDOWS, (len(y) - series.season - 2) // steps))
        model = make_statsforecast(self.kind, series, ConformalIntervals(n_windows=int(windows), h=steps))
        found = model.forecast(y=y.astype(np.float64), h=steps, level=LEVELS)
        return np.stack([found["mean"]] + [found[f"hi-{level}"] for level in LEVELS], 1)


class LightGbm:
    """Quantile regression on trees, direct: the last values, the same clock time of the past days, rolling statistics, the
    clock and the distance; trained once on the rows before the first origin."""

    name, packages = "LightGBM", ["lightgbm", "numpy"]
    rows_max, rounds = 20000, 120

    def features(self, series, origins, ahead):
        y, season, sums = series.y, series.season, self.sums
        columns = [y[origins - 1 - back] for back in (0, 1, 2, 3, 5, 11)]
        for width in (6, 24, season // 2 or 1, season):
            columns.append((sums[origins] - sums[np.maximum(origins - width, 0)]) / np.minimum(width, origins))
        target = origins + ahead - 1
        for days in (1, 2, 3, 7):
            same = target - days * season
            while np.any(same >= origins):
                same = np.where(same >= origins, same - season, same)
            columns.append(np.where(same >= 0, y[np.maximum(same, 0)], np.nan))
        columns += [self.tops[origins - 1], series.hour_of_day(target), series.day_of_week(target), ahead]
        return np.stack([np.broadcast_to(column, np.shape(target)) for column in columns], 1)

    def prepare(self, series, first, steps):
        import lightgbm

        random = np.random.default_rng(1)
        self.sums = np.concatenate([[0], np.cumsum(series.y)])
        self.tops = sliding_window_view(
            np.concatenate([np.full(series.season - 1, series.y[0]), series.y]), series.season).max(1)
        low = max(12, series.season)
        count = min(self.rows_max, (first - low) * min(steps, 24))
        origins, ahead = random.integers(low, max(low + 1, first - 1), count), random.integers(1, steps + 1, count)
        known = origins + ahead - 1 < first
        origins, ahead = origins[known], ahead[known]
        rows, targets = self.features(series, origins, ahead), series.y[origins + ahead - 1]
        self.trees = []
        for q in QUANTILES:
            settings = {"objective": "quantile", "alpha": q, "learning_rate": 0.08, "num_leaves": 31,
                        "min_data_in_leaf": 20, "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True}
            self.trees.append(lightgbm.train(settings, lightgbm.Dataset(rows, targets), self.rounds))

    def predict(self, series, origin, steps):
        rows = self.features(series, np.full(steps, origin), np.arange(1, steps + 1))
        found = np.stack([trees.predict(rows, num_threads=1) for trees in self.trees], 1)
        return np.maximum.accumulate(found, 1)


NAIVE = ["last value", "yesterday", "last week"]
MAKERS = {
    "last value": LastValue,
    "yesterday": lambda: SeasonalNaive(False),
    "last week": lambda: SeasonalNaive(True),
    "VPA histogram": VpaHistogram,
    "LightGBM": LightGbm,
    "AutoETS-conf": lambda: Conformal("AutoETS"),
    "MSTL-conf": lambda: Conformal("MSTL"),
    "DOT-conf": lambda: Conformal("DynamicOptimizedTheta"),
}


def versions(packages):
    return " ".join(f"{package}={importlib.metadata.version(package)}" for package in packages)
