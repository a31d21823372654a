"""What `trimtab forecast` and `trimtab backtest` make of series that are odd or wrong: a forecast with an honest basis, or
the row that is to blame; never a value that is no number, and never quantiles that cross.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import datetime
import io
import json
import math
import os
import re
import resource
import subprocess

import pytest

POLICY = """\
apiVersion: trimtab.dev/v1alpha1
kind: ResourcePolicy
metadata: {name: web, namespace: platform}
spec:
  selector: {providers: [aws-prod], kinds: [InstanceGroup]}
  mode: Observe
  sla: {targetUtilization: 65, maxViolationPerMille: 10, leadTime: 10m}
  capacity: {min: 2, max: 60}
"""
QUANTILES = ["q0.1", "q0.5", "q0.9", "q0.999"]
START = datetime.datetime(2026, 3, 1)


def at(minute):
    return (START + datetime.timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rows(values, step=5, first=0):
    return "".join(f"{at(first + i * step)},{value}\n" for i, value in enumerate(values))


def wave(i, period=288):
    return round(50 + 30 * math.sin(i * 2 * math.pi / period) + i * 7919 % 13, 3)


WAVE = [wave(i) for i in range(288 * 4)]


@pytest.fixture
def call(runner, tmp_path):
    """call(verb, text) -> the finished process, with the series in a file."""
    (tmp_path / "policy.yaml").write_text(POLICY)

    def run(verb, text, *args):
        path = tmp_path / "series.csv"
        path.write_text(text)
        if verb == "backtest":
            return runner.call("backtest", "-f", tmp_path / "policy.yaml", "-o", "json", "--demand", path, *args)
        return runner.call("forecast", "--horizon", "24", "--quantiles", "0.1,0.5,0.9,0.999", path, *args)

    return run


def check_forecast(done):
    """The model, the basis and the number of samples that it names; and its values are numbers in order."""
    assert done.returncode == 0, done.stderr
    steps = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [int(step["step"]) for step in steps] == list(range(1, 25))
    for step in steps:
        values = [float(step[q]) for q in QUANTILES]
        assert all(map(math.isfinite, values)) and values == sorted(values), step
    model, basis, samples = re.search(r"model (\S+), basis (\w+), (\d+) samples", done.stderr).groups()
    return model, basis, int(samples), steps


@pytest.mark.parametrize(
    "text, basis, samples",
    [
        (rows([5]), "prior", 1),
        (rows([5] * 600), "own", 600),
        (rows([0] * 600), "own", 600),
        (rows([-v for v in WAVE]), "own", len(WAVE)),
        (rows([1e37] * 600), "own", 600),
        (rows([v if i % 7 else "NaN" for i, v in enumerate(WAVE)]), "own", len(WAVE) - (len(WAVE) + 6) // 7),
        (rows(WAVE) + rows(["", "null", "nan"], first=5 * len(WAVE)), "own", len(WAVE)),
        (rows(WAVE) + rows(WAVE[:3]), "own", len(WAVE)),
        ("".join(reversed(rows(WAVE).splitlines(keepends=True))), "own", len(WAVE)),
        (rows(WAVE[:288]) + rows(WAVE, first=366 * 1440), "own", None),  # A year's gap.
        (rows(WAVE) + rows(WAVE[:600], step=1, first=5 * len(WAVE)), "own", len(WAVE) + 121),  # The step becomes finer,
        (rows(WAVE) + rows(WAVE[:48], step=60, first=5 * len(WAVE)), "own", len(WAVE) + 48),  # or coarser.
    ],
    ids=["one row", "constant", "zeros", "negative", "huge", "NaN", "gaps at the end", "times again", "backwards", "a year's gap",
         "a finer step", "a coarser step"],
)
def test_an_odd_series_gives_a_forecast_with_an_honest_basis(call, text, basis, samples):
    model, told_basis, told_samples, _ = check_forecast(call("forecast", text))
    assert told_basis == basis and model != "none"
    assert samples is None or told_samples == samples


@pytest.mark.parametrize("verb", ["forecast", "backtest"])
@pytest.mark.parametrize(
    "text, said",
    [
        ("", "no rows"),
        ("timestamp,value\n", "no rows"),
        (rows(["nan"] * 9), "no row has a value"),
        (rows([5, 6, "inf"]), "row 3 (line 3): the value is infinite"),
        (rows([5, "-Infinity"]), "row 2 (line 2): the value is infinite"),
        (rows([5, 6, "1e39"]), "row 3 (line 3): the value is infinite or too large"),
        (rows([5, "5 vCPU"]), "row 2 (line 2): the value is not a number"),
        (rows([5]) + "2026-03-29 02:30:00,5\n", "row 2 (line 2): the timestamp is not RFC 3339"),  # Whose clock?
        (rows([5]) + "2026-03-29T02:30:00,5\n", "row 2 (line 2): the timestamp is not RFC 3339"),
        (rows([5]) + "1774751400,5\n", "row 2 (line 2): the timestamp is not RFC 3339"),
        (rows([5]) + "2026-03-01T00:05:00Z;5\n", "row 2 (line 2): has one field"),
        (rows([5]) + "x" * 300 + "\n", "row 2 (line 2): the line is too long"),
    ],
)
def test_a_wrong_row_is_named(call, tmp_path, verb, text, said):
    done = call(verb, text)
    assert done.returncode == 1 and done.stdout == "", done.stderr
    assert f"trimtab: {tmp_path / 'series.csv'}: {said}" in done.stderr


@pytest.mark.parametrize("verb", ["forecast", "backtest"])
def test_rows_that_are_sorted_and_times_that_come_again_are_told(call, verb):
    straight = call(verb, rows(WAVE))
    assert "sorted" not in straight.stderr and "left out" not in straight.stderr
    for text, row in (
        (rows(WAVE[700:], first=3500) + rows(WAVE[:700]), len(WAVE) - 700 + 1),
        (rows([9999] * 600) + rows(WAVE), 601),  # Of equal times the last row counts.
    ):
        done = call(verb, text)
        assert f"row {row} is not later than the one before it: rows are sorted" in done.stderr
        assert done.returncode == 0 and done.stdout == straight.stdout


@pytest.mark.parametrize("verb", ["forecast", "backtest"])
def test_a_clock_change_moves_nothing(call, verb):
    """The nights of Berlin's clock changes, written in its time with its offsets: the same moments as in UTC."""
    for change, before, after in (("2026-03-29T01:00:00Z", 1, 2), ("2026-10-25T01:00:00Z", 2, 1)):
        moment = datetime.datetime.strptime(change, "%Y-%m-%dT%H:%M:%SZ")
        utc, local = [], []
        for i, value in enumerate(WAVE):
            now = moment + datetime.timedelta(minutes=5 * (i - 700))
            offset = before if now < moment else after
            utc.append(f"{now:%Y-%m-%dT%H:%M:%S}Z,{value}\n")
            local.append(f"{now + datetime.timedelta(hours=offset):%Y-%m-%dT%H:%M:%S}+0{offset}:00,{value}\n")
        from_utc, from_local = call(verb, "".join(utc)), call(verb, "".join(local))
        assert from_utc.returncode == 0, from_utc.stderr
        assert (from_local.stdout, from_local.stderr) == (from_utc.stdout, from_utc.stderr)


