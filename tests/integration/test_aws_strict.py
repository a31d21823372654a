"""What moto lets through and AWS does not: each rule of tests/clouds/aws_strict.py as boto3 sees it, and every verb of the
AWS adapter through it, by a user with the least policy that the adapter's README names.

SPDX-License-Identifier: Apache-2.0
"""

import re
import sys
from pathlib import Path

import boto3
import botocore.exceptions
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clouds"))
import adapter_probe  # noqa: E402
import aws_strict  # noqa: E402
import procs  # noqa: E402

TAGS = {"team": "结账 <&>\"'", "a+b c/d%20 ~*": "x=y&z", "empty": "", "trimtab.dev/owner": "trimtab-test"}
OWNED = {"trimtab.dev/owner": "trimtab-test"}


def least_policy():
    """The permissions that adapters/aws/README.md lists."""
    text = (procs.REPO / "adapters/aws/README.md").read_text()
    return sorted(set(re.findall(r"`((?:ec2|autoscaling):\w+)`", text)))


@pytest.fixture
def strict(moto):
    admin = moto.make_user(["*"], "admin")
    moto.least = moto.make_user(least_policy(), "least")
    moto.set_auth(True)
    proxy = aws_strict.AwsStrict(moto.url, admin)
    key, secret = admin
    proxy.client = lambda service, url=proxy.url: boto3.client(
        service, "us-east-1", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret
    )
    proxy.ec2, proxy.autoscaling = proxy.client("ec2"), proxy.client("autoscaling")
    yield proxy
    proxy.stop()


@pytest.fixture
def probe(strict, moto):
    key, secret = moto.least
    return adapter_probe.Probe("aws", strict.url, "us-east-1", AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)


@pytest.fixture
def template(strict):
    data = {"ImageId": "ami-12345678", "InstanceType": "m5.large"}
    return strict.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=data)["LaunchTemplate"]


def launch(strict, kind="m5.xlarge", **more):
    """A machine that runs, as boto3 shows it."""
    made = strict.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, InstanceType=kind, **more)
    return settle(strict, made["Instances"][0]["InstanceId"])["InstanceId"]


def show(strict, instance):
    return strict.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]


def settle(strict, instance):
    while (machine := show(strict, instance))["State"]["Name"] in ("pending", "stopping"):
        pass
    return machine


def make_group(strict, template, size=3):
    strict.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=1, MaxSize=5, DesiredCapacity=size, AvailabilityZones=["us-east-1a"],
        LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"]},
        Tags=[{"Key": "team", "Value": "old", "PropagateAtLaunch": True}],
    )


def tags_of(described):
    return {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}


def code_of(call, **params):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


# ---- the rules ----


def test_a_made_up_type_is_refused(strict, template):
    image = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1}
    assert code_of(strict.ec2.run_instances, InstanceType="m5.made-up", **image) == "InvalidParameterValue"
    instance = launch(strict)
    strict.ec2.stop_instances(InstanceIds=[instance])
    settle(strict, instance)
    change = {"InstanceId": instance, "InstanceType": {"Value": "m5.made-up"}}
    assert code_of(strict.ec2.modify_instance_attribute, **change) == "InvalidInstanceAttributeValue"
    assert code_of(strict.ec2.describe_instance_types, InstanceTypes=["m5.made-up"]) == "InvalidInstanceType"


def test_a_machine_must_be_stopped_to_be_resized(strict):
    instance = launch(strict)
    change = {"InstanceId": instance, "InstanceType": {"Value": "m5.large"}}
    assert code_of(strict.ec2.modify_instance_attribute, **change) == "IncorrectInstanceState"
    strict.ec2.stop_instances(InstanceIds=[instance])
    assert code_of(strict.ec2.modify_instance_attribute, **change) == "IncorrectInstanceState"  # Still stopping.
    assert code_of(strict.ec2.start_instances, InstanceIds=[instance]) == "IncorrectInstanceState"
    settle(strict, instance)
    strict.ec2.modify_instance_attribute(**change)
    assert show(strict, instance)["InstanceType"] == "m5.large"


