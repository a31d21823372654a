"""A policy whose group has just begun: `trimtab plan` borrows for it from the other policies of its namespace and from
nobody else, and what it borrowed stands in the record.

SPDX-License-Identifier: Apache-2.0
"""

import json
import math

import pytest
from test_plan import CREDENTIALS, seed_group


def manifests(url):
    """In `shop` the policies web and api, in `other` one more; each namespace has its own Provider of the one account."""
    documents = []
    for namespace, names in (("shop", ["api", "web"]), ("other", ["new"])):
        documents.append({"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider",
                          "metadata": {"name": "aws", "namespace": namespace},
                          "spec": {"type": "aws", "regions": ["us-east-1"], "endpoint": url,
                                   "credentials": {"secretRef": {"name": "aws"}}}})
        documents.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws", "namespace": namespace},
                          "stringData": CREDENTIALS})
        documents += [{"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy",
                       "metadata": {"name": name, "namespace": namespace},
                       "spec": {"selector": {"providers": ["aws"], "kinds": ["InstanceGroup"], "tags": {"app": name}},
                                "mode": "Observe", "actions": ["Scale"], "sla": {"maxViolationPerMille": 10},
                                "capacity": {"min": 1, "max": 60}}} for name in names]
    return documents


@pytest.fixture
def folder(moto, tmp_path):
    def wave(t):
        return 30 + 20 * math.sin(t / 86400 * 2 * math.pi)

    seed_group(moto, "web", 20, wave)
    seed_group(moto, "api", 10, wave, hours=6)
    seed_group(moto, "new", 10, wave, hours=6)
    path = tmp_path / "manifests"
    path.mkdir()
    (path / "all.yaml").write_text("---\n".join(json.dumps(it) + "\n" for it in manifests(moto.url)))
    return path


def test_a_plan_borrows_within_the_namespace_and_replays(folder, runner, tmp_path):
    record = tmp_path / "record.json"
    done = runner.call("plan", "-f", folder, "-o", "json", "--record", record)
    assert done.returncode == 0, done.stderr
    donors = {it["policy"]: it["snapshot"].get("donors", []) for it in json.loads(record.read_text())["items"]}
    assert {name: [donor["id"] for donor in found] for name, found in donors.items()} == {
        "other/new": [], "shop/api": ["web"], "shop/web": []}
    assert donors["shop/api"][0]["provider"] == "shop/aws" and donors["shop/api"][0]["tags"] == {"app": "web"}
    replayed = runner.call("plan", "-f", folder, "--replay", record, "-o", "json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr

    # Alone it is asked for what it may borrow as well; and without that it plans another thing.
    one = tmp_path / "one.json"
    alone = runner.call("plan", "-f", folder, "-o", "json", "--policy", "shop/api", "--record", one)
    assert alone.returncode == 0, alone.stderr
    assert [donor["id"] for donor in json.loads(one.read_text())["snapshot"]["donors"]] == ["web"]
    bare = json.loads(one.read_text())
    del bare["snapshot"]["donors"]
    one.write_text(json.dumps(bare))
    assert runner.call("plan", "-f", folder, "--replay", one).returncode == 1
