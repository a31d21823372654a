"""`trimtab plan` with --without, --price and --demand: what the plans of a recorded world become, on the simulated cloud with
real prices.

SPDX-License-Identifier: Apache-2.0
"""

import json
from types import SimpleNamespace

import pytest
import yaml
from conftest import Runner
from test_rightsize import write_trace


def provider(name, regions, prices, groups=()):
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"type": "simulated", "regions": regions,
                     "simulated": {"prices": prices, "seed": 7, **({"groups": groups} if groups else {})}}}


def group(name, peak):
    return {"name": name, "region": "us-east-1", "instanceType": "m5.xlarge", "count": 11, "min": 1, "max": 60,
            "bootDelay": "1m", "tags": {"app": name}, "demand": {"trace": "demand.csv", "vcpuPeak": str(peak)}}


def policy(name, **spec):
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"selector": {"providers": ["aws", "gcp"], "kinds": ["InstanceGroup"], "tags": {"app": name}},
                     "capacity": {"min": 1, "max": 60}, **spec}}


@pytest.fixture(scope="module")
def world(trimtab, tmp_path_factory):
    """Two policies, planned once: web may go to Google Cloud, fixed may only be scaled."""
    top = tmp_path_factory.mktemp("whatif")
    folder, record = top / "manifests", top / "record.json"
    folder.mkdir()
    write_trace(folder / "demand.csv")
    places = [{"provider": "gcp", "region": "us-central1", "template": "web"}]
    (folder / "all.yaml").write_text(yaml.safe_dump_all([
        provider("aws", ["us-east-1"], "aws", [group("web", 24), group("fixed", 20)]),
        provider("gcp", ["us-central1"], "gcp", [{**group("elsewhere", 4), "region": "us-central1",
                                                  "instanceType": "n2-standard-4"}]),
        policy("web", actions=["Scale", "Rightsize", "Migrate"],
               placement={"targets": places, "instanceTypes": {"architectures": ["amd64"]}}),
        policy("fixed", actions=["Scale"]),
    ]))
    runner = Runner(trimtab, top)
    done = runner.call("plan", "-f", folder, "--record", record)
    assert done.returncode == 0, done.stderr

    def ask(*args, code=0):
        done = runner.call("plan", "-f", folder, "--snapshot", record, *args)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def plans(*args):
        lines = ask(*args, "-o", "json").splitlines()
        return dict(zip(("fixed", "web"), map(json.loads, lines), strict=True))

    return SimpleNamespace(ask=ask, plans=plans, runner=runner, folder=folder, record=record)


def test_a_region_that_goes_away_is_left_and_what_cannot_leave_is_told(world):
    before, after = world.plans(), world.plans("--without", "region=us-east-1")
    [action] = after["web"]["actions"]
    assert (action["action"], action["to"]["provider"], action["to"]["region"]) == ("Migrate", "shop/gcp", "us-central1")
    assert action["why"][0] == "must leave: region=us-east-1 is closed"
    assert after["web"]["whatIf"]["unmet"] == []
    fixed = after["fixed"]
    assert fixed["actions"] == [] and fixed["desired"] == fixed["actual"] == 11
    assert fixed["whatIf"]["unmet"] == ["shop/aws/us-east-1/fixed"]
    assert fixed["whatIf"]["unmetCostHourly"] == fixed["desiredCostHourly"]
    [told] = [it for it in fixed["whyNot"] if it["reason"] == "DemandUnmet"]
    assert "vCPU of demand would not be served" in told["message"]
    for name in before:
        assert "whatIf" not in before[name], "nothing else without the flags"
        assert after[name]["whatIf"]["before"] == before[name]