def test_states_take_time(strict):
    made = strict.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    states = [show(strict, made)["State"] for _ in range(3)]
    assert [s["Name"] for s in states] == ["pending", "pending", "running"] and states[0]["Code"] == 0
    strict.ec2.stop_instances(InstanceIds=[made])
    assert [show(strict, made)["State"]["Name"] for _ in range(3)] == ["stopping", "stopping", "stopped"]
    volume = strict.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    snapshot = strict.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ask = {"SnapshotIds": [snapshot]}
    states = [strict.ec2.describe_snapshots(**ask)["Snapshots"][0]["State"] for _ in range(3)]
    assert states == ["pending", "pending", "completed"]


def test_a_size_outside_the_bounds_is_refused(strict, template):
    make_group(strict, template)
    resize = strict.autoscaling.set_desired_capacity
    for name, size, text in (("web", 6, "above max value 5"), ("web", 0, "below min value 1"), ("no", 2, "not found")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            resize(AutoScalingGroupName=name, DesiredCapacity=size)
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationError" and text in error["Message"]
    resize(AutoScalingGroupName="web", DesiredCapacity=5)


def test_a_client_token_makes_one_machine(strict):
    launch_one = {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1, "ClientToken": "t1"}
    ids = {strict.ec2.run_instances(**launch_one)["Instances"][0]["InstanceId"] for _ in range(2)}
    assert len(ids) == 1 and len(strict.ec2.describe_instances()["Reservations"]) == 1
    assert code_of(strict.ec2.run_instances, **{**launch_one, "InstanceType": "m5.large"}) == "IdempotentParameterMismatch"


def test_an_unknown_launch_template_is_refused(strict):
    for by, name, code in (
        ("LaunchTemplateId", "lt-0123456789abcdef0", "InvalidLaunchTemplateId.NotFound"),
        ("LaunchTemplateName", "nobody", "InvalidLaunchTemplateName.NotFoundException"),
    ):
        assert code_of(strict.ec2.run_instances, LaunchTemplate={by: name}, MinCount=1, MaxCount=1) == code


def test_an_attached_address_is_not_released(strict):
    address = strict.ec2.allocate_address(Domain="vpc")["AllocationId"]
    strict.ec2.associate_address(AllocationId=address, InstanceId=launch(strict))
    assert code_of(strict.ec2.release_address, AllocationId=address) == "InvalidIPAddress.InUse"


# ---- the adapter ----


def error_of(reply):
    assert "error" in reply, reply
    return reply["error"]["class"], reply["error"]["effect"], reply["error"]["code"]


def actions(strict):
    return [request.action for request in strict.mutations()]


def test_resize_stops_modifies_and_starts_once_each(strict, probe):
    instance = launch(strict)
    strict.forget()
    reply = probe.act("Resize", "Instance", instance, type="m5.large")
    assert reply["operation"] == f"resize:us-east-1:{instance}:m5.large:m5.xlarge:running" and not strict.mutations()
    assert probe.finish(reply)["operation"] == ""
    assert actions(strict) == ["StopInstances", "ModifyInstanceAttribute", "StartInstances"]
    machine = show(strict, instance)
    assert machine["InstanceType"] == "m5.large" and machine["State"]["Name"] == "running"
    strict.forget()
    assert probe.act("Resize", "Instance", instance, type="m5.large")["operation"] == "" and not strict.mutations()


def test_resize_to_a_made_up_type_leaves_the_machine_running(strict, probe):
    instance = launch(strict)
    strict.forget()
    assert error_of(probe.act("Resize", "Instance", instance, type="m5.made-up"))[:2] == ("Permanent", "none")
    assert not strict.mutations()
    # A type that is known but refused when the machine is down already: it runs again as it was.
    handle = f"resize:us-east-1:{instance}:m5.other:m5.xlarge:running"
    reply = probe.finish({"operation": handle, "pollAfterMs": 1})
    assert error_of(reply) == ("Permanent", "none", "InvalidInstanceAttributeValue")
    machine = show(strict, instance)
    assert machine["InstanceType"] == "m5.xlarge" and machine["State"]["Name"] == "running"


def test_a_resize_that_loses_every_reply_has_each_effect_once(strict, probe):
    instance = launch(strict)
    reply = probe.act("Resize", "Instance", instance, type="m5.large")
    strict.forget()
    for action in ("StopInstances", "ModifyInstanceAttribute", "StartInstances"):
        strict.add_rule(action, drop_reply=True, times=1)
    handle, errors = reply["operation"], []
    for _ in range(20):
        reply = probe("poll", handle)
        if "error" in reply:
            errors.append(error_of(reply)[:2])
        elif reply["operation"] == "":
            break
    assert errors == [("Retryable", "unknown")] * 3
    assert actions(strict) == ["StopInstances", "ModifyInstanceAttribute", "StartInstances"]
    assert show(strict, instance)["InstanceType"] == "m5.large"


def test_stop_and_start(strict, probe):
    instance = launch(strict)
    for verb, state in (("Stop", "stopped"), ("Stop", "stopped"), ("Start", "running"), ("Start", "running")):
        assert probe.finish(probe.act(verb, "Instance", instance))["operation"] == ""
        assert show(strict, instance)["State"]["Name"] == state
    assert error_of(probe.act("Start", "Instance", "i-0123456789abcdef0"))[:2] == ("Conflict", "none")


def test_a_groups_machine_is_left_to_its_group(strict, probe, template):
    make_group(strict, template)
    group = strict.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    strict.forget()
    for verb, fields in (("Stop", {}), ("Start", {}), ("Resize", {"type": "m5.xlarge"}), ("Delete", {})):
        reply = probe.act(verb, "Instance", group["Instances"][0]["InstanceId"], **fields)
        assert error_of(reply)[:2] == ("Permanent", "none") and "group web" in reply["error"]["message"]
    assert not strict.mutations()


@pytest.mark.parametrize("kind", ["m5d.large", "i3.large"])
def test_a_machine_with_disks_of_its_own_is_not_stopped(strict, probe, kind):
    instance = launch(strict, kind)
    strict.forget()
    for verb, fields in (("Stop", {}), ("Resize", {"type": "m5.xlarge"})):
        reply = probe.act(verb, "Instance", instance, **fields)
        assert error_of(reply) == ("Permanent", "none", "InstanceStore") and kind in reply["error"]["message"]
        assert reply["requests"] == 2
    assert not strict.mutations() and show(strict, instance)["State"]["Name"] == "running"
    # Once it is down there is nothing to lose.
    strict.ec2.stop_instances(InstanceIds=[instance])
    settle(strict, instance)
    assert probe.finish(probe.act("Stop", "Instance", instance))["operation"] == ""
    assert probe.finish(probe.act("Resize", "Instance", instance, type="m5.xlarge"))["operation"] == ""
    machine = show(strict, instance)
    assert machine["InstanceType"] == "m5.xlarge" and machine["State"]["Name"] == "stopped"


def test_a_type_is_asked_for_before_a_stop_only_if_its_name_does_not_tell(strict, probe):
    for kind, requests in (("m5.xlarge", 2), ("g5g.xlarge", 3)):
        instance = launch(strict, kind)
        reply = probe.act("Stop", "Instance", instance)
        assert reply["requests"] == requests and probe.finish(reply)["operation"] == ""
        assert show(strict, instance)["State"]["Name"] == "stopped"


def test_a_machine_that_cannot_have_its_old_type_back_is_said_to_stay_stopped(strict, probe):
    instance = launch(strict)
    reply = probe.act("Resize", "Instance", instance, type="m5.large")
    status, body = aws_strict.ec2_error("InsufficientInstanceCapacity", "There is not enough capacity.", 500)
    strict.add_rule("StartInstances", answer=(status, [("Content-Type", "text/xml")], body))
    reply = probe.finish(reply)
    assert error_of(reply) == ("Capacity", "applied", "InsufficientInstanceCapacity")
    assert f"{instance} stays stopped" in reply["error"]["message"]
    machine = show(strict, instance)
    assert machine["State"]["Name"] == "stopped" and machine["InstanceType"] == "m5.xlarge"


@pytest.mark.parametrize("by", ["LaunchTemplateId", "LaunchTemplateName"])
def test_create_makes_one_machine_for_a_token(strict, probe, template, by):
    fields = {"type": "c5.large", "zone": "us-east-1b", "token": "t-1", "tags": TAGS}
    replies = [probe.act("Create", "Instance", template[by] + ":1", **fields) for _ in range(2)]
    assert replies[0]["id"] == replies[1]["id"] and len(strict.ec2.describe_instances()["Reservations"]) == 1
    done = probe.finish(replies[0])
    machine = show(strict, done["id"])
    assert machine["InstanceType"] == "c5.large" and machine["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert tags_of(machine).items() >= {**TAGS, "trimtab.dev/token": "t-1"}.items()
    other = probe.act("Create", "Instance", template[by] + ":1", **{**fields, "type": "m5.large"})
    assert error_of(other) == ("Permanent", "none", "IdempotentParameterMismatch")
    missing = probe.act("Create", "Instance", "lt-0123456789abcdef0", token="t-2", tags=OWNED)
    assert error_of(missing)[:2] == ("Permanent", "none"), missing


def test_take_snapshot_takes_one_for_a_token(strict, probe):
    volume = strict.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    replies = [probe.act("Snapshot", "Volume", volume, token="t-1", tags=TAGS) for _ in range(2)]
    assert replies[0]["id"] == replies[1]["id"] and actions(strict).count("CreateSnapshot") == 1
    assert replies[0]["operation"] != "" and probe.finish(replies[0])["id"] == replies[0]["id"]
    (snapshot,) = strict.ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [volume]}])["Snapshots"]
    assert tags_of(snapshot) == {**TAGS, "trimtab.dev/token": "t-1"} and snapshot["VolumeId"] == volume
    assert error_of(probe.act("Snapshot", "Volume", "vol-0123456789abcdef0", token="t"))[:2] == ("Conflict", "none")


