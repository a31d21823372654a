"""Forecasts of the binary, through `trimtab forecast --origins`: what a user gets.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import functools
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

REPO = Path(__file__).resolve().parents[3]
NAME = "Trimtab"


def binary():
    return os.environ.get("TRIMTAB_BIN", str(REPO / "build" / "trimtab"))


@functools.cache
def digest():
    return hashlib.sha256(Path(binary()).read_bytes()).hexdigest()[:16]


def helper(name):
    """A program beside the benchmark: tests/bench/NAME.c."""
    return os.environ.get(name.upper(), str(REPO / "build" / "release" / "tests" / "bench" / name))


def forecast(series, steps, origins, knobs, option="--quantiles"):
    """{origin: steps x knobs}, these being quantiles, or with --violation-costs what a violation costs."""
    found = {int(origin): np.full((steps, len(knobs)), np.nan) for origin in origins}
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder:
        path = Path(folder) / "series.csv"
        series.write(path)
        argv = [binary(), "forecast", "--horizon", str(steps), option, ",".join(f"{knob:.10g}" for knob in knobs),
                "--origins", ",".join(map(str, found)), str(path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            rows = csv.reader(process.stdout)
            next(rows)
            for row in rows:
                found[int(row[0])][int(row[1]) - 1] = [float(text) for text in row[2:]]
        if process.returncode != 0:
            raise RuntimeError(f"trimtab forecast of {series.name} ended with {process.returncode}")
    if any(np.isnan(rows).any() for rows in found.values()):
        raise RuntimeError(f"trimtab forecast of {series.name} left something out")
    return found
