#!/usr/bin/env python3
"""Measures the listing of many instances of an AWS account: CPU time against boto3's for the same list from the same
server, and the memory that holds it; then 50 accounts at once on one thread, with and without one that never answers.

    make bench BENCH=listing
    python3 tests/bench/listing.py --count 10000 --runs 1        a quick look

The server, a process of its own on loopback, makes pages of 1,000 instances, each with the fields that EC2 sends and five
tags. CPU time is that of the child process, user and system; boto3 only counts what it gets, ours keeps the snapshot.

SPDX-License-Identifier: Apache-2.0
"""

import argparse
import http.server
import json
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PAGE = 1000
ROLES = ["web", "worker", "cache", "db", "queue"]
TYPES = ["m5.large", "m5.xlarge", "c6i.2xlarge", "r6g.large", "t3.medium"]

INSTANCE = """<item><amiLaunchIndex>0</amiLaunchIndex><imageId>ami-0abcdef1234567890</imageId>\
<instanceId>i-0{page}{n:08x}abc</instanceId><instanceType>{type}</instanceType><keyName>operations-2026</keyName>\
<launchTime>2026-0{month}-14T09:26:53.000Z</launchTime><monitoring><state>disabled</state></monitoring><placement>\
<availabilityZone>us-east-1{zone}</availabilityZone><availabilityZoneId>use1-az{month}</availabilityZoneId><groupName/>\
<tenancy>default</tenancy></placement><privateDnsName>ip-10-{month}-{a}-{b}.ec2.internal</privateDnsName>\
<privateIpAddress>10.{month}.{a}.{b}</privateIpAddress><productCodes/><dnsName/><instanceState><code>16</code>\
<name>running</name></instanceState><reason/><subnetId>subnet-0a1b2c3d4e5f6{zone}789</subnetId>\
<vpcId>vpc-0123456789abcdef0</vpcId><architecture>x86_64</architecture><blockDeviceMapping><item>\
<deviceName>/dev/xvda</deviceName><ebs><attachTime>2026-0{month}-14T09:26:54.000Z</attachTime>\
<deleteOnTermination>true</deleteOnTermination><status>attached</status><volumeId>vol-0{page}{n:08x}def</volumeId></ebs>\
</item></blockDeviceMapping><clientToken>fleet-{page}-{n:08x}-0f1e-4d2c-8b3a-000000000000</clientToken>\
<ebsOptimized>true</ebsOptimized><enaSupport>true</enaSupport><hypervisor>xen</hypervisor><iamInstanceProfile>\
<arn>arn:aws:iam::123456789012:instance-profile/{role}-instance-profile</arn><id>AIPAEXAMPLE{month}PROFILE{zone}</id>\
</iamInstanceProfile>{spot}<networkInterfaceSet><item><attachment><attachTime>2026-0{month}-14T09:26:53.000Z</attachTime>\
<attachmentId>eni-attach-0{page}{n:08x}00</attachmentId><deleteOnTermination>true</deleteOnTermination>\
<deviceIndex>0</deviceIndex><networkCardIndex>0</networkCardIndex><status>attached</status></attachment><description/>\
<groupSet><item><groupId>sg-0fedcba9876543210</groupId><groupName>{role}-servers</groupName></item></groupSet>\
<interfaceType>interface</interfaceType><ipv6AddressesSet/><macAddress>0a:ff:c1:{month:02x}:{a:02x}:{b:02x}</macAddress>\
<networkInterfaceId>eni-0{page}{n:08x}123</networkInterfaceId><operator><managed>false</managed></operator>\
<ownerId>123456789012</ownerId><privateDnsName>ip-10-{month}-{a}-{b}.ec2.internal</privateDnsName>\
<privateIpAddress>10.{month}.{a}.{b}</privateIpAddress><privateIpAddressesSet><item><primary>true</primary>\
<privateDnsName>ip-10-{month}-{a}-{b}.ec2.internal</privateDnsName>\
<privateIpAddress>10.{month}.{a}.{b}</privateIpAddress></item></privateIpAddressesSet>\
<sourceDestCheck>true</sourceDestCheck><status>in-use</status><subnetId>subnet-0a1b2c3d4e5f6{zone}789</subnetId>\
<vpcId>vpc-0123456789abcdef0</vpcId></item></networkInterfaceSet><rootDeviceName>/dev/xvda</rootDeviceName>\
<rootDeviceType>ebs</rootDeviceType><groupSet><item><groupId>sg-0fedcba9876543210</groupId>\
<groupName>{role}-servers</groupName></item></groupSet><sourceDestCheck>true</sourceDestCheck><tagSet><item>\
<key>Name</key><value>{role}-{page}-{n:05}</value></item><item><key>aws:autoscaling:groupName</key>\
<value>production-{role}-{zone}</value></item><item><key>environment</key><value>production</value></item><item>\
<key>team</key><value>team-{month}</value></item><item><key>cost-center</key><value>cc-40{month}</value></item></tagSet>\
<virtualizationType>hvm</virtualizationType><cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore>\
</cpuOptions><capacityReservationSpecification><capacityReservationPreference>open</capacityReservationPreference>\
</capacityReservationSpecification><hibernationOptions><configured>false</configured></hibernationOptions>\
<enclaveOptions><enabled>false</enabled></enclaveOptions><metadataOptions><state>applied</state>\
<httpTokens>required</httpTokens><httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint>\
<httpProtocolIpv6>disabled</httpProtocolIpv6><instanceMetadataTags>disabled</instanceMetadataTags></metadataOptions>\
<platformDetails>Linux/UNIX</platformDetails><usageOperation>RunInstances</usageOperation>\
<usageOperationUpdateTime>2026-0{month}-14T09:26:53.000Z</usageOperationUpdateTime><privateDnsNameOptions>\
<hostnameType>ip-name</hostnameType><enableResourceNameDnsARecord>false</enableResourceNameDnsARecord>\
<enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord></privateDnsNameOptions><maintenanceOptions>\
<autoRecovery>default</autoRecovery><rebootMigration>default</rebootMigration></maintenanceOptions><currentInstanceBootMode>\
legacy-bios</currentInstanceBootMode><operator><managed>false</managed></operator></item>"""
RESERVATION = ("<item><reservationId>r-0{page}{n:08x}fed</reservationId><ownerId>123456789012</ownerId><groupSet/>"
               "<instancesSet>{instances}</instancesSet><requesterId>940372691376</requesterId></item>")
