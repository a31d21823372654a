"""The CRDs on a real API server: they install, the examples and the valid manifests apply, what the decoder refuses
and a schema can see is refused by the server too, and the status fields that the controller writes are kept.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "tests" / "data" / "manifests"
PLURALS = ["providers", "resourcepolicies", "budgets", "recommendations"]

command = []  # kubectl for this run's API server; the fixture below fills it.


def kubectl(*arguments, stdin=None, good=True):
    result = subprocess.run([*command, *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    if good:
        assert result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"
    return result


def apply(document, *arguments, good=True):
    return kubectl("apply", "-f", "-", *arguments, stdin=json.dumps(document), good=good)


def document(kind, name, spec):
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "default"},
            "spec": spec}


def recommendation(name, **more):
    target = {"provider": "default/p", "region": "r", "kind": "InstanceGroup", "id": "g"}
    return document("Recommendation", name, {"policyRef": {"name": "web"}, "action": "Scale", "target": target,
                                             "from": {"count": 3}, "to": {"count": 4}, "planHash": "aa", **more})


@pytest.fixture(scope="module", autouse=True)
def crds(cluster):
    command[:] = [str(cluster.kubectl_path), f"--kubeconfig={cluster.kubeconfig}"]
    kubectl("apply", "-k", str(ROOT / "crds"))
    kubectl("wait", "--for=condition=Established", "--timeout=30s",
            *[f"crd/{plural}.trimtab.dev" for plural in PLURALS])
    if kubectl("get", "namespace", "default", good=False).returncode != 0:
        kubectl("create", "namespace", "default")


def refused_files():
    paths = sorted((MANIFESTS / "invalid").glob("*.yaml"))
    marked = [path for path in paths if "# server: refuses" in path.read_text().splitlines()[:2]]
    assert len(marked) > 50
    return [pytest.param(path, id=path.stem) for path in marked]


@pytest.mark.parametrize("plural", PLURALS)
def test_schema_is_structural_and_without_violations(plural):
    crd = json.loads(kubectl("get", "crd", f"{plural}.trimtab.dev", "-o", "json").stdout)
    conditions = {it["type"]: it["status"] for it in crd["status"]["conditions"]}
    assert conditions["NamesAccepted"] == "True" and conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("plural", PLURALS)
def test_every_field_is_described_and_none_is_a_float(plural):
    crd = json.loads(kubectl("get", "crd", f"{plural}.trimtab.dev", "-o", "json").stdout)
    bare, floats = [], []

    def walk(schema, path):
        if schema.get("type") == "number":
            floats.append(path)
        for name, child in schema.get("properties", {}).items():
            if "description" not in child and (path, name) != ("", "metadata"):
                bare.append(f"{path}.{name}")
            walk(child, f"{path}.{name}")
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                walk(schema[key], f"{path}[]")

    walk(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")
    assert bare == [] and floats == []


def test_examples_apply():
    kubectl("apply", "-f", str(ROOT / "crds" / "examples"))


def test_valid_manifests_apply():
    kubectl("apply", "-f", str(MANIFESTS / "valid"))


@pytest.mark.parametrize("path", refused_files())
def test_server_refuses_too(path):
    result = kubectl("create", "--dry-run=server", "-f", str(path), good=False)
    assert result.returncode != 0, result.stdout
    expected = path.read_text().splitlines()[0].removeprefix("# expect: ")
    if expected.startswith("spec."):  # For the same reason: it speaks of the same field, or of the object around it.
        names = [re.sub(r"\[\d+\]$", "", name) for name in expected.split(": ")[0].split(".")]
        assert any(name in result.stderr for name in names[1:]), result.stderr


def test_defaults_are_those_of_the_decoder():
    apply(document("ResourcePolicy", "defaults", {"selector": {"providers": ["p"]}}))
    spec = json.loads(kubectl("get", "rp", "defaults", "-n", "default", "-o", "json").stdout)["spec"]
    assert spec == {
        "selector": {"providers": ["p"], "kinds": ["InstanceGroup"]}, "mode": "Recommend", "actions": ["Scale"],
        "autoscalers": "Advise",
        "sla": {"targetUtilization": 65, "maxViolationPerMille": 1, "leadTime": "10m"}, "capacity": {"min": 1},
        "forecast": {"metric": "cpu", "history": "14d", "horizon": "24h"},
        "disruption": {"maxConcurrent": 1, "maxChangePercent": 25, "cooldown": "15m", "minSavingPercent": 5},
        "idle": {"after": "14d", "snapshotAge": "90d"},
        "suspend": False}


@pytest.mark.parametrize("change, field", [
    ({"action": "Stop"}, "spec"), ({"to": {"count": 5}}, "spec.to"), ({"from": {"count": 2}}, "spec.from"),
    ({"policyRef": {"name": "other"}}, "spec"), ({"planHash": "bb"}, "spec"), ({"planHash": None}, "spec"),
    ({"attempt": 2}, "spec"), ({"target": {"id": "h"}}, "spec"), ({"to": {"instanceType": "m5.large"}}, "spec.to"),
])
def test_recommendation_does_not_change(change, field):
    apply(recommendation("fixed"))
    result = kubectl("patch", "rec", "fixed", "-n", "default", "--type=merge", "-p", json.dumps({"spec": change}),
                     good=False)
    assert result.returncode != 0 and "only decision, snoozeUntil and feedback may change" in result.stderr
    assert f"{field}: Invalid" in result.stderr


def test_bounds_of_an_autoscaler_are_shown_as_their_minimum():
    target = {"provider": "default/p", "region": "cluster", "kind": "Workload", "id": "shop/Deployment/web"}
    apply(recommendation("tuned", target=target, **{"from": {"minCount": 2, "maxCount": 10},
                                                     "to": {"minCount": 6, "maxCount": 12}}))
    row = kubectl("get", "rec", "tuned", "-n", "default").stdout.splitlines()[1].split()
    assert row[:6] == ["tuned", "web", "Scale", "shop/Deployment/web", "2", "6"]
    apply(recommendation("size"))
    row = kubectl("get", "rec", "size", "-n", "default").stdout.splitlines()[1].split()
    assert row[:6] == ["size", "web", "Scale", "g", "3", "4"]
    result = kubectl("patch", "rec", "tuned", "-n", "default", "--type=merge",
                     "-p", json.dumps({"spec": {"to": {"maxCount": 13}}}), good=False)
    assert result.returncode != 0 and "only decision, snoozeUntil and feedback may change" in result.stderr


def test_recommendation_takes_a_decision():
    apply(recommendation("decided"))
    for spec in ({"decision": "Snoozed", "snoozeUntil": "2030-01-01T00:00:00Z"},
                 {"decision": "Approved", "snoozeUntil": None}, {"decision": None, "feedback": {"reason": "TooRisky"}}):
        kubectl("patch", "rec", "decided", "-n", "default", "--type=merge", "-p", json.dumps({"spec": spec}))


CONDITION = {"type": "Ready", "status": "True", "reason": "InTrim", "message": "", "observedGeneration": 1,
             "lastTransitionTime": "2026-11-24T10:00:00Z"}
COMMON = {"conditions": [CONDITION], "observedGeneration": 1}
STATUSES = [
    (document("Provider", "written", {"type": "aws", "regions": ["r"]}),
     {"account": "123456789012", "inventory": {"instances": 1, "groups": 2, "volumes": 3, "snapshots": 4, "buckets": 5,
                                               "workloads": 6, "nodes": 7,
                                               "addresses": 8}}),
    (document("ResourcePolicy", "written", {"selector": {"providers": ["p"]}}),
     {"resources": 1, "desired": 2, "actual": 3, "currency": "USD", "hourlyCost": "1.0000",
      "projectedSaving": "-0.5000", "lowerBound": "0.9", "optimalityGapPercent": "0.1",
      "forecast": {"model": "seasonal", "basis": "Recorded", "coverage": "0.990", "horizon": "24h",
                   "quantile": "0.99", "demand": "1.5", "peak": "2.5", "loss": "0.01", "naiveLoss": "0.02",
                   "coverageAtLead": "-", "coverageSamples": 288, "samples": 4032, "asOf": "2026-11-24T10:00:00Z",
                   "days": ["2026-11-23 286/288 285/288"]},
      "lastPlan": {"hash": "aa", "actions": 1},
      "whyNot": [{"reason": "Cooldown", "message": "until 10:00", "target": "g", "action": "Scale"}]}),
    (document("Budget", "written", {"amount": "1", "currency": "USD"}),
     {"currency": "USD", "spent": "1", "nowcast": "2", "forecast": {"p50": "3", "p90": "4"}, "remaining": "-1",
      "level": "Warn", "periodStart": "2026-11-01T00:00:00Z", "periodEnd": "2026-12-01T00:00:00Z"}),
    (recommendation("written"),
     {"phase": "Succeeded", "phaseSince": "2026-11-24T10:00:00Z", "message": "", "operation": "op-1", "tries": 1,
      "finishedAt": "2026-11-24T10:00:00Z", "saving": {"hourly": "-0.1", "monthly": "-73.00", "currency": "USD"},
      "risk": "0.001", "confidence": "0.900", "why": ["demand rises"],
      "steps": [{"name": "scale", "state": "done", "at": "2026-11-24T10:00:00Z", "message": ""}],
      "realised": {"hourly": "0.1", "currency": "USD"}}),
]


@pytest.mark.parametrize("manifest, status", STATUSES, ids=[it[0]["kind"] for it in STATUSES])
def test_status_is_kept_whole(manifest, status):
    apply(manifest)
    kind, wanted = manifest["kind"], {**COMMON, **status}
    where = [f"{kind.lower()}.trimtab.dev", "written", "-n", "default"]
    kubectl("patch", *where, "--subresource=status", "--type=merge", "-p", json.dumps({"status": wanted}))
    assert json.loads(kubectl("get", *where, "-o", "json").stdout)["status"] == wanted


def test_status_is_not_written_with_the_spec():
    manifest, status = STATUSES[2]
    apply({**manifest, "metadata": {"name": "fresh", "namespace": "default"}, "status": status})
    assert "status" not in json.loads(kubectl("get", "bud", "fresh", "-n", "default", "-o", "json").stdout)


def test_short_names_category_columns_and_selectors():
    test_examples_apply()
    assert "web-example" in kubectl("get", "trimtab", "-A").stdout
    header = kubectl("get", "rec", "-n", "checkout").stdout.splitlines()[0].split()
    assert header == ["NAME", "POLICY", "ACTION", "TARGET", "FROM", "TO", "PHASE", "DECISION", "SAVING/MO", "AGE"]
    header = kubectl("get", "rp", "-n", "checkout").stdout.splitlines()[0].split()
    assert header == ["NAME", "MODE", "READY", "REASON", "DESIRED", "ACTUAL", "COST/H", "SAVING", "AGE"]
    assert kubectl("get", "bud", "-A").stdout.split()[:7] == ["NAMESPACE", "NAME", "AMOUNT", "SPENT", "LEVEL", "READY",
                                                              "AGE"]
    header = kubectl("get", "prov", "-A").stdout.splitlines()[0].split()
    assert header == ["NAMESPACE", "NAME", "TYPE", "READY", "REASON", "ACCOUNT", "INSTANCES", "GROUPS", "AGE"]
    selected = kubectl("get", "rec", "-A", "--field-selector", "spec.policyRef.name=web", "-o", "name").stdout
    assert "web-example" in selected
