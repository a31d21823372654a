"""A quota of a region holds growth back in the plan, before the cloud refuses it.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import json

import yaml


def write_manifests(folder, quotas):
    """Demand of 24 vCPU at its peak, steady; ten machines of 4 at 65 % would serve it."""
    with open(folder / "demand.csv", "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["timestamp_rfc3339", "value"])
        for i in range(3 * 288):
            day, rest = divmod(i * 300, 86400)
            rows.writerow([f"2024-01-{1 + day:02}T{rest // 3600:02}:{rest % 3600 // 60:02}:00Z", 100 - i % 2])
    group = {"name": "web", "region": "us-east-1", "instanceType": "m5.xlarge", "count": 8, "max": 60, "tags": {"app": "web"},
             "demand": {"trace": "demand.csv", "vcpuPeak": "24"}}
    bastion = {"name": "bastion", "region": "us-east-1", "instanceType": "m5.large"}
    path = folder / "all.yaml"
    path.write_text(yaml.safe_dump_all([
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "sim", "namespace": "platform"},
         "spec": {"type": "simulated", "regions": ["us-east-1"], "sharing": [{"namespaceSelector": {}}],
                  "simulated": {"prices": "aws", "groups": [group], "instances": [bastion], "quotas": quotas}}},
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy", "metadata": {"name": "web", "namespace": "shop"},
         "spec": {"selector": {"providers": ["platform/sim"], "tags": {"app": "web"}}, "actions": ["Scale"],
                  "capacity": {"min": 1, "max": 60}}}]))
    return path


def plan(runner, path, *more):
    checked = runner.call("check", path)
    assert checked.returncode == 0, checked.stdout
    done = runner.call("plan", "-f", path, "-o", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_growth_stops_at_the_quota_and_is_told(runner, tmp_path):
    free = plan(runner, write_manifests(tmp_path, {}))
    assert free["actions"][0]["to"]["count"] >= 10
    record = tmp_path / "record.json"
    held = plan(runner, write_manifests(tmp_path, {"us-east-1": 37}), "--record", record)
    assert held["binding"] == "quota"
    assert held["actions"][0]["to"]["count"] == 9  # 37 vCPU, of which eight groups' machines take 32.
    assert any("quota vcpu (Running On-Demand instances, 37 vCPU in us-east-1) has room for 1" in it
               for it in held["actions"][0]["why"]), held
    assert runner.call("plan", "-f", tmp_path / "all.yaml", "--replay", record).returncode == 0
    assert json.loads(record.read_text())["snapshot"]["limits"][0]["value"] == 37


def test_without_room_it_is_a_reason(runner, tmp_path):
    none = plan(runner, write_manifests(tmp_path, {"us-east-1": 20}))
    assert none["actions"] == []
    assert [it["reason"] for it in none["whyNot"]] == ["QuotaExceeded"]
