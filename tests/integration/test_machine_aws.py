"""A single EC2 machine is given another type by a running instance: against moto, which checks signatures and permissions, with
just the rights of deploy/iam/aws; and what moto refuses leaves it running as it was.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json
import os
import subprocess
import time

import estate
import procs
import pytest

STEP, DAYS = 300, 3
ACT = [a for s in json.loads((procs.REPO / "deploy/iam/aws/act.json").read_text())["Statement"] for a in s["Action"]]
FAST = ["--list-period", "20s", "--status-interval", "1s", "--resync-period", "10s"]
BEFORE = "m5.2xlarge"


def seed(moto, percent):
    """One m5.2xlarge with some days of utilisation; its id."""
    ec2 = moto.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "app", "Value": "db"}]}]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType=BEFORE, TagSpecifications=tags)
    machine = made["Instances"][0]["InstanceId"]
    now = int(time.time()) // STEP * STEP
    times = list(range(now - DAYS * 86400, now + 3600, STEP))
    for at in range(0, len(times), 500):
        moto.client("cloudwatch").put_metric_data(Namespace="AWS/EC2", MetricData=[
            {"MetricName": "CPUUtilization", "Dimensions": [{"Name": "InstanceId", "Value": machine}], "Value": percent,
             "Timestamp": datetime.datetime.fromtimestamp(t, datetime.timezone.utc)} for t in times[at : at + 500]])
    return machine


def documents(url):
    provider = {"type": "aws", "regions": ["us-east-1"], "endpoint": url, "credentials": {"secretRef": {"name": "aws"}}}
    policy = {"selector": {"providers": ["aws"], "kinds": ["Instance"], "tags": {"app": "db"}}, "mode": "Enforce",
              "actions": ["Rightsize"], "sla": {"maxViolationPerMille": 10, "leadTime": "1m"},
              "placement": {"instanceTypes": {"exclude": ["x*", "z*", "u*"]}}}
    return [{"apiVersion": "trimtab.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}
            for kind, name, spec in (("Provider", "aws", provider), ("ResourcePolicy", "db", policy))]


REFUSAL = (b"<Response><Errors><Error><Code>Unsupported</Code><Message>not in this zone</Message></Error></Errors>"
           b"<RequestID>1</RequestID></Response>")


class World:
    def __init__(self, moto, runner, folder, repo):
        self.moto, self.runner, self.folder = moto, runner, folder
        self.machine = seed(moto, 10)
        key, secret = moto.make_user(list(estate.AWS_ACTIONS) + ACT)
        self.admin = moto.client("ec2", *moto.make_user(["*"], "admin"))
        moto.set_auth(True)
        self.env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "XDG_STATE_HOME": str(folder / "state"),
                    "TRIMTAB_CATALOGUE": str(repo / "adapters/catalogue/instance_prices.csv.gz")}
        self.socket = folder / "api.sock"

    def run(self, url):
        manifests = self.folder / "manifests"
        manifests.mkdir()
        (manifests / "all.yaml").write_text("---\n".join(json.dumps(it) + "\n" for it in documents(url)))
        self.process = self.runner.run("--manifests", manifests, "--socket", self.socket, *FAST, env=self.env)

    def instance(self):
        found = self.admin.describe_instances(InstanceIds=[self.machine])["Reservations"][0]["Instances"][0]
        return found["InstanceType"], found["State"]["Name"]

    def recommendations(self, phase):
        done = subprocess.run([self.runner.binary, "get", "rec", "-A", "--local", self.socket, "-o", "json"],
                              env=os.environ | self.env, capture_output=True, text=True, timeout=30)
        items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        return [it for it in items if it.get("status", {}).get("phase") == phase]


@pytest.fixture
def world(moto, runner, tmp_path, repo):
    return World(moto, runner, tmp_path, repo)


def test_a_machine_is_stopped_modified_and_started(world, aws_proxy):
    world.run(aws_proxy.url)
    [it] = world.process.wait_for("it has another type", lambda: world.recommendations("Succeeded"), 240)
    wanted = it["spec"]["to"]["instanceType"]
    assert it["spec"]["action"] == "Rightsize" and it["spec"]["from"] == {"instanceType": BEFORE} and wanted != BEFORE
    assert world.instance() == (wanted, "running")
    assert [r.action for r in aws_proxy.mutations()] == ["StopInstances", "ModifyInstanceAttribute", "StartInstances"], "each once, in this order"


def test_a_type_that_is_refused_leaves_it_running_as_it_was(world, aws_proxy):
    aws_proxy.add_rule("ModifyInstanceAttribute", answer=(400, [("Content-Type", "text/xml")], REFUSAL), times=1)
    world.run(aws_proxy.url)
    [it] = world.process.wait_for("it is told that it failed", lambda: world.recommendations("Failed"), 240)
    assert f"it runs as {BEFORE} again" in it["status"]["message"]
    assert world.instance() == (BEFORE, "running")
