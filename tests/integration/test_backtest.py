"""`trimtab backtest` on real series: its figures are those of its own rows, it knows no future, and it says what is wrong.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import io
import json
import shutil
import xml.etree.ElementTree

import pytest

POLICY = """\
apiVersion: trimtab.dev/v1alpha1
kind: ResourcePolicy
metadata: {name: web, namespace: platform}
spec:
  selector: {providers: [aws-prod], kinds: [InstanceGroup], tags: {app: web}}
  mode: Observe
  sla: {targetUtilization: 65, maxViolationPerMille: 10, leadTime: %(lead)s}
  capacity: {min: %(min)d, max: %(max)d}
  disruption: {cooldown: %(cooldown)s, maxChangePercent: %(change)d}
"""
SERIES = ["nasa_http_1995_jul", "servegen_m_small_client_5", "ccc_cluster28_cpu"]
SHORT = "servegen_m_small_client_5"


@pytest.fixture
def policy(tmp_path):
    def write(lead="10m", low=2, high=60, cooldown="15m", change=25):
        path = tmp_path / "policy.yaml"
        values = {"lead": lead, "min": low, "max": high, "cooldown": cooldown, "change": change}
        path.write_text(POLICY % values)
        return path

    return write


@pytest.fixture
def backtest(runner):
    """The finished process, or with parse its JSON or its rows."""

    def call(policy, demand, *args, parse=None, code=0):
        argv = ["backtest", "-f", policy, "--demand", demand, *args]
        done = runner.call(*argv, *(["-o", parse] if parse else []), seconds=300)
        assert done.returncode == code, done.stderr
        if parse == "json":
            return json.loads(done.stdout)
        return list(csv.DictReader(io.StringIO(done.stdout))) if parse == "csv" else done

    return call


def series(repo, name):
    return repo / "tests" / "data" / "demand" / f"{name}.csv"


def scores(rows, capacity):
    """slack, violationRate, unmetShare from the rows, by their definitions."""
    d = [float(r["demand"]) for r in rows]
    c = [float(r[capacity]) for r in rows]
    total = sum(d)
    return (
        sum(max(y - x, 0) for x, y in zip(d, c)) / total,
        sum(x > y * (1 + 1e-9) for x, y in zip(d, c)) / len(d),
        sum(max(x - y, 0) for x, y in zip(d, c)) / total,
    )


@pytest.mark.parametrize("name", SERIES)
def test_the_figures_are_those_of_the_steps(repo, policy, backtest, name):
    args = (policy(), series(repo, name), "--every", "3", "--machine", "units=50,price=0.25")
    told = backtest(*args, parse="json")
    rows = backtest(*args, parse="csv")
    assert told["steps"] == len(rows)
    for figures, capacity in (
        (told, "capacity"),
        (told["oracle"], "oracle_capacity"),
        (told["constant"], "constant_capacity"),
        (told["reactive"], "reactive_capacity"),
    ):
        assert (figures["slack"], figures["violationRate"], figures["unmetShare"]) == pytest.approx(
            scores(rows, capacity), rel=1e-9
        )
    hours = {"5m": 5 / 60, "10m": 10 / 60}[told["step"]]
    assert told["cost"] == pytest.approx(sum(int(r["machines"]) for r in rows) * hours * 0.25)
    assert told["reactive"]["cost"] == pytest.approx(sum(int(r["reactive_machines"]) for r in rows) * hours * 0.25)
    # The rows are the series' own, to the precision of a float.
    given = dict(line.split(",") for line in series(repo, name).read_text().splitlines()[1:])
    assert all(float(r["demand"]) == pytest.approx(float(given[r["timestamp"]]), rel=1e-6) for r in rows)
    assert told["oracle"]["violationRate"] == 0
    assert told["oracle"]["slack"] < told["slack"] and told["oracle"]["cost"] < told["cost"]
    assert told["constant"]["violationRate"] <= told["maxViolationRate"] == 0.01
    assert told["model"] == max(told["models"], key=told["models"].get)


def test_the_same_input_gives_the_same_bytes(repo, policy, backtest):
    args = (policy(), series(repo, SHORT), "-o", "json")
    assert backtest(*args).stdout == backtest(*args).stdout


def test_no_decision_knows_the_future(repo, policy, backtest, tmp_path):
    """Whatever comes from row 1700 on, the capacities before it are the same, and the one at it."""
    lines = series(repo, SHORT).read_text().splitlines()
    changed = tmp_path / "changed.csv"
    rows = [line.split(",") for line in lines]
    changed.write_text("\n".join(lines[:1701] + [f"{t},{float(v) * 3 + 1}" for t, v in rows[1701:]]) + "\n")
    args = ("--from", "1500")
    before = backtest(policy(), series(repo, SHORT), *args, parse="csv")
    after = backtest(policy(), changed, *args, parse="csv")
    differs = [i for i, (a, b) in enumerate(zip(before, after)) if a["capacity"] != b["capacity"]]
    assert [r["demand"] for r in before[:200]] == [r["demand"] for r in after[:200]]
    assert before[200]["demand"] != after[200]["demand"]
    # What row 1700 tells is known at 1701, and what is begun then serves a lead time (one step) later.
    assert differs and min(differs) > 201


def test_the_controllers_own_rules_hold(repo, policy, backtest):
    """Bounds, maxChangePercent, cooldown and lead time, on the sizes that come out."""
    rows = backtest(
        policy(low=5, high=18, cooldown="1h", change=10), series(repo, SHORT), "--machine", "units=60", parse="csv"
    )
    sizes = [int(r["machines"]) for r in rows]
    serving = [round(float(r["capacity"]) / 39) for r in rows]
    assert min(sizes) >= 5 and max(sizes) == 18
    changes = [(i, a, b) for i, (a, b) in enumerate(zip(sizes, sizes[1:]), 1) if a != b]
    shrinks = [(i, a, b) for i, a, b in changes if b < a]
    assert len(shrinks) > 5 and all(a - b <= max(1, -(-a * 10 // 100)) for _, a, b in shrinks)
    for (i, _, _), (j, a, b) in zip(changes, changes[1:]):
        assert b > a or j - i >= 6, f"shrinks at step {j}, within an hour of step {i}"
    for i, a, b in changes:  # Growth is paid from its decision and serves a lead time, one step, later.
        assert serving[i] == (a if b > a else b)
        assert i + 1 == len(sizes) or serving[i + 1] >= min(b, sizes[i + 1])


def test_a_longer_lead_time_costs_more_and_falls_short_more_often(repo, policy, backtest):
    short = backtest(policy(lead="10m"), series(repo, SHORT), parse="json")
    long = backtest(policy(lead="2h"), series(repo, SHORT), parse="json")
    assert long["cost"] > short["cost"] and long["violationRate"] > short["violationRate"]


def test_the_picture_shows_demand_capacity_and_violations(repo, policy, backtest, tmp_path):
    told = backtest(policy(high=15), series(repo, SHORT), "--machine", "units=60", "--plot", tmp_path / "f.svg",
                    parse="json")
    tree = xml.etree.ElementTree.parse(tmp_path / "f.svg")
    texts = [e.text for e in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"demand", "capacity", "oracle", "violation", "slack", "replay starts"} <= set(texts)
    dots = [e for e in tree.iter("{http://www.w3.org/2000/svg}circle")]
    assert told["heldByMaximum"] > 0
    assert len(dots) - 1 == round(told["violationRate"] * told["steps"]) > 0  # One is the legend's.


def test_a_png_is_made_where_the_converter_is_and_else_it_says_what_is_missing(runner, repo, policy, tmp_path):
    argv = ["backtest", "-f", policy(), "--demand", series(repo, SHORT), "--from", "2000"]
    if shutil.which("rsvg-convert"):
        done = runner.call(*argv, "--plot", tmp_path / "f.png")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    done = runner.call(*argv, "--plot", tmp_path / "g.png", env={"PATH": str(tmp_path)})
    assert done.returncode == 2 and "librsvg2-bin" in done.stderr and not (tmp_path / "g.png").exists()


def rows_of(values, step=5):
    return "timestamp,value\n" + "".join(
        f"2026-01-{1 + i * step // 1440:02}T{i * step // 60 % 24:02}:{i * step % 60:02}:00Z,{v}\n"
        for i, v in enumerate(values)
    )


@pytest.mark.parametrize(
    "text, code, said",
    [
        ("", 1, "no rows"),
        (rows_of([5]), 1, "at least one to learn from"),
        (rows_of([5, 6, -1, 7]), 1, "row 3: the demand is negative"),
        (rows_of([5, 6, "inf", 7]), 1, "row 3 (line 4): the value is infinite"),
        (rows_of([5, 6, "x", 7]), 1, "row 3 (line 4): the value is not a number"),
        (rows_of(["nan"] * 9), 1, "no row has a value"),
        (rows_of([5] * 300) + "2026-01-01T00:00:00Z,7\n", 0, "row 301 is not later than the one before it"),
        (rows_of([5] * 300) + "2027-01-01T00:00:00Z,5\n", 0, ""),  # A year's gap.
        (rows_of([5, 6]), 0, ""),
        (rows_of([0] * 600), 0, ""),
        (rows_of([1e-37] * 600), 0, ""),
        (rows_of([1e37] * 600), 0, ""),
    ],
)
def test_bad_series_are_told_by_row_and_odd_ones_are_replayed(runner, policy, tmp_path, text, code, said):
    path = tmp_path / "series.csv"
    path.write_text(text)
    done = runner.call("backtest", "-f", policy(), "--demand", path, "-o", "json", seconds=120)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    if code:
        assert str(path) in done.stderr and done.stdout == ""
    else:
        told = json.loads(done.stdout)
        assert told["violationRate"] == 0 and told["steps"] > 0
        assert told["slack"] is None or told["slack"] >= 0


def test_usage_and_files_have_their_exit_codes(runner, repo, policy, tmp_path):
    demand = series(repo, SHORT)
    good = ["-f", policy(), "--demand", demand]
    stop = tmp_path / "stop.yaml"
    stop.write_text((POLICY % {"lead": "10m", "min": 2, "max": 60, "cooldown": "15m", "change": 25})
                    + "  actions: [Stop]\n")
    for argv, code, said in (
        (["--help"], 0, ""),
        (["-f", policy()], 64, "--demand is missing"),
        (["--demand", demand], 64, "--file is missing"),
        (["-f", tmp_path / "none.yaml", "--demand", demand], 2, "none.yaml"),
        (["-f", policy(), "--demand", tmp_path / "none.csv"], 2, "none.csv"),
        (["-f", stop, "--demand", demand], 1, "does not include Scale"),
        ([*good, "--from", "0"], 64, "--from 0"),
        ([*good, "--from", "2016"], 64, "--from 2016"),
        ([*good, "--from", "2035-01-01T00:00:00Z"], 64, "--from"),
        ([*good, "--every", "0"], 64, "--every"),
        ([*good, "--machine", "vcpu=0"], 64, "vcpu=0"),
        ([*good, "--machine", "memory=16,price=1"], 64, "forecast.metric is cpu"),
        ([*good, "--machine", "aws/us-east-1/none"], 1, "no such type"),
        ([*good, "--from", "2010", "--plot", tmp_path / "no" / "f.svg"], 2, "--plot"),
    ):
        done = runner.call("backtest", *argv)
        assert done.returncode == code and said in done.stderr, (argv, done.returncode, done.stderr)


def test_a_machine_of_the_catalogue_has_its_size_and_price(repo, policy, backtest):
    told = backtest(policy(), series(repo, SHORT), "--machine", "aws/us-east-1/m5.xlarge", "--from", "2000",
                    parse="json")
    assert told["machine"]["units"] == 4 and told["machine"]["currency"] == "USD"
    assert told["cost"] == pytest.approx(told["machineHours"] * told["machine"]["priceHourly"]) and told["cost"] > 0
