"""`trimtab inventory` against moto, with signatures and IAM on, tells what boto3 tells, field by field, for every kind; and
the quotas of our own server of AWS's APIs are what boto3 reads there.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import datetime
import gzip
import json
import os
import re
import subprocess
import sys

import boto3
import procs
import pytest

sys.path.insert(0, str(procs.REPO / "tests" / "clouds"))
import aws_apis  # noqa: E402

REGION, OTHER = "us-east-1", "eu-west-1"
CATALOGUE = procs.REPO / "adapters/catalogue/instance_prices.csv.gz"
PROBE = os.environ.get("ADAPTER_PROBE", str(procs.REPO / "build/dev/tests/integration/adapter_probe"))
LEAST = [
    "autoscaling:DescribeAutoScalingGroups",
    "ec2:DescribeAddresses",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes",
    "s3:GetBucketLocation",
    "s3:GetBucketTagging",
    "s3:ListAllMyBuckets",
]
TAGS = [{"Key": "Name", "Value": "größe 结账"}, {"Key": "a/b:c", "Value": "<&> \"+%2B'"}, {"Key": "empty", "Value": ""}]


def spec(kind):
    return [{"ResourceType": kind, "Tags": TAGS}]


def type_of_no_catalogue(ec2):
    """A type that the catalogue does not know, so that its size must come from the API."""
    with gzip.open(CATALOGUE, "rt") as file:
        known = {row["instance_type"] for row in csv.DictReader(file) if row["provider"] == "aws"}
    pages = ec2.get_paginator("describe_instance_types").paginate()
    names = {one["InstanceType"] for page in pages for one in page["InstanceTypes"]}
    return min(names - known)


def seed(moto):
    ec2, autoscaling = moto.client("ec2"), moto.client("autoscaling")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    odd = type_of_no_catalogue(ec2)
    run = {"ImageId": image, "TagSpecifications": spec("instance")}
    machines = ec2.run_instances(MinCount=2, MaxCount=2, InstanceType="m5.large", **run)["Instances"]
    ec2.run_instances(MinCount=1, MaxCount=1, InstanceType=odd, ImageId=image)
    ec2.stop_instances(InstanceIds=[machines[1]["InstanceId"]])
    ec2.run_instances(MinCount=1, MaxCount=1, InstanceType="c5.large", ImageId=image,
                      InstanceMarketOptions={"MarketType": "spot"})

    moto.make_group("busy", 3, tags={"app": "结账 <&>"})
    moto.make_group("empty", 0, instance_type="r5.large")
    moto.make_group("odd", 0, instance_type=odd)
    ec2.create_launch_template_version(LaunchTemplateName="lt-empty", SourceVersion="1",
                                       LaunchTemplateData={"InstanceType": "r5.xlarge"})
    for name, template in (
        ("empty-first", {"LaunchTemplateName": "lt-empty", "Version": "1"}),
        ("empty-default", {"LaunchTemplateName": "lt-empty", "Version": "$Default"}),
    ):
        autoscaling.create_auto_scaling_group(AutoScalingGroupName=name, MinSize=0, MaxSize=5, DesiredCapacity=0,
                                              AvailabilityZones=["us-east-1a", "us-east-1b"], LaunchTemplate=template)

    free = ec2.create_volume(AvailabilityZone="us-east-1b", Size=77, VolumeType="gp3", TagSpecifications=spec("volume"))
    ec2.create_snapshot(VolumeId=free["VolumeId"], TagSpecifications=spec("snapshot"))
    ec2.allocate_address(Domain="vpc", TagSpecifications=spec("elastic-ip"))
    held = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=held["AllocationId"], InstanceId=machines[0]["InstanceId"])

    s3 = moto.client("s3")
    s3.create_bucket(Bucket="plain")
    s3.create_bucket(Bucket="tagged.with.dots")
    s3.put_bucket_tagging(Bucket="tagged.with.dots", Tagging={"TagSet": TAGS})
    s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": OTHER})


# What boto3 tells, in the words of `inventory -o json`.


def stamp(time):
    """The inventory tells whole seconds."""
    return time.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def stopped_at(instance):
    """EC2 tells it in a sentence: "User initiated (2024-01-31 09:00:00 GMT)"."""
    found = re.search(r"\((\S+) (\S+) \S+\)", instance["StateTransitionReason"])
    return f"{found[1]}T{found[2]}Z"


def row(kind, id_, tags, **fields):
    tags = {tag["Key"]: tag.get("Value", "") for tag in tags or []}
    return {"provider": "default/aws", "region": REGION, "zone": "", "kind": kind, "id": id_, "name": tags.get("Name", ""),
            "type": "", "count": 1, "state": "available", "tags": tags, "vcpu": None, "memoryMiB": None, "createdAt": None,
            "stateSince": None, "parent": None, "spot": False, **fields}


class Estate:
    """The account as boto3 reads it."""

    def __init__(self, client):
        self.ec2, self.autoscaling, self.s3 = client("ec2"), client("autoscaling"), client("s3")
        self.sizes = {}

    def pages(self, client, name, key, **kwargs):
        return [one for page in client.get_paginator(name).paginate(**kwargs) for one in page[key]]

    def size(self, type_):
        if type_ not in self.sizes:
            found = self.ec2.describe_instance_types(InstanceTypes=[type_])["InstanceTypes"][0]
            self.sizes[type_] = {"vcpu": found["VCpuInfo"]["DefaultVCpus"], "memoryMiB": found["MemoryInfo"]["SizeInMiB"]}
        return {"type": type_, **self.sizes[type_]}

    def instances(self):
        states = {"shutting-down": "deleting", "terminated": "deleting"}
        for reservation in self.pages(self.ec2, "describe_instances", "Reservations"):
            for one in reservation["Instances"]:
                tags = {tag["Key"]: tag.get("Value", "") for tag in one.get("Tags", [])}
                state = one["State"]["Name"]
                yield row("Instance", one["InstanceId"], one.get("Tags"), zone=one["Placement"]["AvailabilityZone"],
                          state=states.get(state, state), createdAt=stamp(one["LaunchTime"]),
                          stateSince=stopped_at(one) if state == "stopped" else None,
                          parent=tags.get("aws:autoscaling:groupName"), spot=one.get("InstanceLifecycle") == "spot",
                          **self.size(one["InstanceType"]))

    def template_type(self, template):
        version = template.get("Version", "$Default")
        return self.ec2.describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=[version]
        )["LaunchTemplateVersions"][0]["LaunchTemplateData"]["InstanceType"]

    def groups(self):
        for one in self.pages(self.autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups"):
            zones, name = one["AvailabilityZones"], one["AutoScalingGroupName"]
            types = [machine["InstanceType"] for machine in one["Instances"]]
            yield row("InstanceGroup", name, one["Tags"], name=name, zone=zones[0] if len(zones) == 1 else "",
                      state="running", count=one["DesiredCapacity"], createdAt=stamp(one["CreatedTime"]),
                      **self.size(types[0] if types else self.template_type(one["LaunchTemplate"])))

    def volumes(self):
        for one in self.pages(self.ec2, "describe_volumes", "Volumes"):
            attached = [it["InstanceId"] for it in one["Attachments"]]
            yield row("Volume", one["VolumeId"], one.get("Tags"), zone=one["AvailabilityZone"], type=one["VolumeType"],
                      state=one["State"], memoryMiB=one["Size"] * 1024, createdAt=stamp(one["CreateTime"]),
                      parent=attached[0] if attached else None)

    def snapshots(self):
        for one in self.pages(self.ec2, "describe_snapshots", "Snapshots", OwnerIds=["self"]):
            assert one["State"] == "completed"
            yield row("Snapshot", one["SnapshotId"], one.get("Tags"), type=one.get("StorageTier", ""),
                      memoryMiB=one["VolumeSize"] * 1024, createdAt=stamp(one["StartTime"]),
                      parent=None if one["VolumeId"] == "vol-ffffffff" else one["VolumeId"])

    def addresses(self):
        for one in self.ec2.describe_addresses()["Addresses"]:
            found = row("Address", one["AllocationId"], one.get("Tags"), type=one["Domain"],
                        state="in-use" if one.get("AssociationId") else "available", parent=one.get("InstanceId") or None)
            yield {**found, "name": found["name"] or one["PublicIp"]}

    def buckets(self):
        for one in self.s3.list_buckets()["Buckets"]:
            name = one["Name"]
            if (self.s3.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1") != REGION:
                continue
            try:
                tags = self.s3.get_bucket_tagging(Bucket=name)["TagSet"]
            except self.s3.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "NoSuchTagSet"
                tags = []
            yield row("Bucket", name, tags, name=name, createdAt=stamp(one["CreationDate"]))

    def everything(self):
        return [*self.instances(), *self.groups(), *self.volumes(), *self.snapshots(), *self.addresses(), *self.buckets()]


@pytest.fixture
def manifest(moto, tmp_path):
    """Writes the manifest of a Provider with these keys."""

    def write(key, secret):
        path = tmp_path / "provider.yaml"
        documents = [
            {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "aws"},
             "spec": {"type": "aws", "regions": [REGION], "endpoint": moto.url,
                      "credentials": {"secretRef": {"name": "aws"}}}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"},
             "stringData": {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}},
        ]
        path.write_text("---\n".join(json.dumps(it) + "\n" for it in documents))
        return path

    return write


def inventory(runner, path):
    done = runner.call("inventory", "-f", path, "-o", "json", env={"TRIMTAB_CATALOGUE": str(CATALOGUE)})
    return done, json.loads(done.stdout)


def test_the_inventory_is_what_boto3_tells(moto, runner, manifest):
    seed(moto)
    key, secret = moto.make_user(LEAST)
    moto.set_auth(True)
    begun = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    done, found = inventory(runner, manifest(key, secret))
    assert done.returncode == 0, done.stderr
    expected = Estate(lambda name: moto.client(name, key, secret)).everything()
    resources = found["resources"]
    for one in resources:
        assert begun.strftime("%Y-%m-%dT%H:%M:%S") <= one.pop("asOf") <= found["asOf"]
    mine = {(one["kind"], one["id"]): one for one in resources}
    theirs = {(one["kind"], one["id"]): one for one in expected}
    assert len(mine) == len(resources) and mine.keys() == theirs.keys()
    for name, one in theirs.items():
        assert mine[name] == one, name
    # The seed has what the comparison is about.
    by_kind = {kind: [one for one in expected if one["kind"] == kind] for kind in {one["kind"] for one in expected}}
    assert len(by_kind["Instance"]) >= 7 and any(one["spot"] for one in by_kind["Instance"])
    assert {one["state"] for one in by_kind["Instance"]} >= {"running", "stopped"}  # moto forgets what ended
    assert any(one["parent"] == "busy" for one in by_kind["Instance"])
    assert {one["type"] for one in by_kind["InstanceGroup"]} >= {"m5.large", "r5.large", "r5.xlarge"}
    assert {one["state"] for one in by_kind["Volume"]} == {"available", "in-use"}
    assert any(one["parent"] and one["tags"] for one in by_kind["Snapshot"])
    assert {one["state"] for one in by_kind["Address"]} == {"available", "in-use"}
    assert {one["id"] for one in by_kind["Bucket"]} == {"plain", "tagged.with.dots"}
    assert mine["Bucket", "tagged.with.dots"]["tags"] == {tag["Key"]: tag["Value"] for tag in TAGS}


def test_what_is_not_allowed_is_told_and_hides_nothing_else(moto, runner, manifest):
    moto.client("s3").create_bucket(Bucket="plain")
    moto.client("ec2").create_volume(AvailabilityZone="us-east-1b", Size=1)
    key, secret = moto.make_user(["ec2:DescribeVolumes", "s3:ListAllMyBuckets", "s3:GetBucketLocation"])
    moto.set_auth(True)
    done, found = inventory(runner, manifest(key, secret))
    assert done.returncode == 2
    for refused in ("InstanceGroup", "Instance", "Snapshot", "Address"):
        assert f"{REGION} {refused}: " in done.stderr
    assert secret not in done.stderr
    assert [(one["kind"], one["state"]) for one in found["resources"]] == [("Volume", "available"), ("Bucket", "unknown")]


def test_limits_are_what_boto3_reads(tmp_path):
    key, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG"
    with aws_apis.AwsApis({key: secret}) as server:
        quota = server.services["servicequotas"].quota
        server.services["servicequotas"].quotas[REGION] = [
            quota("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 640.0),
            *(quota(f"L-{i:08X}", f"Größe {i}", i + 0.5) for i in range(250)),
        ]
        env = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
               **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        done = subprocess.run([PROBE, "aws", server.url, REGION, "limits"], env=env, capture_output=True, text=True, timeout=60)
        found = json.loads(done.stdout)
        assert done.returncode == 0, done.stdout
        client = boto3.client("service-quotas", endpoint_url=server.url, region_name=REGION, aws_access_key_id=key,
                              aws_secret_access_key=secret)
        expected = [it for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="ec2")
                    for it in page["Quotas"]]
        assert found["requests"] == 3 and not found["truncated"]
        assert [(it["id"], it["name"], it["value"], it["used"], it["region"]) for it in found["items"]] == [
            (it["QuotaCode"], it["QuotaName"], it["Value"], -1, REGION) for it in expected]
        assert found["items"][0]["unit"] == "vCPU" and "m5*" in found["items"][0]["types"]
        server.denied.add("ListServiceQuotas")
        done = subprocess.run([PROBE, "aws", server.url, REGION, "limits"], env=env, capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout)["error"]["class"] == "Permission"
