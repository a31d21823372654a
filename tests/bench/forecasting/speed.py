"""Speed and memory: 14 days at 5 minutes, fit and 24 h of quantiles, on one core, ours and statsforecast's AutoETS in turn.

Ours is the binary as a user calls it: the time of a forecast is what each further origin adds to one run of `trimtab
forecast`, writing of the rows included; its memory is the peak of a run less that of the same run on a file of two rows.
What the loop of the controller pays for a history that grows is measured by tests/bench/forecast_track.c, with an hour of
quantiles, which is what a plan asks for.

SPDX-License-Identifier: Apache-2.0
"""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from . import ours, rivals

ROWS, STEP = 4032, 300
FIT_TIMES = 100
SERIES = 10000
GROW_HOURS = 24


def command(path, rows, steps, times):
    return [ours.binary(), "forecast", "--horizon", str(steps), "--quantiles", ",".join(f"{q:g}" for q in rivals.QUANTILES),
            "--origins", ",".join([str(rows)] * times), str(path)]


def seconds_of(argv):
    """CPU time, not the clock's: with others on the core the clock tells of them too."""
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def peak_of(argv):
    """The largest resident memory in bytes, asked for while the process still has rows to write. (What wait4 tells begins
    with the memory of the parent that it was forked from.)"""
    peak = 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while process.stdout.read1(1 << 16):
            with open(f"/proc/{process.pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        peak = max(peak, int(line.split()[1]) * 1024)
    if process.returncode != 0 or not peak:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
    return peak


def autoets_once(series, steps, conformal):
    from statsforecast.utils import ConformalIntervals

    intervals = ConformalIntervals(n_windows=rivals.CONFORMAL_WINDOWS, h=steps) if conformal else None
    started = time.process_time()
    rivals.make_statsforecast("AutoETS", series, intervals).forecast(y=series.y, h=steps, level=rivals.LEVELS)
    return time.process_time() - started


def growing(path, steps):
    """(seconds of a call that fits, seconds of one that adds a sample, bytes kept) of a series that grows."""
    argv = [ours.helper("forecast_track"), str(path), str(ROWS), str(steps), str(GROW_HOURS)]
    fit, sample, size = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split(",")
    return 1e-6 * float(fit), 1e-6 * float(sample), int(size)


def growing_table(report, all_series, runs):
    """The last rows of the series that are long enough for a window to slide over."""
    more = ROWS + GROW_HOURS * 3600 // STEP
    found = [series.newest(more) for series in all_series if series.step == STEP and series.n >= more]
    found = [found[i] for i in sorted(set(np.linspace(0, len(found) - 1, runs).astype(int)))] if found else []
    if not found:
        return
    results = []
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder:
        path = Path(folder) / "series.csv"
        for series in found:
            series.write(path)
            results.append(growing(path, series.hour_steps))
    fits, samples, sizes = zip(*results)
    report.heading(f"A history that grows: a window of {ROWS} rows, an hour of quantiles at each, medians of {len(found)} series")
    report.table(["call", "us", "least", "most"],
                 [[name, f"{1e6 * statistics.median(x):.1f}", f"{1e6 * min(x):.1f}", f"{1e6 * max(x):.1f}"]
                  for name, x in (("with a fit, one an hour", fits), ("a new sample", samples))])
    sample, size = statistics.median(samples), max(sizes) / 2**20
    share = 100 * SERIES * (statistics.median(fits) + (3600 / STEP - 1) * sample) / 3600
    report.verdict("a new sample, quantiles included", sample < 20e-6, f"{1e6 * sample:.1f} us", "< 20 us")
    report.verdict("memory that is kept of a series", size < 2, f"{size:.2f} MiB", "< 2 MiB")
    report.verdict(f"{SERIES} series followed, of one core", share < 10, f"{share:.1f} %", "< 10 %")


def tables(report, all_series, runs):
    """Over the series that are long enough, evenly chosen, as many as runs."""
    fit = [series.newest(ROWS) for series in all_series if series.step == STEP and series.n >= ROWS]
    fit = [fit[i] for i in sorted(set(np.linspace(0, len(fit) - 1, runs).astype(int)))] if fit else []
    if not fit:
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # And of the children: what is compared has the same core.
    mine, theirs, conformal, peaks = [], [], [], []
    try:
        autoets_once(fit[0], fit[0].day_steps, False)  # Imports and compiles.
        with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder:
            path, small = Path(folder) / "series.csv", Path(folder) / "small.csv"
            fit[0].newest(2).write(small)
            empty = peak_of(command(small, 2, fit[0].day_steps, FIT_TIMES))
            for series in fit:
                series.write(path)
                one = seconds_of(command(path, ROWS, series.day_steps, 1))
                many = seconds_of(command(path, ROWS, series.day_steps, 1 + FIT_TIMES))
                mine.append((many - one) / FIT_TIMES)
                peaks.append(peak_of(command(path, ROWS, series.day_steps, FIT_TIMES)) - empty)
                theirs.append(autoets_once(series, series.day_steps, False))
                conformal.append(autoets_once(series, series.day_steps, True))
    finally:
        os.sched_setaffinity(0, cores)
    report.heading(f"Speed: {ROWS} rows, fit and {fit[0].day_steps} steps of quantiles, CPU time, medians of {len(fit)} series")
    median = statistics.median(mine)
    report.table(["model", "ms a forecast", "least", "most", "it / ours"],
                 [[name, f"{1e3 * statistics.median(x):.2f}", f"{1e3 * min(x):.2f}", f"{1e3 * max(x):.2f}",
                   f"{statistics.median(x) / median:.0f}"]
                  for name, x in ((ours.NAME, mine), ("AutoETS", theirs), ("AutoETS-conf", conformal))])
    ratio, memory, share = statistics.median(theirs) / median, max(peaks) / 2**20, 100 * SERIES * median / 3600
    report.verdict("fit and 24 h of quantiles", median <= 3e-3, f"{1e3 * median:.2f} ms", "<= 3 ms")
    report.verdict("times faster than AutoETS", ratio >= 100, f"{ratio:.0f}", ">= 100")
    report.verdict("memory a series, the file's rows included", memory < 2, f"{memory:.2f} MiB", "< 2 MiB")
    report.verdict(f"{SERIES} series refitted hourly, of one core", share < 10, f"{share:.1f} %", "< 10 %")
    growing_table(report, all_series, runs)