MARK = "@@@@@"  # Where the number of the page goes.


def make_page(size=PAGE, each=4):
    """A page with MARK in place of its number; reservations of `each` instances."""
    parts = []
    for first in range(0, size, each):
        instances = "".join(
            INSTANCE.format(page=MARK, n=n, type=TYPES[n % 5], month=n % 9 + 1, zone="abc"[n % 3], a=n // 200, b=n % 200 + 1,
                            role=ROLES[n % 5], spot="<instanceLifecycle>spot</instanceLifecycle>" if n % 4 == 0 else "")
            for n in range(first, min(first + each, size)))
        parts.append(RESERVATION.format(page=MARK, n=first, instances=instances))
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/'
            f'2016-11-15/"><requestId>8f7724cf-496f-496e-8fe3-example{MARK}</requestId><reservationSet>{"".join(parts)}'
            f"</reservationSet>%TOKEN%</DescribeInstancesResponse>").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pages, template, rendered = 1, b"", b""

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "Action=DescribeInstances&" not in form:
            self.send_error(400)
            return
        if "Credential=STALLED/" in self.headers.get("Authorization", ""):
            self.connection.recv(1)  # Until the other side has had enough.
            self.close_connection = True
            return
        found = re.search(r"NextToken=page-(\d+)", form)
        page = int(found.group(1)) if found else 0
        token = f"<nextToken>page-{page + 1}</nextToken>".encode() if page + 1 < self.pages else b""
        body = self.rendered
        if self.pages > 1 or not body:
            body = self.template.replace(MARK.encode(), b"%05x" % page).replace(b"%TOKEN%", token)
            Handler.rendered = body
        self.send_response(200)
        self.send_header("Content-Type", "text/xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, *_):
        pass


def serve(listener, pages, size):
    Handler.pages, Handler.template = pages, make_page(size)
    server = Quiet(listener.getsockname(), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()


class Server:
    """The server in a process of its own, that its CPU time is nobody's."""

    def __init__(self, pages, size=PAGE):
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.process = multiprocessing.get_context("fork").Process(target=serve, args=(listener, pages, size), daemon=True)
        self.process.start()
        listener.close()

    def stop(self):
        self.process.terminate()
        self.process.join()


BOTO = """
import sys, boto3
ec2 = boto3.client("ec2", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="k",
                   aws_secret_access_key="s")
count = tags = 0
for page in ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 1000}):
    for reservation in page["Reservations"]:
        for instance in reservation["Instances"]:
            count += 1
            tags += len(instance["Tags"])
print('{"count": %d, "tags": %d}' % (count, tags))
"""
ENV = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "AWS_ACCESS_KEY_ID": "k",
       "AWS_SECRET_ACCESS_KEY": "s", "TRIMTAB_CATALOGUE": str(REPO / "adapters/catalogue/instance_prices.csv.gz")}


def run(argv):
    """(CPU seconds, peak RSS in MiB, what it printed)"""
    process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, env=ENV)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{argv[0]} ended with {process.returncode}: {out.decode()}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(out)


