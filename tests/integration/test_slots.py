"""trimtab slots: gradient descent on the repaired loss of the article reaches our optimum, on its numbers and on cases with
capacities, amounts and unequal values; another solver (HiGHS) too; and the faults of the tables.

The article's code multiplies `torch.bmm(inputs, resource_slots)`, which takes 3-D tensors only, and subtracts `demand`, one
number for each group, from a row for each group and a column for each slot. Repaired, in numpy:

    allocation = inputs @ resource_slots            # groups x slots
    loss = ((allocation - demand[:, None]) ** 2 * slot_value).mean()

SPDX-License-Identifier: Apache-2.0
"""

import csv
import io
import json
import math
import random

import highspy
import numpy as np
import pytest

INPUTS = np.array([[2., 3, 5], [1, 2, 3], [3, 4, 6]])
DEMAND = np.array([3., 4, 6])
NONE = math.inf


def write(folder, name, rows):
    path = folder / name
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def bound(number):
    return "" if math.isinf(number) else repr(float(number))


def slots(runner, folder, inputs, demand, values, capacities=None, amounts=None, form="json", *extra):
    """demand: a number for each group, or for each group and slot."""
    count, resources = inputs.shape
    names = [f"s{i}" for i in range(len(values))]
    heads = ["demand"] if demand.ndim == 1 else [f"demand:{name}" for name in names]
    rows = np.column_stack([inputs, demand])
    groups = write(folder, "g.csv", [["name", *(f"r{i}" for i in range(resources)), *heads],
                                     *([f"g{b}", *map(repr, map(float, rows[b]))] for b in range(count))])
    capacities = [NONE] * len(values) if capacities is None else capacities
    table = write(folder, "s.csv", [["slot", "value", "capacity"],
                                    *([name, value, bound(most)] for name, value, most in zip(names, values, capacities))])
    if amounts is not None:
        extra = ("--resources", write(folder, "r.csv", [["resource", "amount"], *([f"r{i}", bound(q)] for i, q in enumerate(amounts))]), *extra)
    return runner.call("slots", "--groups", groups, "--slots", table, "-o", form, *extra)


def solved(*args):
    done = slots(*args)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    answer = json.loads(done.stdout)
    given = np.array([list(one["slots"].values()) for one in answer["resources"]])
    return answer, given


def loss_of(given, inputs, demand, values):
    demand = demand if demand.ndim == 2 else demand[:, None]
    return float((((inputs @ given) - demand) ** 2 * values).mean())


def onto_sum(row, most):
    """The nearest point that is nowhere below 0 and whose sum is at most `most`."""
    row = np.maximum(row, 0)
    if row.sum() <= most:
        return row
    sorted_row = np.sort(row)[::-1]
    excess = (np.cumsum(sorted_row) - most) / np.arange(1, len(row) + 1)
    return np.maximum(row - excess[np.nonzero(sorted_row > excess)[0][-1]], 0)


def onto_bounds(given, capacities, amounts):
    """Dykstra's alternating projections on the capacities (columns) and the amounts (rows)."""
    if capacities is None and amounts is None:
        return np.maximum(given, 0)
    columns, rows = np.zeros_like(given), np.zeros_like(given)
    for _ in range(1 if amounts is None or capacities is None else 200):
        start = given
        if capacities is not None:
            before = given + columns
            given = np.array([onto_sum(column, most) for column, most in zip(before.T, capacities)]).T
            columns = before - given
        if amounts is not None:
            before = given + rows
            given = np.array([onto_sum(row, most) for row, most in zip(before, amounts)])
            rows = before - given
        if np.abs(given - start).max() < 1e-11:
            break
    return given


def descend(inputs, demand, values, project, steps):
    """Gradient descent from 0 on the loss; Nesterov's steps, started afresh where they lead up."""
    values, demand = np.asarray(values, float), demand if demand.ndim == 2 else demand[:, None]
    shape = inputs.shape[1], len(values)
    size = len(inputs) * len(values)
    rate = size / (2 * np.linalg.norm(inputs, 2) ** 2 * values.max())
    given = ahead = np.zeros(shape)
    momentum = 1.0
    for _ in range(steps):
        gradient = 2 / size * inputs.T @ ((inputs @ ahead - demand) * values)
        after = project(ahead - rate * gradient)
        if ((ahead - after) * (after - given)).sum() > 0:
            momentum = 1.0
        grown = (1 + math.sqrt(1 + 4 * momentum ** 2)) / 2
        ahead = after + (momentum - 1) / grown * (after - given)
        given, momentum = after, grown
    return given


