"""Capacity that is owed either way: a plan keeps what stands on it, and moves on to what of it is unused.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import json

import yaml


def write_manifests(folder, commitments, count=10, peak="24"):
    """Steady demand; ten m5.xlarge (4 vCPU) at 65 % serve 26 vCPU."""
    with open(folder / "demand.csv", "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["timestamp_rfc3339", "value"])
        for i in range(3 * 288):
            day, rest = divmod(i * 300, 86400)
            rows.writerow([f"2024-01-{1 + day:02}T{rest // 3600:02}:{rest % 3600 // 60:02}:00Z", 100 - i % 2])
    group = {"name": "web", "region": "us-east-1", "instanceType": "m5.xlarge", "count": count, "max": 60,
             "tags": {"app": "web"}, "demand": {"trace": "demand.csv", "vcpuPeak": peak}}
    other = {"name": "batch", "region": "us-east-1", "instanceType": "m5.xlarge", "count": 3}
    path = folder / "all.yaml"
    path.write_text(yaml.safe_dump_all([
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "sim", "namespace": "platform"},
         "spec": {"type": "simulated", "regions": ["us-east-1"], "sharing": [{"namespaceSelector": {}}],
                  "commitments": commitments, "simulated": {"prices": "aws", "groups": [group, other]}}},
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy", "metadata": {"name": "web", "namespace": "shop"},
         "spec": {"selector": {"providers": ["platform/sim"], "tags": {"app": "web"}}, "actions": ["Scale", "Rightsize"],
                  "disruption": {"maxChangePercent": 100},
                  "placement": {"instanceTypes": {"architectures": ["amd64"], "vcpu": "4-8"}},
                  "capacity": {"min": 1, "max": 60}}}]))
    return path


def commitment(types, **more):
    return {"name": "ri", "region": "us-east-1", "instanceTypes": types, **more}


def plan(runner, path, *more):
    checked = runner.call("check", path)
    assert checked.returncode == 0, checked.stdout
    done = runner.call("plan", "-f", path, "-o", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def paid(it):
    return float(it["desiredCostHourly"]) - float(it.get("desiredCommittedHourly", 0))


def test_what_stands_on_a_commitment_stays(runner, tmp_path):
    free = plan(runner, write_manifests(tmp_path, []))
    assert [it["action"] for it in free["actions"]] == ["Rightsize"]
    assert "desiredCommittedHourly" not in free
    record = tmp_path / "record.json"
    held = plan(runner, write_manifests(tmp_path, [commitment(["m5.*"], vcpu=52, hourlyPrice="1.20")]), "--record", record)
    assert held["actions"] == []  # 12 vCPU of it are batch's.
    committed = next(it for it in held["whyNot"] if it["reason"] == "Committed")
    assert "commitment ri, owed either way at 1.2000 USD an hour" in committed["message"]
    assert paid(held) == 0 and paid(held) < paid(free)
    assert runner.call("plan", "-f", tmp_path / "all.yaml", "--replay", record).returncode == 0
    assert json.loads(record.read_text())["snapshot"]["commitments"][0]["usedMilli"] == 12000


def test_unused_ones_are_moved_on_to(runner, tmp_path):
    free = plan(runner, write_manifests(tmp_path, []))
    moved = plan(runner, write_manifests(tmp_path, [commitment(["m5n.xlarge"], machines=10)]))
    assert moved["actions"][0]["to"]["instanceType"] == "m5n.xlarge"  # Among the dearest of its size.
    assert paid(moved) == 0 and paid(moved) < paid(free)
    assert any("run on commitment ri" in it for it in moved["actions"][0]["why"])
    ended = plan(runner, write_manifests(tmp_path, [commitment(["m5n.xlarge"], machines=10, endsAt="2026-01-01T00:00:00Z")]))
    assert ended["actions"][0]["to"] == free["actions"][0]["to"]


def test_shrinking_stops_where_it_saves_nothing(runner, tmp_path):
    one = plan(runner, write_manifests(tmp_path, [commitment(["m5.xlarge"], machines=9)], count=20))
    assert one["actions"][0]["action"] == "Scale"
    assert one["actions"][0]["to"]["count"] == 10  # Demand's ten; six of the nine are its own.
    two = plan(runner, write_manifests(tmp_path, [commitment(["m5.xlarge"], machines=16)], count=20))
    assert two["actions"][0]["to"]["count"] == 13
    assert any("saves nothing" in it for it in two["actions"][0]["why"])
