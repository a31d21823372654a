"""placement.spread and placement.antiAffinity in the plans of `trimtab plan`, on the simulated cloud with real prices.

SPDX-License-Identifier: Apache-2.0
"""

import json

import pytest
import yaml
from test_quota import plan
from test_rightsize import write_trace


def write_manifests(folder, placement, regions=("us-east-1", "us-east-1", "ap-south-1"), actions=("Scale",)):
    """Three groups that demand just fills, the first one the largest."""
    write_trace(folder / "demand.csv", swing=0)
    groups = [{"name": f"web-{zone}", "region": region, "zone": region + zone, "instanceType": "m5.xlarge", "count": count, "min": 1,
               "max": 30, "tags": {"app": "web"}, "demand": {"trace": "demand.csv", "vcpuPeak": str(peak)}}
              for zone, region, count, peak in zip("abc", regions, (10, 4, 4), (24, 8, 8), strict=True)]
    path = folder / "all.yaml"
    path.write_text(yaml.safe_dump_all([
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "sim", "namespace": "shop"},
         "spec": {"type": "simulated", "regions": sorted({*regions, "us-east-1"}), "simulated": {"prices": "aws", "seed": 7, "groups": groups}}},
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy", "metadata": {"name": "web", "namespace": "shop"},
         "spec": {"selector": {"providers": ["sim"], "kinds": ["InstanceGroup"], "tags": {"app": "web"}}, "actions": list(actions),
                  "sla": {"maxViolationPerMille": 10}, "capacity": {"min": 1, "max": 90}, "placement": placement}}]))
    return path


def test_the_zones_with_fewer_machines_grow_and_say_why(runner, tmp_path):
    free = {one["id"]: one["desired"] for one in plan(runner, write_manifests(tmp_path, {}))["resources"]}
    record = tmp_path / "record.json"
    spread = plan(runner, write_manifests(tmp_path, {"spread": [{"topologyKey": "Zone", "maxSkew": 2}]}), "--record", record)
    desired = {one["id"]: one["desired"] for one in spread["resources"]}
    most = max(free.values())
    assert desired == {name: max(count, most - 2) for name, count in free.items()} != free
    assert spread["binding"] == "placement.spread"
    assert any(f"placement.spread asks for {desired['web-b'] - free['web-b']} more than demand" in why
               for action in spread["actions"] for why in action["why"]), spread
    assert float(spread["lowerBound"]) <= float(spread["desiredCostHourly"])
    replayed = runner.call("plan", "-f", tmp_path / "all.yaml", "--replay", record)
    assert replayed.returncode == 0, replayed.stderr
    by_region = plan(runner, write_manifests(tmp_path, {"spread": [{"topologyKey": "Region", "maxSkew": 1}]}))
    desired = {one["id"]: one["desired"] for one in by_region["resources"]}
    assert desired["web-c"] == desired["web-a"] + desired["web-b"] - 1


@pytest.mark.parametrize("limit, reason", [
    ({}, None),
    ({"antiAffinity": {"topologyKey": "Region"}}, "AntiAffinity"),
    ({"spread": [{"topologyKey": "Region", "maxSkew": 1000, "minDomains": 2}]}, "SpreadViolated"),
])
def test_a_migration_keeps_groups_apart_and_places_enough(runner, tmp_path, limit, reason):
    """All three would go from dear regions to a cheap one."""
    placement = {"targets": [{"provider": "sim", "region": "us-east-1", "template": "web"}], "instanceTypes": {"architectures": ["amd64"]}}
    path = write_manifests(tmp_path, placement | limit, ("ap-southeast-2", "ap-southeast-2", "me-south-1"), ("Scale", "Migrate"))
    made = plan(runner, path)
    moved = [one["id"] for one in made["actions"] if one["action"] == "Migrate"]
    told = {one["reason"] for one in made["whyNot"]}
    assert (len(moved) == 3) == (reason is None), made
    assert reason is None or (0 < len(moved) < 3 and reason in told), made