def test_as_printed_the_shapes_do_not_fit():
    """Why there is anything to repair: a number for each of 3 groups does not go with 4 columns."""
    with pytest.raises(ValueError):
        INPUTS @ np.zeros((3, 4)) - INPUTS.sum(axis=1)


@pytest.mark.parametrize("demand", [DEMAND, INPUTS.sum(axis=1)], ids=["given", "row sums"])
def test_descent_without_bounds_reaches_the_optimum_of_0(runner, tmp_path, demand):
    values = np.ones(4)
    answer, given = solved(runner, tmp_path, INPUTS, demand, values, None, None, "json", "--signed")
    assert answer["loss"] == pytest.approx(0, abs=1e-20) and answer["gap"] < 1e-20
    reached = descend(INPUTS, demand, values, lambda w: w, 2000)
    assert abs(loss_of(reached, INPUTS, demand, values) - answer["loss"]) < 1e-6
    assert given == pytest.approx(np.linalg.solve(INPUTS, demand)[:, None].repeat(4, 1), abs=1e-9)


CASES = {
    "nothing below 0": (DEMAND, np.ones(4), None, None),
    "capacities": (INPUTS.sum(axis=1), np.array([1., 2, 3, 4]), [2, 2.5, 1, 0.5], None),
    "amounts": (INPUTS.sum(axis=1), np.array([1., 2, 3, 4]), None, [2, 1, 3]),
    "both": (INPUTS.sum(axis=1), np.array([1., 2, 3, 4]), [2, 2.5, 1, 0.5], [1, 2, 1]),
    "a demand for each slot": (np.array([[3., 8, 1, 0], [4, 4, 4, 4], [6, 1, 9, 2]]), np.array([5., 1, 2, 3]), [1, 1, 1, 1], [1, 0.5, 0.5]),
}


@pytest.mark.parametrize("case", CASES)
def test_projected_descent_reaches_the_optimum_within_bounds(runner, tmp_path, case):
    demand, values, capacities, amounts = CASES[case]
    answer, given = solved(runner, tmp_path, INPUTS, demand, values, capacities, amounts)
    assert answer["loss"] > 0.1 and answer["gap"] < 1e-11
    assert answer["loss"] == pytest.approx(loss_of(given, INPUTS, demand, values), rel=1e-12)
    steps = 3000 if capacities is None or amounts is None else 400
    reached = descend(INPUTS, demand, values, lambda w: onto_bounds(w, capacities, amounts), steps)
    assert loss_of(reached, INPUTS, demand, values) == pytest.approx(answer["loss"], abs=1e-6)
    assert loss_of(reached, INPUTS, demand, values) >= answer["loss"] - 1e-8


def test_values_decide_where_a_scarce_resource_goes(runner, tmp_path):
    """One group, one resource: v1 (1 - w1) = v2 (1 - w2)."""
    _, given = solved(runner, tmp_path, np.array([[1.]]), np.array([1.]), [1, 3], None, [1])
    assert given == pytest.approx(np.array([[0.25, 0.75]]), abs=1e-12)
    _, given = solved(runner, tmp_path, np.array([[1.]]), np.array([1.]), [1, 3])
    assert given == pytest.approx(np.array([[1, 1]]), abs=1e-12)