def test_delete(strict, probe):
    volume = strict.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    snapshot = strict.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    address, used = (strict.ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2))
    instance = launch(strict)
    strict.ec2.associate_address(AllocationId=used, InstanceId=instance)
    assert error_of(probe.act("Delete", "Address", used)) == ("Conflict", "none", "InvalidIPAddress.InUse")
    attached = show(strict, instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert error_of(probe.act("Delete", "Volume", attached)) == ("Conflict", "none", "VolumeInUse")
    for kind, name in (("Snapshot", snapshot), ("Volume", volume), ("Address", address), ("Instance", instance)):
        for again in range(2):  # What is gone is deleted.
            requests = 2 if kind == "Instance" and not again else 1  # A machine is looked at first.
            assert probe.act("Delete", kind, name) == {"requests": requests, "operation": "", "pollAfterMs": 0}
    assert volume not in [v["VolumeId"] for v in strict.ec2.describe_volumes()["Volumes"]]
    assert code_of(strict.ec2.describe_snapshots, SnapshotIds=[snapshot]) == "InvalidSnapshot.NotFound"
    assert [a["AllocationId"] for a in strict.ec2.describe_addresses()["Addresses"]] == [used]


def test_tags_of_every_kind_and_others_stay(strict, probe, template):
    make_group(strict, template)
    instance = launch(strict, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "stay", "Value": "1"}]}])
    volume = strict.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    snapshot = strict.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    address = strict.ec2.allocate_address(Domain="vpc")["AllocationId"]
    for kind, name in (("Instance", instance), ("Volume", volume), ("Snapshot", snapshot), ("Address", address)):
        assert probe.act("Tag", kind, name, tags=TAGS)["operation"] == ""
        found = strict.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [name]}])
        assert tags_of(found) == {**TAGS, **({"stay": "1"} if kind == "Instance" else {})}
    assert probe.act("Tag", "InstanceGroup", "web", tags=TAGS)["requests"] == 2
    group = strict.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert tags_of(group) == TAGS
    assert {t["Key"]: t["PropagateAtLaunch"] for t in group["Tags"]} == {k: k == "team" for k in TAGS}
    assert probe.act("Tag", "InstanceGroup", "web", tags=TAGS)["requests"] == 1


def test_scale_outside_the_bounds_is_a_conflict(strict, probe, template):
    make_group(strict, template)
    assert probe.act("Scale", "InstanceGroup", "web", count=5)["operation"] == ""
    for name, size in (("web", 6), ("web", 0), ("nobody", 2)):
        assert error_of(probe.act("Scale", "InstanceGroup", name, count=size)) == ("Conflict", "none", "ValidationError")


def test_what_a_policy_denies_has_no_effect(strict, moto):
    moto.set_auth(False)
    key, secret = moto.make_user(["ec2:DescribeInstances"], "reader")
    moto.set_auth(True)
    reader = adapter_probe.Probe("aws", strict.url, "us-east-1", AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    instance = launch(strict)
    assert error_of(reader.act("Stop", "Instance", instance))[:2] == ("Permission", "none")
    assert error_of(reader.act("Delete", "Instance", instance))[:2] == ("Permission", "none")
    assert show(strict, instance)["State"]["Name"] == "running"
