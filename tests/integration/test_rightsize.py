"""Other machines for the same demand: proposed by `trimtab plan` and by a running instance, on the simulated cloud with real
prices. Of groups they are carried out by nobody but people, of single machines by the instance.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import json
import math
import os
import subprocess
import time
from types import SimpleNamespace

import ports
import procs
import pytest
import yaml

STEP, DAYS, PEAK = 300, 4, 24.0


def write_trace(path, swing=20):
    """Some days of a calm day and night, or, with a swing of 0, of neither: no plan then depends on when it is made."""
    with open(path, "w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["timestamp_rfc3339", "value"])
        for i in range(DAYS * 86400 // STEP):
            at = i * STEP
            day, rest = divmod(at, 86400)
            stamp = f"2024-01-{1 + day:02}T{rest // 3600:02}:{rest % 3600 // 60:02}:00Z"
            rows.writerow([stamp, round(80 + swing * math.sin(at / 86400 * 2 * math.pi), 3)])


def documents(**policy):
    group = {"name": "web", "region": "us-east-1", "instanceType": "m5.xlarge", "count": 11, "min": 1, "max": 60,
             "bootDelay": "1m", "tags": {"app": "web"}, "demand": {"trace": "demand.csv", "vcpuPeak": str(PEAK)}}
    spec = {"selector": {"providers": ["platform/sim"], "kinds": ["InstanceGroup"], "tags": {"app": "web"}},
            "mode": "Enforce", "actions": ["Scale", "Rightsize"],
            "sla": {"targetUtilization": 65, "maxViolationPerMille": 10, "leadTime": "10m"},
            "capacity": {"min": 1, "max": 60}, **policy}
    return [
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "sim", "namespace": "platform"},
         "spec": {"type": "simulated", "regions": ["us-east-1"], "sharing": [{"namespaceSelector": {}}],
                  "simulated": {"prices": "aws", "seed": 7, "groups": [group]}}},
        {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy",
         "metadata": {"name": "web", "namespace": "shop"}, "spec": spec},
    ]


@pytest.fixture
def estate(tmp_path):
    folder = tmp_path / "manifests"
    folder.mkdir()
    write_trace(folder / "demand.csv")

    def write(**policy):
        (folder / "all.yaml").write_text(yaml.safe_dump_all(documents(**policy)))
        return folder

    return write


def plan(runner, folder, *more):
    done = runner.call("plan", "-f", folder, "-o", "json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_plan_prices_other_types_and_tells_its_bound(runner, estate, tmp_path):
    record = tmp_path / "record.json"
    folder = estate()
    found = plan(runner, folder, "--record", record)
    assert float(found["lowerBound"]) <= float(found["desiredCostHourly"])
    assert float(found["optimalityGapPercent"]) >= 0
    again = runner.call("plan", "-f", folder, "--replay", record)
    assert again.returncode == 0 and "identical" in again.stdout, again.stdout + again.stderr
    kept = json.loads(record.read_text())
    offers = kept["snapshot"]["offers"]
    assert len(offers) > 100 and {it["offer"]["region"] for it in offers} == {"us-east-1"}


def test_a_policy_that_only_scales_asks_for_no_other_prices(runner, estate, tmp_path):
    record = tmp_path / "record.json"
    plan(runner, estate(actions=["Scale"]), "--record", record)
    assert "offers" not in json.loads(record.read_text())["snapshot"]


@pytest.fixture
def running(trimtab, estate, tmp_path, repo):
    """A second of it is two minutes: enough for a decision before the next plan wants another number."""
    yield from run(trimtab, estate(), tmp_path, repo)


def run(trimtab, folder, tmp_path, repo):
    (tmp_path / "run").mkdir(mode=0o700)
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    socket = tmp_path / "api.sock"
    argv = [trimtab, "run", "--manifests", folder, "--socket", socket, "--listen", f"127.0.0.1:{ports.claim_port()}",
            "--speed", "120", "--catalogue", repo / "adapters" / "catalogue" / "instance_prices.csv.gz"]
    process = procs.Process(argv, tmp_path / "trimtab.log", env=env)
    try:
        yield SimpleNamespace(process=process, socket=socket, env=env, trimtab=trimtab)
    finally:
        process.stop()


def recommendations(world):
    done = subprocess.run([world.trimtab, "get", "rec", "-A", "--local", world.socket, "-o", "json"],
                          env=os.environ | world.env, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)["items"] if done.returncode == 0 else []  # It may not listen yet.


def test_a_running_instance_proposes_and_leaves_the_doing_to_people(running):
    def moves():
        return [it for it in recommendations(running) if it["spec"]["action"] == "Rightsize" and it.get("status")]

    def pending():
        return [it for it in moves() if it["status"]["phase"] == "Pending"]

    it = running.process.wait_for("a Rightsize is proposed", pending, 90)[0]
    assert it["spec"]["from"]["instanceType"] == "m5.xlarge" != it["spec"]["to"]["instanceType"]
    assert "decision" not in it["spec"]
    assert "by hand" in it["status"]["message"]
    assert float(it["status"]["saving"]["hourly"]) > 0
    name, namespace = it["metadata"]["name"], it["metadata"]["namespace"]
    done = subprocess.run([running.trimtab, "approve", name, "-n", namespace, "--local", running.socket],
                          env=os.environ | running.env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr

    def approved():
        return [it for it in moves() if it["metadata"]["name"] == name and it["spec"].get("decision") == "Approved"]

    running.process.wait_for("the approval is there", approved, 30)
    assert {it["status"]["phase"] for it in moves()} <= {"Pending", "Superseded"}


def machine_documents():
    """m5.2xlarge has 8 vCPU and 32 GiB for a demand of at most 2 vCPU."""
    machine = {"name": "db", "region": "us-east-1", "instanceType": "m5.2xlarge", "bootDelay": "1m", "tags": {"app": "db"},
               "demand": {"trace": "demand.csv", "vcpuPeak": "2"}}
    spec = {"selector": {"providers": ["platform/sim"], "kinds": ["Instance"]}, "mode": "Enforce", "actions": ["Rightsize"],
            "sla": {"targetUtilization": 65, "maxViolationPerMille": 10, "leadTime": "5m"}}
    provider, policy = documents()
    provider["spec"]["simulated"] = {"prices": "aws", "seed": 7, "instances": [machine]}
    policy["spec"] = spec
    return [provider, policy]


@pytest.fixture
def machine(trimtab, estate, tmp_path, repo):
    folder = estate()
    (folder / "all.yaml").write_text(yaml.safe_dump_all(machine_documents()))
    yield from run(trimtab, folder, tmp_path, repo)


def test_a_plan_weighs_other_types_for_a_single_machine(runner, estate):
    folder = estate()
    (folder / "all.yaml").write_text(yaml.safe_dump_all(machine_documents()))
    found = plan(runner, folder)
    [action] = found["actions"]
    assert (action["action"], action["kind"], action["from"]) == ("Rightsize", "Instance", {"instanceType": "m5.2xlarge"})
    assert list(action["to"]) == ["instanceType"] and float(action["savingHourly"]) > 0
    assert float(found["lowerBound"]) <= float(found["desiredCostHourly"]) < float(found["costHourly"])
    assert {it["action"] for it in found["whyNot"]} == {"Rightsize"}, found["whyNot"]


def test_a_single_machine_is_given_another_type(machine):
    def done():
        return [it for it in recommendations(machine) if it["spec"]["action"] == "Rightsize"
                and it.get("status", {}).get("phase") == "Succeeded"]

    [it] = machine.process.wait_for("the machine has another type", done, 90)
    assert it["spec"]["from"] == {"instanceType": "m5.2xlarge"} and it["spec"]["decision"] == "Approved"
    log = machine.process.log()
    assert f"to={it['spec']['to']['instanceType']}" in log and "to=0" not in log
    time.sleep(2)  # Four minutes of it: that it is proposed anew would show.
    assert len(recommendations(machine)) == 1
    shown = subprocess.run([machine.trimtab, "get", "rec", "-A", "--local", machine.socket], env=os.environ | machine.env,
                           capture_output=True, text=True, timeout=30).stdout.splitlines()[1]
    assert "m" in shown.split()[-1], f"its own clock runs 120 times as fast: {shown}"
