"""Demand series: read from CSV files and from the packed ones beside this file, and put on a regular grid.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import datetime
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent / "data"
DAY, HOUR = 86400, 3600
ROWS_MIN = 200
ROWS_MAX = 20000  # The newest; bounds what the slow rivals take.


def parse_time(text):
    time = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace(" ", "T"))
    return (time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)).timestamp()


def format_time(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Series:
    """y[i] is the demand at start + i * step. Holes are filled linearly, duplicates averaged: every model gets the same."""

    def __init__(self, name, start, step, y):
        self.name, self.start, self.step, self.y = name, float(start), int(step), np.asarray(y, dtype=np.float64)
        self.n = len(self.y)
        self.hour_steps = max(1, round(HOUR / step))
        self.day_steps = max(1, round(DAY / step))
        self.season = self.day_steps if self.day_steps > 1 else 7  # A day; a week for daily data.

    @property
    def source(self):
        return self.name.split("/")[0]

    def digest(self):
        head = f"{self.start:.0f} {self.step} ".encode()
        return hashlib.sha256(head + self.y.tobytes()).hexdigest()[:16]

    def hour_of_day(self, rows):
        return ((self.start + np.asarray(rows) * self.step) % DAY) / HOUR

    def day_of_week(self, rows):
        return np.floor((self.start + np.asarray(rows) * self.step) / DAY + 3) % 7

    def newest(self, rows):
        first = max(0, self.n - rows)
        return Series(self.name, self.start + first * self.step, self.step, self.y[first:])

    def usable(self):
        """Three seasons before the first origin, and a day to be forecast."""
        return self.n >= max(ROWS_MIN, 3 * self.season + self.day_steps) and np.ptp(self.y) > 0

    def write(self, path):
        """As `trimtab forecast` reads it: row i is y[i], so an origin means the same to all."""
        with open(path, "w") as out:
            out.write("timestamp,value\n")
            for i, value in enumerate(self.y):
                out.write(f"{format_time(self.start + i * self.step)},{value:.10g}\n")


def grid(name, times, values):
    times, values = np.array(times), np.array(values)
    if len(times) < 50:
        raise ValueError("fewer than 50 rows")
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    distances = np.diff(times)
    step = int(round(float(np.median(distances[distances > 0]))))
    at = np.round((times - times[0]) / step).astype(np.int64)
    n = int(at[-1]) + 1
    if n > 20 * len(times):
        raise ValueError("hardly a row in twenty is there")
    sums, counts = np.bincount(at, values, n), np.bincount(at, minlength=n)
    there = counts > 0
    y = np.interp(np.arange(n), np.flatnonzero(there), sums[there] / counts[there])
    return Series(name, times[0], step, y)


def read_csv(path, name):
    times, values = [], []
    with open(path, newline="") as rows:
        for row in csv.reader(rows):
            try:
                time, value = parse_time(row[0]), float(row[1])
            except (IndexError, ValueError):
                continue  # A header, a blank line or a gap.
            if np.isfinite(value):
                times.append(time)
                values.append(value)
    return grid(name, times, values)


def read_packed(path):
    """Of each series a line `# name start step rows`, then a line a row; an empty one is a gap (see pack.py)."""
    source = path.name.split(".")[0]
    found, name, start, step, values = [], None, 0, 0, []

    def finish():
        if name:
            there = [(start + i * step, float(text)) for i, text in enumerate(values) if text]
            found.append((f"{source}/{name}", *zip(*there)))

    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line.startswith("#"):
                finish()
                _, name, when, step, _ = line.split()
                start, step, values = parse_time(when), int(step), []
            else:
                values.append(line.strip())
    finish()
    return found


def load_folder(folder):
    """[(name, a function that gives the series)], in order of name. The first part of a name is its source folder."""
    folder = Path(folder)
    for path in sorted(folder.rglob("*.csv")):
        if path.name == "manifest.csv":
            continue
        name = str(path.relative_to(folder))[: -len(".csv")]
        if "/" not in name:
            name = f"{folder.resolve().name}/{name}"
        yield name, lambda path=path, name=name: read_csv(path, name)
    for path in sorted(folder.glob("*.txt.gz")):
        for name, times, values in read_packed(path):
            yield name, lambda name=name, times=times, values=values: grid(name, times, values)


def load(folders, stride=1):
    """Every usable series of the folders, each once; those left out are named on stderr."""
    found, seen = [], set()
    for folder in folders:
        for name, make in load_folder(folder):
            try:
                series = make().newest(ROWS_MAX)
            except ValueError as error:
                print(f"left out {name}: {error}", file=sys.stderr)
                continue
            if not series.usable():
                print(f"left out {name}: {series.n} rows are too few, or constant", file=sys.stderr)
            elif series.digest() not in seen:
                seen.add(series.digest())
                found.append(series)
    return found[::stride]


def scale_of(y, season):
    """The denominator of MASE: the mean absolute difference to the season before; plain differences if that is 0."""
    for distance in (season, 1):
        if len(y) > distance:
            scale = float(np.mean(np.abs(y[distance:] - y[:-distance])))
            if scale > 0:
                return scale
    return float(np.std(y)) or 1.0
