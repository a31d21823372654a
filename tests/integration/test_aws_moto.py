# SPDX-License-Identifier: Apache-2.0
"""The AWS adapter against independent servers that verify signatures and IAM policies.

moto serves everything; ministack, where it is installed, is the second opinion. boto3 seeds both, the adapter is driven
through adapter_probe. Programs are looked for beside the running Python and in PATH; MINISTACK may name one elsewhere.
"""

import datetime
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import boto3
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROBE = os.environ.get("ADAPTER_PROBE", str(ROOT / "build/dev/tests/integration/adapter_probe"))
CATALOGUE = ROOT / "adapters/catalogue/instance_prices.csv.gz"
REGION = "us-east-1"
GROUPS = 120  # More than one page of 100.
TEAM = {"moto": "结账 <&>", "ministack": "结账"}  # ministack does not escape its XML.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
        "autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity", "cloudwatch:GetMetricData",
        "monitoring:GetMetricData",  # moto takes the signing name for the action's prefix; AWS knows only cloudwatch:.
        "sts:GetCallerIdentity", "ec2:DescribeInstances", "ec2:DescribeInstanceTypes",
        "ec2:DescribeLaunchTemplateVersions"]}],
}
READ_ONLY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Resource": "*", "Action": ["autoscaling:DescribeAutoScalingGroups"]}],
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(name, env):
    beside = pathlib.Path(sys.executable).parent / name
    return os.environ.get(env) or (str(beside) if beside.exists() else shutil.which(name))


def wait_for(port, process):
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")


class Server:
    def __init__(self, name, port):
        self.name, self.port, self.url = name, port, f"http://127.0.0.1:{port}"
        self.admin = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test",
                            aws_secret_access_key="test")

    def verify(self, on):
        if self.name != "moto":
            return  # ministack verifies from the start.
        request = urllib.request.Request(f"{self.url}/moto-api/reset-auth", data=b"0" if on else b"1000000000",
                                         headers={"Content-Type": "text/plain"})
        urllib.request.urlopen(request).read()

    def user(self, name, policy):
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def probe(self, credentials, *args, endpoint=None):
        env = {"PATH": os.environ["PATH"], "TRIMTAB_CATALOGUE": str(CATALOGUE), "AWS_EC2_METADATA_DISABLED": "true",
               **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **credentials}
        out = subprocess.run([PROBE, "aws", endpoint or self.url, REGION, *args], env=env, capture_output=True,
                             text=True, timeout=60)
        assert out.returncode in (0, 1), out.stderr
        assert "Sanitizer" not in out.stderr, out.stderr
        return json.loads(out.stdout)


def seed_groups(server):
    ec2, autoscaling = server.client("ec2"), server.client("autoscaling")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    template = ec2.create_launch_template(
        LaunchTemplateName="lt", LaunchTemplateData={"ImageId": image, "InstanceType": "m5.large"})
    for i in range(GROUPS):
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=f"web-{i:03}", MinSize=0, MaxSize=9, DesiredCapacity=2 if i < 2 else 0,
            AvailabilityZones=["us-east-1a"] if i else ["us-east-1a", "us-east-1b"],
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"]},
            Tags=[{"Key": "team", "Value": TEAM[server.name], "PropagateAtLaunch": True},
                  {"Key": "app", "Value": "web", "PropagateAtLaunch": False}])
    ec2.run_instances(ImageId=image, MinCount=3, MaxCount=3, InstanceType="c5.xlarge", TagSpecifications=[
        {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "lone é"}]}])


def seed_metrics(server):
    """A week at 5 minutes, up to now; with a gap of a day."""
    cloudwatch = server.client("cloudwatch")
    end = int(time.time()) // 300 * 300
    times = [t for t in range(end - 7 * 86400, end, 300) if not end - 3 * 86400 <= t < end - 2 * 86400]
    for at in range(0, len(times), 500):
        for namespace, metric, dimension, id_, value in (
                ("AWS/EC2", "CPUUtilization", "AutoScalingGroupName", "web-000", lambda t: t // 300 % 97),
                ("AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", "web-000", lambda t: 2),
                ("AWS/EC2", "CPUUtilization", "InstanceId", "i-0001", lambda t: 50)):
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=[
                {"MetricName": metric, "Dimensions": [{"Name": dimension, "Value": id_}], "Value": value(t),
                 "Timestamp": datetime.datetime.fromtimestamp(t, datetime.timezone.utc)}
                for t in times[at:at + 500]])
    return times


