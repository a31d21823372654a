"""The real parts that the other tests lean on do what those tests rely on: an API server that streams lists, a moto and a
ministack that refuse a wrong signature, a fault proxy whose faults arrive.

SPDX-License-Identifier: Apache-2.0
"""

import datetime

import botocore.exceptions


def code_of(call, *args, **kwargs):
    """The cloud's error code of a call, None if it went well."""
    try:
        call(*args, **kwargs)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return None


def test_the_api_server_streams_lists_with_their_end_marked(cluster, namespace):
    path = "/api/v1/namespaces?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    stream = cluster.kubectl("get", "--raw", path + "&timeoutSeconds=1")
    assert f'"name":"{namespace}"' in stream
    assert "k8s.io/initial-events-end" in stream


def test_moto_checks_signature_and_policy_once_auth_is_on(moto):
    key, secret = moto.make_user(["autoscaling:DescribeAutoScalingGroups"])
    moto.make_group("web", desired=3)
    moto.set_auth(True)
    allowed = moto.client("autoscaling", key, secret)
    assert code_of(allowed.describe_auto_scaling_groups) is None
    assert code_of(allowed.set_desired_capacity, AutoScalingGroupName="web", DesiredCapacity=4) == "AccessDenied"
    wrong = moto.client("autoscaling", key, "wrong" + secret)
    assert code_of(wrong.describe_auto_scaling_groups) in ("SignatureDoesNotMatch", "AuthFailure")


def test_moto_is_empty_for_each_test(moto):
    assert moto.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_moto_made_linear_gives_the_same_metric_data():
    """moto_linear.py replaces one function of moto: here both answer the same, in one process."""
    import moto_linear
    from moto.cloudwatch import models

    backend = models.CloudWatchBackend("us-east-1", "123456789012")
    start = datetime.datetime(2026, 1, 5, tzinfo=datetime.timezone.utc)
    for i in range(40):
        at = start + datetime.timedelta(minutes=7 * i)
        for group in ("a", "b"):
            datum = {"MetricName": "CPUUtilization", "Value": i + len(group), "Timestamp": at, "Unit": "Percent",
                     "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group}]}
            backend.put_metric_data("AWS/EC2", [datum] if i % 5 else [datum, {**datum, "Value": 99}])

    def query(name, group, **more):
        metric = {"Namespace": "AWS/EC2", "MetricName": name,
                  "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group}]}
        return {"Id": f"q{group}", "MetricStat": {"Metric": metric, "Period": "900", "Stat": "Average", **more}}

    queries = [query("CPUUtilization", "a"), query("CPUUtilization", "b", Unit="Percent"), query("CPUUtilization", "c")]
    span = (start + datetime.timedelta(minutes=15), start + datetime.timedelta(hours=3))
    for order in ("TimestampAscending", "TimestampDescending"):
        expected = moto_linear.original(backend, queries, *span, order)
        assert len(expected[0]["values"]) == 11
        assert moto_linear.get_metric_data(backend, queries, *span, order) == expected


def test_ministack_refuses_an_unknown_key(ministack):
    assert code_of(ministack.client("ec2", "AKIAUNKNOWN00000000", "wrong").describe_instances) == "AuthFailure"


def test_microburst_injects_the_fault_that_was_ordered(microburst):
    rule = {"service": "ec2", "operation": "DescribeInstances", "error": {"code": "UnauthorizedOperation"}, "times": 1}
    microburst.set_rules([rule])
    ec2 = microburst.client("ec2")
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation"
    assert code_of(ec2.describe_instances) is None
    assert microburst.fired()


def test_the_full_cluster_brings_pods_to_ready(full_cluster):
    full_cluster.kubectl("create", "namespace", "parts")
    full_cluster.kubectl("-n", "parts", "create", "deployment", "web", "--image=web:1", "--replicas=2")
    full_cluster.kubectl("-n", "parts", "wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    full_cluster.kubectl("delete", "namespace", "parts", "--wait=false")