def test_prices_and_demand_scale_what_follows_from_them(world):
    before = world.plans()["fixed"]
    dearer = world.plans("--price", "aws*=1.5")["fixed"]
    for key in ("costHourly", "desiredCostHourly", "lowerBound"):
        assert float(dearer[key]) == pytest.approx(1.5 * float(before[key]), abs=1e-5)
    assert dearer["desired"] == before["desired"]
    twice = world.plans("--demand", "fixed=2")
    assert twice["fixed"]["resources"][0]["demand"] == pytest.approx(2 * before["resources"][0]["demand"], abs=2e-3)
    assert twice["web"]["resources"] == world.plans()["web"]["resources"]
    assert world.plans("--demand", "fixed=2", "--demand", "shop/f*=0.5")["fixed"]["resources"] == before["resources"]


def test_the_text_is_a_diff_that_a_reviewer_can_read(world):
    text = world.ask("--without", "region=us-east-1", "--price", "type=n2-*=0.9")
    assert text == world.ask("--without", "region=us-east-1", "--price", "type=n2-*=0.9"), "byte for byte"
    fixed, web = text.split("\n\n")
    lines = fixed.splitlines()
    assert lines[:2] == ["policy shop/fixed", "@@ what if without region=us-east-1, price type=n2-*=0.9 @@"]
    assert lines[2].startswith("- shop/aws/us-east-1/fixed  ")
    assert lines[3].startswith("+ shop/aws/us-east-1/fixed  cannot leave: 11, cost ")
    assert lines[4] == "! shop/aws/us-east-1/fixed  DemandUnmet"
    assert "; of what cannot leave " in [it for it in lines if it.startswith("  hourly cost")][0]
    lines = web.splitlines()
    assert any(it.startswith("+ shop/aws/us-east-1/web  Migrate 11 x m5.xlarge -> ") for it in lines)
    assert not [it for it in lines if it[0] not in "-+! @p"]
    same = world.ask("--demand", "web=2").split("\n\n")[0].splitlines()
    assert not [it for it in same if it[0] in "-+!"], "nothing of the other policy changes"


@pytest.mark.parametrize(("args", "code", "told"), [
    (["--without", "region=mars"], 1, "matches nothing that is planned; the regions: us-central1, us-east-1"),
    (["--without", "region=us-central1,type=m5.*"], 1, "the types: "),
    (["--price", "azure*=2"], 1, "the providers: shop/aws, shop/gcp"),
    (["--demand", "wep=2"], 1, "the policies: shop/fixed, shop/web; the resources: shop/aws/us-east-1/fixed"),
    (["--demand", "web=2", "--policy", "shop/fixed"], 1, "the policies: shop/fixed;"),
    (["--without", "us-east-1"], 64, "is not region=GLOB"),
    (["--without", "zone=a"], 64, "is not region=GLOB"),
    (["--without", "region="], 64, "is not region=GLOB"),
    (["--without", "region=a,region=b"], 64, "is not region=GLOB"),
    (["--price", "aws=0"], 64, "a number above 0"),
    (["--price", "aws=nan"], 64, "a number above 0"),
    (["--price", "=2"], 64, "does not say of what"),
    (["--demand", "web=-1"], 64, "a number from 0"),
    (["--demand", "web"], 64, "is not NAME=FACTOR"),
    (["--demand", "=2"], 64, "is not NAME=FACTOR"),
    (["--demand", "web=2", "--record", "/dev/null"], 64, "go with neither --record nor --replay"),
])
def test_what_is_not_understood_or_matches_nothing_is_told(world, args, code, told):
    assert told in world.ask(*args, code=code)


def test_the_flags_go_without_a_snapshot_too(world):
    done = world.runner.call("plan", "-f", world.folder, "--without", "region=us-east-1", "-o", "json")
    assert done.returncode == 0 and '"whatIf"' in done.stdout, done.stderr


def test_a_look_at_providers_that_all_cannot_be_opened_ends(runner, tmp_path):
    broken = provider("aws", ["us-east-1"], "aws", [{**group("web", 24), "demand": {"trace": "/none.csv", "vcpuPeak": "1"}}])
    only = policy("web")
    only["spec"]["selector"]["providers"] = ["aws"]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([broken, only]))
    done = runner.call("plan", "-f", tmp_path / "all.yaml")
    assert done.returncode == 2 and "cannot be opened" in done.stderr, done.stderr
