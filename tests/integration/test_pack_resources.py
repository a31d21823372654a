"""trimtab pack with resources by name beside vCPU, memory and GPU: columns `resource:NAME` of both tables. Plans are checked
against the inputs, and their bound by HiGHS.

SPDX-License-Identifier: Apache-2.0
"""

import collections
import json
import random

import highspy
import pytest
from test_pack import PRICES, WORKLOADS, table

NAMES = ("licences", "scratch_gib")
OFFERS = [("aws", "r", "t", 2, 4, 0.1, 3)]


def columns(names):
    return "".join(f",resource:{name}" for name in names)


def instance(seed):
    """Needs of thousandths; some demands and some offers have none."""
    chance = random.Random(seed)
    demands = [(f"w{i}", 10 * chance.randint(5, 300), 16 * chance.randint(4, 400), chance.randint(1, 12),
                chance.choice(["", 1, 0.5]), chance.choice(["", 0, 12.125, 40])) for i in range(chance.randint(2, 9))]
    offers = [("aws", "us-east-1", f"t{k}", vcpu, 4 * vcpu, round(vcpu * 0.05 + 0.03 * licences + 0.0004 * scratch, 5), licences, scratch)
              for k, (vcpu, licences, scratch) in enumerate((chance.choice([2, 4, 8, 16]), chance.choice([0, 1, 2, 5]), chance.choice([0, 30, 99.5]))
                                                            for _ in range(chance.randint(2, 9)))]
    return demands, offers


def pack(runner, folder, demands, offers, *more, names=NAMES):
    """Without its columns in one order in both: the offers' are the other way round."""
    turned = [(*offer[:6], *offer[:5:-1]) for offer in offers]
    return runner.call("pack", "--workloads", table(folder, "w.csv", WORKLOADS + columns(names), demands), "--prices",
                       table(folder, "p.csv", PRICES + columns(names[::-1]), turned), "--effort", 1, "-o", "json", *more)


def needs(demand):
    return demand[1] / 1000, demand[2] / 1024, float(demand[4] or 0), float(demand[5] or 0)


def room(offer):
    return offer[3], offer[4], offer[6], offer[7]


def fits(need, has):
    return all(x <= y + 1e-9 for x, y in zip(need, has))


def worth_most(demands, duals, has):
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("mip_rel_gap", 0.0)
    counts = [solver.addIntegral(0, demand[3]) for demand in demands]
    for d, most in enumerate(has):
        solver.addConstr(sum(x * needs(demand)[d] for x, demand in zip(counts, demands)) <= most)
    solver.maximize(sum(x * duals[demand[0]] for x, demand in zip(counts, demands)))
    return solver.getObjectiveValue()


def check(plan, demands, offers):
    by_name, by_type = {demand[0]: demand for demand in demands}, {offer[2]: offer for offer in offers}
    unplaced = {one["workload"] for one in plan["unplaced"]}
    placed = collections.Counter()
    for purchase in plan["purchases"]:
        used = [sum(needs(by_name[name])[d] * count for name, count in purchase["workloads"].items()) for d in range(4)]
        assert fits(used, room(by_type[purchase["instanceType"]])), purchase
        for name, count in purchase["workloads"].items():
            placed[name] += count * purchase["count"]
    assert placed == {demand[0]: demand[3] for demand in demands if demand[0] not in unplaced}
    for demand in demands:
        assert (demand[0] in unplaced) == (not any(fits(needs(demand), room(offer)) for offer in offers)), demand
    return [demand for demand in demands if demand[0] not in unplaced]


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_holds_in_every_resource_and_the_duals_prove_its_bound(runner, tmp_path, seed):
    demands, offers = instance(seed)
    done = pack(runner, tmp_path, demands, offers)
    plan = json.loads(done.stdout)
    assert done.returncode == (1 if plan["unplaced"] else 0), done.stderr
    placed = check(plan, demands, offers)
    assert plan["dualBound"] == pytest.approx(sum(plan["duals"][demand[0]] * demand[3] for demand in placed), rel=1e-9)
    assert plan["dualBound"] <= plan["lowerBound"] * (1 + 1e-9) and plan["lowerBound"] <= plan["hourlyCost"] * (1 + 1e-9)
    for offer in offers:
        assert worth_most(placed, plan["duals"], room(offer)) <= offer[5] * (1 + 1e-6), offer
    earlier = tmp_path / "plan.json"
    earlier.write_text(done.stdout)
    changed = [(*demand[:3], demand[3] + 1, *demand[4:]) for demand in demands]
    check(json.loads(pack(runner, tmp_path, changed, offers, "--previous", earlier).stdout), changed, offers)


def test_what_is_scarce_is_told_by_its_name(runner, tmp_path):
    done = pack(runner, tmp_path, [("w", 100, 100, 2, 3.5), ("v", 100, 100, 2, 3)], OFFERS, names=NAMES[:1])
    assert done.returncode == 1
    assert "w x 2 is not placed: a piece needs 3.5 licences, the largest machine has 3 licences free" in done.stderr
    assert json.loads(done.stdout)["nodes"] == 2


@pytest.mark.parametrize("demand_columns, offer_columns, need, has, message", [
    (columns(NAMES[:1]), "", 1, 1, "p.csv: row 1: the header lacks the column resource:licences, which demands ask for"),
    (columns("xx"), columns("x"), 1, 1, "w.csv: row 1: the column resource:x is there twice"),
    (columns("x"), columns("xx"), 1, 1, "p.csv: row 1: the column resource:x is there twice"),
    (columns([""]), "", 1, 1, "w.csv: row 1: column 5: resource: has no name behind it"),
    (columns("abcde"), "", 1, 1, "w.csv: row 1: there are more than 4 columns resource:NAME"),
    (columns("x"), columns("x"), -1, 1, "w.csv: row 2: x: -1 is not between 0 and 1e+09"),
    (columns("x"), columns("x"), 1, "nan", 'p.csv: row 2: x: "nan" is not a number'),
])
def test_a_fault_in_such_a_column_is_named(runner, tmp_path, demand_columns, offer_columns, need, has, message):
    def repeated(value, header):
        return (value,) * header.count(",")

    demands = [("w", 100, 100, 1, *repeated(need, demand_columns))]
    offers = [("aws", "r", "t", 2, 4, 0.1, *repeated(has, offer_columns))]
    done = runner.call("pack", "--workloads", table(tmp_path, "w.csv", WORKLOADS + demand_columns, demands), "--prices",
                       table(tmp_path, "p.csv", PRICES + offer_columns, offers))
    assert done.returncode == 1 and message in done.stderr and done.stdout == "", done.stderr


def test_what_no_demand_names_is_passed_over(runner, tmp_path):
    done = runner.call("pack", "--workloads", table(tmp_path, "w.csv", WORKLOADS, [("w", 100, 100, 1)]), "--prices",
                       table(tmp_path, "p.csv", PRICES + columns("x"), [("aws", "r", "t", 2, 4, 0.1, "many")]), "-o", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["nodes"] == 1