def by_highs(inputs, demand, values, capacities, amounts):
    """The least loss, from HiGHS' solver for quadratic programmes."""
    (count, n), m = inputs.shape, len(values)
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    weights = np.asarray(values) / (count * m)
    hessian = np.kron(2 * inputs.T @ inputs, np.diag(weights))
    linear = -2 * (inputs.T @ demand * weights).ravel()
    for cost in linear:
        solver.addVar(0, highspy.kHighsInf)
    for i, cost in enumerate(linear):
        solver.changeColCost(i, float(cost))
    for s, most in enumerate(capacities):
        if not math.isinf(most):
            solver.addRow(-highspy.kHighsInf, most, n, np.array([r * m + s for r in range(n)], np.int32), np.ones(n))
    for r, most in enumerate(amounts):
        if not math.isinf(most):
            solver.addRow(-highspy.kHighsInf, most, m, np.array([r * m + s for s in range(m)], np.int32), np.ones(m))
    lower = [(i, j) for j in range(n * m) for i in range(j, n * m) if hessian[i, j] != 0]
    starts = np.searchsorted([j for _, j in lower], range(n * m + 1)).astype(np.int32)
    passed = solver.passHessian(n * m, len(lower), 1, starts, np.array([i for i, _ in lower], np.int32),
                                np.array([hessian[i, j] for i, j in lower]))
    assert passed != highspy.HighsStatus.kError  # A warning: rounded entries.
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return loss_of(np.array(solver.getSolution().col_value).reshape(n, m), inputs, demand, np.asarray(values))


@pytest.mark.parametrize("seed", range(20))
def test_another_solver_finds_nothing_better(runner, tmp_path, seed):
    chance = random.Random(seed)
    count, n, m = chance.randint(1, 6), chance.randint(1, 4), chance.randint(1, 5)
    inputs = np.array([[chance.choice([0, chance.uniform(0, 5)]) for _ in range(n)] for _ in range(count)])
    demand = np.array([[chance.uniform(0, 9) for _ in range(m)] for _ in range(count)])
    values = [chance.randint(0, 4) for _ in range(m)]
    capacities = [chance.choice([NONE, chance.uniform(0, 3)]) for _ in range(m)]
    amounts = [chance.choice([NONE, chance.uniform(0, 4)]) for _ in range(n)]
    answer, _ = solved(runner, tmp_path, inputs, demand, values, capacities, amounts)
    assert by_highs(inputs, demand, values, capacities, amounts) == pytest.approx(answer["loss"], abs=1e-5)


def test_the_duals_prove_the_bound(runner, tmp_path):
    """As docs/planning.md says, from nothing but what is printed: loss is convex, so loss(u) >= loss + g (u - w)."""
    demand, values, capacities, amounts = CASES["both"]
    answer, given = solved(runner, tmp_path, INPUTS, demand, values, capacities, amounts)
    slot_duals = np.array([one["dual"] for one in answer["slots"]])
    resource_duals = np.array([one["dual"] for one in answer["resources"]])
    gradient = 2 / 12 * INPUTS.T @ ((INPUTS @ given - demand[:, None]) * values)
    assert (gradient + slot_duals + resource_duals[:, None]).min() >= -1e-9
    gap = (gradient * given).sum() + slot_duals @ capacities + resource_duals @ amounts
    assert gap == pytest.approx(0, abs=1e-10) and answer["lowerBound"] == pytest.approx(answer["loss"] - answer["gap"])
    assert slot_duals[3] > 0 and resource_duals.max() > 0
    assert (given.sum(axis=0) <= np.array(capacities) + 1e-12).all() and (given.sum(axis=1) <= np.array(amounts) + 1e-12).all()


def test_all_forms_are_one_answer(runner, tmp_path):
    demand, values, capacities, amounts = CASES["both"]
    answer, given = solved(runner, tmp_path, INPUTS, demand, values, capacities, amounts)
    rows = list(csv.DictReader(io.StringIO(slots(runner, tmp_path, INPUTS, demand, values, capacities, amounts, "csv").stdout)))
    assert [float(row["amount"]) for row in rows if row["kind"] == "resource"] == list(given.ravel())
    groups = [row for row in rows if row["kind"] == "group"]
    assert [float(row["amount"]) for row in groups] == [x for one in answer["groups"] for x in one["allocation"].values()]
    assert [float(row["demand"]) for row in groups] == list(demand.repeat(4))
    assert len(rows) == 24 and groups[5]["name"] == "g1" and groups[5]["slot"] == "s1"
    text = slots(runner, tmp_path, INPUTS, demand, values, capacities, amounts, "text").stdout
    assert f"loss {answer['loss']:.6g}; no other way to give has less" in text
    assert f"{answer['groups'][0]['allocation']['s0']:.6g} of 10" in text