def verdict(met):
    return "met" if met else "MISSED"


def bench_listing(probe, count, runs):
    """True: both goals are met."""
    server = Server(count // PAGE)
    ours, theirs, held, peak = [], [], [], []
    try:
        for _ in range(runs):
            cpu, _, said = run([probe, "aws", server.url, "us-east-1", "count", "Instance"])
            assert (said["count"], said["tags"]) == (count, 5 * count), said
            ours.append(cpu)
            held.append(said["rssKiB"] / 1024)
            peak.append(said["peakKiB"] / 1024)
            print(f"  trimtab {cpu:7.2f} s   held {held[-1]:.1f} MiB, peak {peak[-1]:.1f} MiB", flush=True)
        for _ in range(runs):
            cpu, rss, said = run([sys.executable, "-c", BOTO, server.url])
            assert (said["count"], said["tags"]) == (count, 5 * count), said
            theirs.append(cpu)
            print(f"  boto3   {cpu:7.2f} s   peak {rss:.1f} MiB (keeps nothing)", flush=True)
    finally:
        server.stop()
    ratio = statistics.median(theirs) / statistics.median(ours)
    most = max(peak)
    print(f"{count} instances, {len(make_page()) / PAGE:.0f} bytes each; medians of {runs}: trimtab "
          f"{statistics.median(ours):.2f} s CPU, boto3 {statistics.median(theirs):.2f} s: {ratio:.1f} times less; goal >= 10: "
          f"{verdict(ratio >= 10)}")
    print(f"resident with the snapshot held: {max(held):.1f} MiB, at most on the way {most:.1f} MiB; goal < 64: "
          f"{verdict(most < 64)}")
    return ratio >= 10 and most < 64


def bench_accounts(program, accounts, seconds, runs):
    """True: the goal is met."""
    server = Server(1, size=20)
    without, with_it, rises = [], [], []
    try:
        for _ in range(runs):
            _, _, said = run([program, server.url, accounts, seconds])
            assert said["failed"] == said["answered"] == 0 and said["with"]["calls"] > 0, said
            without.append(said["without"]["p99"])
            with_it.append(said["with"]["p99"])
            rises.append(100 * (with_it[-1] / without[-1] - 1))
            print("  " + "   ".join(f"{how} p50 {said[how]['p50']:.2f} ms p99 {said[how]['p99']:.2f} ms of {said[how]['calls']}"
                                    for how in ("without", "with")) + f"   {rises[-1]:+.1f} %", flush=True)
    finally:
        server.stop()
    rise = statistics.median(rises)
    print(f"{accounts} accounts on one thread, one of them never answered; medians of {runs}: the others' p99 "
          f"{statistics.median(without):.2f} ms without, {statistics.median(with_it):.2f} ms with, rise {rise:+.1f} %; goal < +10 "
          f"%: {verdict(rise < 10)}")
    return rise < 10


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30, help="of each run with many accounts")
    parser.add_argument("--only", choices=["listing", "accounts"])
    parser.add_argument("--built", type=Path, default=REPO / "build/release/tests/integration")
    args = parser.parse_args()
    met = args.only == "accounts" or bench_listing(args.built / "adapter_probe", args.count, args.runs)
    if args.only != "listing":
        met = bench_accounts(args.built / "many_accounts", args.accounts, args.seconds, args.runs) and met
    print("every goal is met" if met else "a goal was MISSED")


if __name__ == "__main__":
    main()
