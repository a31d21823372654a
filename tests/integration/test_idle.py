"""What nobody uses: proposed by `trimtab plan` on the simulated cloud, each with its reason, and nothing else.

SPDX-License-Identifier: Apache-2.0
"""

import json

import pytest
import yaml

TAGS = {"team": "shop"}


def documents(actions):
    def volume(name, **more):
        return {"name": name, "region": "us-east-1", "sizeGiB": 200, "tags": TAGS, **more}

    def machine(name, **more):
        return {"name": name, "region": "us-east-1", "instanceType": "m5.large", "tags": TAGS, **more}

    cloud = {"prices": "aws",
             "instances": [machine("old", state="stopped", age="30d"), machine("paused", state="stopped", age="2d")],
             "volumes": [volume("orphan", age="90d"), volume("fresh", age="1d"), volume("root", age="90d", instance="paused")]}
    return [
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "sim", "namespace": "platform"},
         "spec": {"type": "simulated", "regions": ["us-east-1"], "sharing": [{"namespaceSelector": {}}], "simulated": cloud}},
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy",
         "metadata": {"name": "tidy", "namespace": "shop"},
         "spec": {"selector": {"providers": ["platform/sim"], "kinds": ["Instance", "Volume", "Snapshot"], "tags": TAGS},
                  "mode": "Recommend", "actions": actions}},
    ]


@pytest.fixture
def plan(runner, tmp_path):
    def call(actions, *more):
        path = tmp_path / "all.yaml"
        path.write_text(yaml.safe_dump_all(documents(actions)))
        checked = runner.call("check", path)
        assert checked.returncode == 0, checked.stderr
        done = runner.call("plan", "-f", path, *more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_what_nobody_uses_is_proposed_and_the_rest_is_told_why_not(plan):
    found = json.loads(plan(["Stop", "Delete", "Snapshot"], "-o", "json"))
    assert sorted((it["action"], it["kind"], it["to"]["state"]) for it in found["actions"]) == [
        ("Delete", "Instance", "deleted"), ("Snapshot", "Volume", "snapshotted")]
    assert sorted(it["reason"] for it in found["whyNot"]) == ["InUse", "TooYoung", "TooYoung"]
    assert (found["actual"], found["desired"]) == (2, 1)  # Machines; what stores is not counted.
    assert float(found["costHourly"]) == float(found["lowerBound"]) == 0  # A stopped machine costs what its disks do.


def test_a_policy_that_lacks_the_action_is_told(plan):
    text = plan(["Scale"])
    assert text.count("ActionNotAllowed") == 2
    assert "attached to nothing; 200 GiB of ssd, 90d old" in text and "the policy's actions lack Delete" in text


def test_the_text_reads_like_a_diff(plan):
    text = plan(["Delete"])
    assert any(line.startswith("- Delete") and "available -> deleted" in line for line in text.splitlines()), text
    assert "no copy is kept" in text