def test_names_may_hold_anything(runner, tmp_path):
    """What a name holds comes back as it was, in CSV and in JSON."""
    groups = write(tmp_path, "g.csv", [["name", 'a "fast", one', "demand:noon, or so"], ["x,y", 1, 2]])
    table = write(tmp_path, "s.csv", [["slot"], ["noon, or so"]])
    rows = list(csv.reader(io.StringIO(runner.call("slots", "--groups", groups, "--slots", table, "-o", "csv").stdout)))
    assert rows[1][:3] == ["resource", 'a "fast", one', "noon, or so"] and rows[2][:3] == ["group", "x,y", "noon, or so"]
    answer = json.loads(runner.call("slots", "--groups", groups, "--slots", table, "-o", "json").stdout)
    assert answer["resources"][0]["slots"] == {"noon, or so": pytest.approx(2)}


def test_the_order_of_groups_does_not_matter(runner, tmp_path):
    demand, values, capacities, amounts = CASES["both"]
    first, _ = solved(runner, tmp_path, INPUTS, demand, values, capacities, amounts)
    turned, _ = solved(runner, tmp_path, INPUTS[::-1], demand[::-1], values, capacities, amounts)
    assert turned["resources"] == first["resources"] and turned["slots"] == first["slots"]
    assert [one["allocation"] for one in turned["groups"]] == [one["allocation"] for one in first["groups"][::-1]]


GROUPS, SLOTS = "name,cpu,demand\na,1,2\n", "slot,value,capacity\nnight,1,\nnoon,2,3\n"