@pytest.mark.parametrize("verb", ["forecast", "backtest"])
def test_local_times_called_utc_show_the_hour_that_comes_twice(call, verb):
    """At the end of summer time such a clock shows 02:00 to 02:55 again: the row where it does is named."""
    done = call(verb, rows(WAVE[:300]) + rows(WAVE[300:], first=5 * 288))
    assert done.returncode == 0 and "row 301 is not later than the one before it" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        rows([5] * 300),
        rows(WAVE) + rows(WAVE[:600], step=1, first=5 * len(WAVE)),
        rows(WAVE) + rows(WAVE[:48], step=60, first=5 * len(WAVE)),
        rows([v if i % 7 else "NaN" for i, v in enumerate(WAVE)]),
        rows(WAVE) + rows([""] * 300, first=5 * len(WAVE)),
    ],
    ids=["constant", "a finer step", "a coarser step", "NaN", "gaps at the end"],
)
def test_an_odd_series_is_replayed(call, text):
    done = call("backtest", text)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["steps"] > 0 and 0 <= told["violationRate"] <= 1 and told["slack"] >= told["oracle"]["slack"] >= 0


DAY_ROWS = 86400
LIMIT_BYTES = 1 << 30


def ten_million(pipe):
    """116 days of seconds."""
    day = "".join(f"DT{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}Z,{20 + i * 7919 % 97}\n" for i in range(DAY_ROWS))
    for k in range(116):
        date = datetime.date(2025, 1, 1) + datetime.timedelta(k)
        pipe.write(day.replace("D", date.isoformat()).encode())
    pipe.close()


@pytest.mark.skipif("asan" in os.environ.get("TRIMTAB_BIN", ""), reason="a sanitizer reserves terabytes of addresses")
@pytest.mark.parametrize("verb", ["forecast", "backtest"])
def test_ten_million_rows_are_read_in_bounded_memory(trimtab, tmp_path, verb):
    """Its memory is limited; the newest rows are used, and it is said which are not."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    replayed = ["--demand", "-", "-f", tmp_path / "policy.yaml", "--from", "10022000", "--every", "100", "-o", "json"]
    args = replayed if verb == "backtest" else ["-", "--horizon", "2"]
    process = subprocess.Popen([str(trimtab), verb, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES)))
    ten_million(process.stdin)
    process.stdin = None
    out, err = (text.decode() for text in process.communicate(timeout=300))
    assert process.returncode == 0, err
    left_out = 116 * DAY_ROWS - (1 << 20)
    assert f"{left_out} rows before 2025-04-14T20:43:44Z are left out: only the newest 1048576 steps of 1s are used" in err
    assert json.loads(out)["steps"] == 400 if verb == "backtest" else len(out.splitlines()) == 3
