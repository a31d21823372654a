"""contract_clouds.py PROGRAM ARGUMENT...: runs a program of the contract suite with emulated clouds beside it.

The program finds them by $CONTRACT_CLOUDS. GET /moto/open or /ministack/open there (?slow=1: each reply takes two
seconds) seeds a region that nobody else uses and answers with what a bed needs, as JSON. moto stands behind the rules of
tests/clouds/aws_strict.py, verifies every signature and policy, and knows the adapter's user with the permissions that
adapters/aws/README.md lists and no others.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clouds"))
import aws_proxy  # noqa: E402
import aws_strict  # noqa: E402
import clouds  # noqa: E402
import procs  # noqa: E402

SLOW_SECONDS = 2
STAY = {"Key": "stay", "Value": "1"}
IMAGE = "ami-12345678"


def least_policy():
    text = (procs.REPO / "adapters/aws/README.md").read_text()
    return sorted(set(re.findall(r"`((?:ec2|autoscaling|cloudwatch|s3|sts|servicequotas|ce|pricing):\w+)`", text)))


class Cloud:
    """One emulator behind its proxy, with a region for each bed."""

    def __init__(self, folder):
        self._lock = threading.Lock()
        self.slow = set()
        self.server = self.start(folder)
        self.regions = self.free_regions()

    def client(self, service, region):
        key, secret = self.admin
        return self.server.client(service, key, secret, region)

    def delay(self, request):
        if request.region in self.slow:
            time.sleep(SLOW_SECONDS)

    def open(self, slow):
        with self._lock:
            region = self.regions.pop()
            bed = self.seed(region)
            if slow:
                self.slow.add(region)
        key, secret = self.user
        return {"endpoint": self.proxy.url, "region": region, "key": key, "secret": secret, **bed}

    def seed(self, region):
        ec2, autoscaling = self.client("ec2", region), self.client("autoscaling", region)
        spec = [{"ResourceType": kind, "Tags": [STAY]} for kind in ("instance", "volume")]
        ec2.create_launch_template(
            LaunchTemplateName="web", LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "c5.large"}
        )
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="web", MinSize=1, MaxSize=9, DesiredCapacity=2, AvailabilityZones=[f"{region}a"],
            LaunchTemplate={"LaunchTemplateName": "web"}, Tags=[{**STAY, "PropagateAtLaunch": False}],
        )
        machine = ec2.run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType="m5.xlarge", TagSpecifications=spec[:1]
        )["Instances"][0]["InstanceId"]
        volume = ec2.create_volume(AvailabilityZone=f"{region}a", Size=1, TagSpecifications=spec[1:])["VolumeId"]
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        ec2.create_tags(Resources=[address], Tags=[STAY])
        end = datetime.datetime.now(datetime.timezone.utc)
        self.client("cloudwatch", region).put_metric_data(Namespace="AWS/EC2", MetricData=[
            {"MetricName": "CPUUtilization", "Value": 40 + i, "Timestamp": end - datetime.timedelta(minutes=5 * i + 7),
             "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "web"}]} for i in range(6)])
        counts = {
            "InstanceGroup": 1,
            "Instance": sum(len(r["Instances"]) for r in ec2.describe_instances()["Reservations"]),
            "Volume": len(ec2.describe_volumes()["Volumes"]),
            "Snapshot": len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]),
            "Address": len(ec2.describe_addresses()["Addresses"]),
        }
        return {"instance": machine, "volume": volume, "address": address, "counts": counts}


class Moto(Cloud):
    def start(self, folder):
        amis = Path(folder) / "amis.json"
        amis.write_text("[]")  # Its own images bring a thousand snapshots with them, and a second for each region.
        os.environ["MOTO_AMIS_PATH"] = str(amis)
        server = clouds.Moto(folder)
        self.admin = server.make_user(["*"], "admin")
        # moto takes a service's signing name for the prefix of its actions; AWS knows only cloudwatch:.
        self.user = server.make_user([*least_policy(), "monitoring:GetMetricData"], "least")
        server.set_auth(True)
        self.proxy = aws_strict.AwsStrict(server.url, self.admin, on_request=self.delay)
        return server

    def free_regions(self):
        regions = self.client("ec2", "us-east-1").describe_regions()["Regions"]
        # An account is of one partition.
        return [r["RegionName"] for r in regions if not r["RegionName"].startswith(("cn-", "us-gov-"))]


class Ministack(Cloud):
    admin = user = ("test", "test")

    def start(self, folder):
        server = clouds.Ministack(folder)
        self.proxy = aws_proxy.AwsProxy(server.url, on_request=self.delay)
        return server

    def free_regions(self):
        import boto3

        return boto3.session.Session().get_available_regions("ec2")


def serve(all_clouds):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            try:
                name, what = url.path.strip("/").split("/")
                assert what == "open"
                status, body = 200, all_clouds[name].open("slow" in urllib.parse.parse_qs(url.query))
            except Exception as error:  # The test shows it.
                status, body = 500, {"error": f"{type(error).__name__}: {error}"}
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 64
    with tempfile.TemporaryDirectory(prefix="trimtab-contract-") as folder:
        # By this thread: a server dies with the thread that has started it.
        all_clouds = {}
        try:
            all_clouds |= {"moto": Moto(folder)}
            all_clouds |= {"ministack": Ministack(folder)}
            return subprocess.run(sys.argv[1:], env={**os.environ, "CONTRACT_CLOUDS": serve(all_clouds)}).returncode
        finally:
            for cloud in all_clouds.values():
                cloud.server.stop()


if __name__ == "__main__":
    sys.exit(main())
