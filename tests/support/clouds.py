"""Emulated AWS for the tests: moto (breadth), ministack (stricter about signatures and clocks) and microburst (faults in
front of either). Each is a server process on a free port of loopback.

SPDX-License-Identifier: Apache-2.0
"""

import json
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import ports  # noqa: E402
import procs  # noqa: E402


def _post(url, body, content_type="text/plain"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, headers={"Content-Type": content_type}, method="POST")
    with opener.open(request, timeout=30) as reply:
        return reply.read()


class Server:
    """A server process that answers HTTP on self.url."""

    def __init__(self, argv, folder, name, port, env=None, alive_path="/"):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = procs.Process(argv, Path(folder) / f"{name}-{port}.log", env=env, cwd=folder)
        try:
            self.process.wait_for(f"{name} answers", lambda: procs.http_get(self.url + alive_path)[0] != 0, 60)
        except BaseException:
            self.process.stop()
            raise

    def stop(self):
        self.process.stop(5)

    def client(self, service, key="testing", secret="testing", region="us-east-1", token=None):
        import boto3  # Only here, since the bench runs without it.

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )


class Moto(Server):
    """Accepts anything until set_auth(True); from then on each request's signature and IAM policy are checked."""

    def __init__(self, folder):
        port = ports.claim_port()
        argv = [procs.cached("venv") / "bin" / "python3", procs.SUPPORT / "moto_linear.py", "-H", "127.0.0.1", "-p", port]
        super().__init__(argv, folder, "moto", port, alive_path="/moto-api/data.json")
        self._images = {}

    def set_auth(self, is_on):
        # The type matters: a form's makes moto answer 500.
        _post(f"{self.url}/moto-api/reset-auth", b"0" if is_on else b"1000000000")

    def reset(self):
        """Forgets every resource, and checks nothing again."""
        _post(f"{self.url}/moto-api/reset", b"")
        self.set_auth(False)

    def make_user(self, actions, name="trimtab"):
        """An IAM user that may do just these actions; returns (key id, secret). Call it before set_auth(True)."""
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def make_group(self, name, desired, minimum=0, maximum=100, tags=None, instance_type="m5.large", region="us-east-1"):
        """An Auto Scaling group with its launch template; its instances appear at once."""
        ec2 = self.client("ec2", region=region)
        template = f"lt-{name}"
        if region not in self._images:  # moto takes a second to list them, and they are the same for each server.
            self._images[region] = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        image = self._images[region]
        ec2.create_launch_template(
            LaunchTemplateName=template, LaunchTemplateData={"ImageId": image, "InstanceType": instance_type}
        )
        self.client("autoscaling", region=region).create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=minimum,
            MaxSize=maximum,
            DesiredCapacity=desired,
            AvailabilityZones=[f"{region}a"],
            LaunchTemplate={"LaunchTemplateName": template, "Version": "$Latest"},
            Tags=[
                {"Key": k, "Value": v, "PropagateAtLaunch": True, "ResourceId": name, "ResourceType": "auto-scaling-group"}
                for k, v in (tags or {}).items()
            ],
        )


class Ministack(Server):
    def __init__(self, folder):
        port = ports.claim_port()
        store = Path(folder) / f"ministack-{port}"
        store.mkdir()
        env = {"AUTH": "true", "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "S3_DATA_DIR": str(store)}
        super().__init__([procs.cached("ministack") / "bin" / "ministack"], folder, "ministack", port, env=env)


class Microburst(Server):
    """Faults on order in front of another server."""

    def __init__(self, folder, upstream):
        port = ports.claim_port()
        argv = [procs.cached("venv") / "bin" / "microburst", "--host", "127.0.0.1", "--port", port, "--upstream", upstream]
        super().__init__(argv, folder, "microburst", port, alive_path="/_microburst/fired")

    def set_rules(self, rules):
        _post(f"{self.url}/_microburst/rules", json.dumps(rules).encode(), "application/json")

    def fired(self):
        return json.loads(procs.http_get(f"{self.url}/_microburst/fired")[1])
