"""The AWS adapter through microburst, an independent proxy that throttles, delays, resets and cuts: what it says of each
fault, and what that fault did to the cloud.

SPDX-License-Identifier: Apache-2.0
"""

import time

import adapter_probe
import procs
import pytest


@pytest.fixture
def cloud(moto, microburst):
    """A group of 2 in moto, behind microburst; `probe` goes through both, `size()` past the faults."""
    moto.make_group("web", 2)
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    microburst.probe = adapter_probe.Probe("aws", microburst.url, "us-east-1", **keys)
    autoscaling = moto.client("autoscaling")
    microburst.size = lambda: autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"]
    # Before there are rules: servers that have just started under load may fail by themselves, and no fault of theirs may
    # be taken for one that was ordered.
    procs.wait_until("a list passes", lambda: "items" in microburst.probe("list", "InstanceGroup,Instance"), 60)
    yield microburst
    print(microburst.process.log()[-3000:])  # Shown if the test fails.


def scale(cloud, size):
    return cloud.probe.act("Scale", "InstanceGroup", "web", count=size)


def what(reply):
    assert "error" in reply, reply
    print(reply)
    return reply["error"]["class"], reply["error"]["effect"]


@pytest.mark.parametrize("code", ["Throttling", "RequestLimitExceeded", "ThrottlingException"])
def test_throttling(cloud, code):
    cloud.set_rules([{"service": "autoscaling", "operation": "SetDesiredCapacity", "error": {"code": code}, "times": 1}])
    assert what(scale(cloud, 4)) == ("Throttled", "none") and cloud.size() == 2
    assert scale(cloud, 4)["operation"] == "" and cloud.size() == 4
    assert len(cloud.fired()) == 1


def test_throttled_in_mid_list_fails_whole(cloud):
    cloud.set_rules([{"service": "ec2", "operation": "DescribeInstances", "error": {"code": "RequestLimitExceeded"}}])
    reply = cloud.probe("list", "InstanceGroup,Instance")
    assert what(reply) == ("Throttled", "none") and "items" not in reply
    assert len(cloud.probe("list", "InstanceGroup")["items"]) == 1


def fault(operation, service="autoscaling", times=1, **what_happens):
    return {"service": service, "operation": operation, "times": times, **what_happens}


def test_a_server_that_fails_may_have_done_it(cloud):
    cloud.set_rules([fault("SetDesiredCapacity", error={"code": "InternalFailure"})])
    assert what(scale(cloud, 4)) == ("Retryable", "unknown")
    assert scale(cloud, 4)["operation"] == "" and cloud.size() == 4


def test_a_reset_leaves_the_effect_unknown_and_a_read_without(cloud):
    cloud.set_rules([fault("SetDesiredCapacity", reset=True), fault("DescribeAutoScalingGroups", reset=True)])
    assert what(scale(cloud, 4)) == ("Retryable", "unknown")
    assert what(cloud.probe("list", "InstanceGroup")) == ("Retryable", "none")
    assert len(cloud.fired()) == 2
    assert scale(cloud, 5)["operation"] == "" and cloud.size() == 5


@pytest.mark.parametrize("cut", [{"truncate_frac": 0.5}, {"abort_frac": 0.5}])
def test_a_reply_that_is_cut_is_not_taken_for_whole(cloud, cut):
    cloud.set_rules([fault("SetDesiredCapacity", response=cut), fault("DescribeAutoScalingGroups", response=cut)])
    assert what(scale(cloud, 4)) == ("Retryable", "unknown") and cloud.size() == 4
    reply = cloud.probe("list", "InstanceGroup")
    assert what(reply) == ("Retryable", "none") and "items" not in reply
    assert len(cloud.fired()) == 2


def test_latency_is_waited_for(cloud):
    cloud.set_rules([fault("DescribeAutoScalingGroups", latency=700, times=None)])
    began = time.monotonic()
    assert len(cloud.probe("list", "InstanceGroup")["items"]) == 1
    assert time.monotonic() - began > 0.7