def start(name, binary, args, env, port):
    process = subprocess.Popen([binary, *args], env={**os.environ, **env}, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    wait_for(port, process)
    return process


@pytest.fixture(scope="module", params=["moto", "ministack"])
def server(request, tmp_path_factory):
    port = free_port()
    if request.param == "moto":
        binary, args, env = program("moto_server", "MOTO_SERVER"), ["-H", "127.0.0.1", "-p", str(port)], {}
    else:
        binary, args = program("ministack", "MINISTACK"), []
        env = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port),
               "S3_DATA_DIR": str(tmp_path_factory.mktemp("s3"))}
    if binary is None:
        pytest.fail(f"{request.param} is not installed: make test installs it")
    process = start(request.param, binary, args, env, port)
    try:
        one = Server(request.param, port)
        seed_groups(one)
        one.times = seed_metrics(one)
        one.least = one.user("least", POLICY)
        one.reader = one.user("reader", READ_ONLY)
        one.verify(True)
        yield one
    finally:
        process.terminate()
        process.wait(10)


def test_account(server):
    assert server.probe(server.least, "account")["operation"] == {"moto": "123456789012"}.get(server.name,
                                                                                               "000000000000")


def test_lists_groups_over_several_pages(server):
    reply = server.probe(server.least, "list", "InstanceGroup")
    items = reply["items"]
    assert [item["id"] for item in items] == [f"web-{i:03}" for i in range(GROUPS)]
    if server.name == "moto":
        assert reply["requests"] == 3  # The third for the types of those that are empty.
        assert {item["type"] for item in items} == {"m5.large"}
    first, second, empty = items[0], items[1], items[5]
    assert not reply["truncated"]
    assert first["zone"] == "" and second["zone"] == "us-east-1a"
    assert (second["count"], second["min"], second["max"], second["serving"]) == (2, 0, 9, 2)
    if server.name == "moto":  # ministack's groups do not say what their machines are.
        assert second["type"] == "m5.large" and second["vcpuMilli"] == 2000 and second["memoryMiB"] == 8192
    assert second["tags"] == {"app": "web", "team": TEAM[server.name]}
    assert second["state"] == "running" and second["kind"] == "InstanceGroup"
    assert abs(second["createdAtMs"] / 1000 - time.time()) < 600
    assert empty["count"] == 0 and empty["serving"] == 0


def test_lists_instances_beside_groups(server):
    reply = server.probe(server.least, "list", "Instance,InstanceGroup")
    instances = [item for item in reply["items"] if item["kind"] == "Instance"]
    assert reply["items"][:len(instances)] == instances  # Sorted by kind, then by id.
    assert [i["id"] for i in instances] == sorted(i["id"] for i in instances)
    lone = [i for i in instances if i["name"] == "lone é"]
    assert len(lone) == 3 and all(i["type"] == "c5.xlarge" and i["vcpuMilli"] == 4000 for i in lone)
    assert all(i["count"] == 1 and i["state"] in ("running", "pending") for i in instances)


def test_cuts_the_list_and_says_so(server):
    reply = server.probe(server.least, "list", "InstanceGroup", "7")
    assert reply["truncated"] and len(reply["items"]) == 7