@pytest.mark.parametrize("groups, table, resources, message", [
    (GROUPS, "slot\n", None, "s.csv: there is no slot below the header"),
    (GROUPS, "", None, "s.csv is empty"),
    (GROUPS, "name\na\n", None, "s.csv: row 1: the header lacks the column slot"),
    (GROUPS, "slot,value\na,x\n", None, 's.csv: row 2: value: "x" is not a number'),
    (GROUPS, "slot,value\na,\n", None, 's.csv: row 2: value: "" is not a number'),
    (GROUPS, "slot,value\na,-1\n", None, "s.csv: row 2: value: -1 is not between 0 and 1e+12"),
    (GROUPS, "slot,value\na,1e-13\n", None, "s.csv: row 2: value: 1e-13 is above 0, but less than 1e-12"),
    (GROUPS, "slot,capacity\na,inf\n", None, 's.csv: row 2: capacity: "inf" is not a number'),
    (GROUPS, "slot\na\na\n", None, 's.csv: row 3: slot: "a" is there twice'),
    (GROUPS, "slot,value\n,1\n", None, "s.csv: row 2: slot is empty"),
    (GROUPS, "slot,capcity\na,1\n", None, 's.csv: row 1: the column "capcity" is not known here'),
    (GROUPS, "slot,value,value\na,1,2\n", None, "s.csv: row 1: the column value is there twice"),
    (GROUPS, 'slot\n"a\n', None, "s.csv: row 2: a quote is not closed"),
    ("name,cpu,demand\na,1,1,9\n", SLOTS, None, "g.csv: row 2: it has 4 fields, and the header 3"),
    (GROUPS, "slot\n" + "".join(f"s{i}\n" for i in range(513)), None, "s.csv: row 514: a table has at most 512 rows"),
    ("name,cpu,demand\n", SLOTS, None, "g.csv: there is no group below the header"),
    ("name,demand\na,1\n", SLOTS, None, "g.csv: row 1: the header has no column of a resource"),
    ("name,cpu\na,1\n", SLOTS, None, "g.csv: row 1: the header has neither the column demand nor demand:night"),
    ("name,cpu,demand:night\na,1,1\n", SLOTS, None, "g.csv: row 1: the header has neither the column demand nor demand:noon"),
    ("name,cpu,demand,demand:dusk\na,1,1,1\n", SLOTS, None, "g.csv: row 1: demand:dusk: there is no such slot"),
    ("name,cpu,demand,demand:noon,demand:noon\na,1,1,1,1\n", SLOTS, None, "g.csv: row 1: the column demand:noon is there twice"),
    ("name,cpu,cpu,demand\na,1,1,1\n", SLOTS, None, "g.csv: row 1: the column cpu is there twice"),
    ("name,cpu,demand,demand\na,1,1,1\n", SLOTS, None, "g.csv: row 1: the column demand is there twice"),
    ("name,cpu,,demand\na,1,1,1\n", SLOTS, None, "g.csv: row 1: column 3 has no name"),
    ("name,demand," + ",".join(f"r{i}" for i in range(65)) + "\n", SLOTS, None, "g.csv: row 1: there are more than 64 columns of resources"),
    ("name,cpu,demand\na,nan,1\n", SLOTS, None, 'g.csv: row 2: cpu: "nan" is not a number'),
    ("name,cpu,demand\na,1\n", SLOTS, None, 'g.csv: row 2: demand: "" is not a number'),
    ("name,cpu,demand,demand:noon\na,1,1,x\n", SLOTS, None, 'g.csv: row 2: demand:noon: "x" is not a number'),
    ("name,cpu,demand\na,1,2e12\n", SLOTS, None, "g.csv: row 2: demand: 2e12 is not between 0 and 1e+12"),
    ("name,cpu,demand\na,1,1\na,1,1\n", SLOTS, None, 'g.csv: row 3: name: "a" is there twice'),
    (GROUPS, SLOTS, "resource,amount\ngpu,1\n", 'r.csv: row 2: resource: no column of the groups is named "gpu"'),
    (GROUPS, SLOTS, "resource,amount,unit\ncpu,1,h\n", 'r.csv: row 1: the column "unit" is not known here'),
    (GROUPS, SLOTS, "resource,amount\ncpu,-1\n", "r.csv: row 2: amount: -1 is not between 0 and 1e+12"),
    (GROUPS, SLOTS, "resource,amount\ncpu,1\ncpu,2\n", 'r.csv: row 3: resource: "cpu" is there twice'),
])
def test_a_fault_in_a_table_is_named_with_its_row(runner, tmp_path, groups, table, resources, message):
    for name, text in (("g.csv", groups), ("s.csv", table), ("r.csv", resources or "")):
        (tmp_path / name).write_text(text)
    extra = ["--resources", tmp_path / "r.csv"] if resources else []
    done = runner.call("slots", "--groups", tmp_path / "g.csv", "--slots", tmp_path / "s.csv", *extra)
    assert done.returncode == 1 and message in done.stderr and done.stdout == "", done.stderr


def test_what_is_missing_or_does_not_go_together(runner, tmp_path):
    (tmp_path / "g.csv").write_text(GROUPS)
    (tmp_path / "s.csv").write_text(SLOTS)
    done = runner.call("slots", "--groups", tmp_path / "g.csv")
    assert done.returncode == 64 and "--groups and --slots are both needed" in done.stderr
    both = ["--groups", tmp_path / "g.csv", "--slots", tmp_path / "s.csv", "--signed"]
    done = runner.call("slots", *both, "--resources", tmp_path / "g.csv")
    assert done.returncode == 64 and "--signed and --resources do not go together" in done.stderr
    done = runner.call("slots", *both)
    assert done.returncode == 1 and "slot noon has a capacity, which --signed cannot keep" in done.stderr
    done = runner.call("slots", "--groups", tmp_path / "none.csv", "--slots", tmp_path / "s.csv")
    assert done.returncode == 1 and "none.csv: No such file" in done.stderr


def test_extremes_give_numbers(runner, tmp_path):
    inputs = np.array([[1e12, 1e-12, 0], [1e12, 1e-12, 0], [0, 0, 0]])
    answer, given = solved(runner, tmp_path, inputs, np.array([1e12, 1e-12, 1]), [1e12, 1e-12, 0], [1e-12, 0, 1], [1e12, 1e-12, 0])
    assert np.isfinite(given).all() and given.min() >= 0 and math.isfinite(answer["loss"])
    assert 0 <= answer["gap"] <= 1e-12 * answer["loss"]