def stamp(t):
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_usage_of_a_week_with_its_gap(server):
    end = server.times[-1] + 300
    reply = server.probe(server.least, "usage", "InstanceGroup", stamp(end - 14 * 86400), stamp(end), "5m",
                         "web-000", "web-001")
    assert "error" not in reply, reply
    (series,) = reply["items"]
    assert series["id"] == "web-000"
    assert [t // 1000 for t, _ in series["utilization"]] == server.times
    assert [v for _, v in series["utilization"]] == [t // 300 % 97 for t in server.times]
    assert {v for _, v in series["serving"]} == {2} and len(series["serving"]) == len(server.times)


def test_usage_of_many_ids_takes_several_requests(server):
    end = server.times[-1] + 300
    ids = [f"i-{i:04}" for i in range(501)]  # A request takes 500. (moto needs 10 s for a full one of 14 days.)
    reply = server.probe(server.least, "usage", "Instance", stamp(end - 3600), stamp(end), "5m", *ids)
    assert "error" not in reply, reply["error"]
    (series,) = reply["items"]
    assert series["id"] == "i-0001" and [t // 1000 for t, _ in series["utilization"]] == server.times[-12:]
    assert series["serving"] == [] and reply["requests"] == 2


def test_scales_to_an_absolute_size(server):
    for size in (4, 4, 1):
        assert server.probe(server.least, "apply", "web-002", str(size)) == {"requests": 1, "operation": ""}
        groups = server.probe(server.least, "list", "InstanceGroup")["items"]
        assert groups[2]["count"] == size


def test_an_unknown_group(server):
    error = server.probe(server.least, "apply", "nobody", "1")["error"]
    if server.name == "moto":  # Its own fault: it answers 500, and so what it did is not known.
        assert (error["class"], error["effect"], error["httpStatus"]) == ("Retryable", "unknown", 500)
    else:
        assert (error["class"], error["effect"]) == ("Conflict", "none"), error


def test_wrong_secret(server):
    credentials = {**server.least, "AWS_SECRET_ACCESS_KEY": "wrongSecret0123456789"}
    for verb in (["list", "InstanceGroup"], ["apply", "web-003", "1"], ["usage", "InstanceGroup",
                 stamp(server.times[0]), stamp(server.times[9]), "5m", "web-000"]):
        error = server.probe(credentials, *verb)["error"]
        assert (error["class"], error["effect"]) == ("Permission", "none"), error
        assert error["code"] and "wrongSecret" not in error["message"]
    assert server.probe(server.least, "list", "InstanceGroup")["items"][3]["count"] == 0


def test_unknown_key(server):
    credentials = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    assert server.probe(credentials, "list", "InstanceGroup")["error"]["class"] == "Permission"


def test_denied_by_policy(server):
    assert "items" in server.probe(server.reader, "list", "InstanceGroup")
    for verb in (["apply", "web-003", "1"], ["list", "Instance"]):
        error = server.probe(server.reader, *verb)["error"]
        assert (error["class"], error["effect"], error["httpStatus"]) == ("Permission", "none", 403), error


def test_wrong_session_token(server):
    server.verify(False)
    sts, iam = server.client("sts"), server.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    account = sts.get_caller_identity()["Account"]
    key = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/r", RoleSessionName="session")["Credentials"]
    server.verify(True)
    session = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
               "AWS_SESSION_TOKEN": key["SessionToken"]}
    assert "items" in server.probe(session, "list", "InstanceGroup")
    error = server.probe({**session, "AWS_SESSION_TOKEN": "FwoGnotTheRightOne"}, "list", "InstanceGroup")["error"]
    assert error["class"] == "Permission" and "FwoG" not in error["message"]


# Only moto has AssumeRoleWithWebIdentity with policies.
@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_web_identity_reads_its_file_and_assumes_the_role(server, tmp_path):
    server.verify(False)
    iam = server.client("iam")
    iam.create_role(RoleName="irsa", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Federated": "*"}, "Action": "sts:AssumeRoleWithWebIdentity"}]}))
    iam.put_role_policy(RoleName="irsa", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJSUzI1NiJ9.e30.sig\n")
    identity = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/irsa", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    # moto wants a signature for this call too once it verifies, AWS does not: verify from the second call on.
    request = urllib.request.Request(f"{server.url}/moto-api/reset-auth", data=b"1",
                                     headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(request).read()
    assert len(server.probe(identity, "list", "InstanceGroup")["items"]) == GROUPS
    token.unlink()
    error = server.probe(identity, "list", "InstanceGroup")["error"]
    assert error["class"] == "Permission" and "AWS_WEB_IDENTITY_TOKEN_FILE" in error["message"]


class Metadata(http.server.BaseHTTPRequestHandler):
    """IMDSv2: no token, no data."""
    keys, seen = {}, []

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        ok = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.seen.append(self.path)
        self.answer(200 if ok else 400, "imds-token")

    def do_GET(self):
        self.seen.append(self.path)
        base = "/latest/meta-data/iam/security-credentials/"
        if self.headers["X-aws-ec2-metadata-token"] != "imds-token":
            self.answer(401, "")
        elif self.path == base:
            self.answer(200, "node-role")
        elif self.path == base + "node-role":
            self.answer(200, json.dumps(self.keys))
        else:
            self.answer(404, "")

    def log_message(self, *_):
        pass


# Session keys without a role: only moto.
@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_instance_metadata(server):
    Metadata.keys = {"Code": "Success", "AccessKeyId": server.least["AWS_ACCESS_KEY_ID"],
                     "SecretAccessKey": server.least["AWS_SECRET_ACCESS_KEY"], "Token": "",
                     "Expiration": stamp(time.time() + 3600)}
    Metadata.seen = []
    metadata = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    try:
        where = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{metadata.server_port}/",
                 "AWS_EC2_METADATA_DISABLED": "false"}
        error = server.probe(where, "list", "InstanceGroup")["error"]
        assert "no complete credential" in error["message"]  # A role's key has a token, always.
        server.verify(False)
        key = server.client("sts").get_session_token()["Credentials"]
        Metadata.keys.update(AccessKeyId=key["AccessKeyId"], SecretAccessKey=key["SecretAccessKey"],
                             Token=key["SessionToken"])
        assert len(server.probe(where, "list", "InstanceGroup")["items"]) == GROUPS
        assert Metadata.seen[-3:] == ["/latest/api/token", "/latest/meta-data/iam/security-credentials/",
                                      "/latest/meta-data/iam/security-credentials/node-role"]
    finally:
        server.verify(True)
        metadata.shutdown()


def test_nobody_is_there(server):
    error = server.probe(server.least, "apply", "web-003", "1", endpoint=f"http://127.0.0.1:{free_port()}")["error"]
    assert (error["class"], error["effect"], error["httpStatus"]) == ("Retryable", "none", 0)
