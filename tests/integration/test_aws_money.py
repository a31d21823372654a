"""Prices, charges and credentials of the AWS adapter against servers that verify: our own server of Pricing and Cost
Explorer, which botocore keeps honest, moto for S3, STS and roles, ministack for clocks and trust policies. What the
adapter says is compared with what boto3 says of the same server.

SPDX-License-Identifier: Apache-2.0
"""

import csv
import datetime
import decimal
import gzip
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import procs

sys.path.insert(0, str(procs.REPO / "tests" / "clouds"))
import aws_apis  # noqa: E402

BUILD = procs.REPO / os.environ.get("OUT", "build/dev") / "tests" / "integration"
CATALOGUE = procs.REPO / "adapters/catalogue/instance_prices.csv.gz"
BILL = procs.REPO / "tests/data/bills/focus_1.0_excerpt.csv"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG"
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
UTC = datetime.timezone.utc


def run_probe(url, credentials, *args, parameters=None, region="us-east-1", **env):
    """(the probe's answer, its largest resident memory in KiB)"""
    env = {"PATH": os.environ["PATH"], "TRIMTAB_CATALOGUE": str(CATALOGUE), "AWS_EC2_METADATA_DISABLED": "true",
           **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}, **credentials, **env}
    if parameters is not None:
        env["PROBE_PARAMETERS"] = json.dumps(parameters)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen([BUILD / "adapter_probe", "aws", url, region, *map(str, args)], env=env, stdout=out,
                                 stderr=errors)
        peak = 0
        while child.poll() is None:  # getrusage would tell the memory that this process had before exec, too.
            peak = max(peak, peak_of(child.pid))
            time.sleep(0.01)
        out.seek(0), errors.seek(0)
        said = errors.read()
        assert child.returncode in (0, 1), said
        assert "Sanitizer" not in said, said
        return json.loads(out.read()), peak


def peak_of(pid):
    try:
        with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/cmdline") as command:
            if "adapter_probe" not in command.read():
                return 0
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def probe(*args, **kwargs):
    return run_probe(*args, **kwargs)[0]


def client(url, service, key=KEY, secret=SECRET, region="us-east-1"):
    return boto3.client(service, endpoint_url=url, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret)


# ---- prices ----


@pytest.fixture(scope="module")
def priced():
    with aws_apis.AwsApis({KEY: SECRET}) as server:
        server.services["pricing"].load(CATALOGUE, {"us-east-1", "eu-west-1"}, factor=2)
        yield server


@pytest.fixture
def prices_server(priced):
    priced.denied.clear()
    priced.faults.clear()
    priced.seen.clear()
    return priced


def prices_by_boto3(server, region, **more):
    """Type -> (micros, vCPU, MiB), by AWS's own client."""
    wanted = {"regionCode": region, "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
              "capacitystatus": "Used", **more}
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
    pages = client(server.url, "pricing").get_paginator("get_products").paginate(ServiceCode="AmazonEC2", Filters=filters)
    found = {}
    for line in (line for page in pages for line in page["PriceList"]):
        item = json.loads(line)
        what = item["product"]["attributes"]
        (term,) = item["terms"]["OnDemand"].values()
        (rate,) = term["priceDimensions"].values()
        price = decimal.Decimal(rate["pricePerUnit"]["USD"]) * 1000000
        memory = decimal.Decimal(what["memory"].removesuffix(" GiB").replace(",", "")) * 1024
        found[what["instanceType"]] = (int(price.to_integral_value(decimal.ROUND_HALF_UP)), int(what["vcpu"]) * 1000,
                                       int(memory.to_integral_value(decimal.ROUND_HALF_UP)))
    return found


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_prices_of_a_region_are_those_that_boto3_reads(prices_server, region):
    expected = prices_by_boto3(prices_server, region)
    assert len(expected) > 300
    prices_server.seen.clear()
    reply = probe(prices_server.url, KEYS, "prices", region=region)
    offers = {o["type"]: o for o in reply["items"]}
    of_api = {t: (o["priceMicros"], o["vcpuMilli"], o["memoryMiB"]) for t, o in offers.items() if o["source"] == "pricing API"}
    assert of_api == expected
    assert [o["type"] for o in reply["items"]] == sorted(offers)
    assert {r for _, r, _, _ in prices_server.seen} == {"us-east-1" if region == "us-east-1" else "eu-central-1"}
    assert all(abs(o["asOfMs"] / 1000 - time.time()) < 60 for o in offers.values() if o["source"] == "pricing API")
    if region == "us-east-1":
        assert offers["g4dn.12xlarge"]["gpu"] == 4 and offers["m6g.large"]["architecture"] == "arm64"
        assert offers["m5.large"]["architecture"] == "amd64"
    assert all(o["source"].startswith("catalogue ") for o in offers.values() if o["source"] != "pricing API")


def test_few_types_are_asked_for_one_by_one(prices_server):
    reply = probe(prices_server.url, KEYS, "prices", "m5.large", "c5.xlarge", "no.such")
    assert [(o["type"], o["source"]) for o in reply["items"]] == [("c5.xlarge", "pricing API"), ("m5.large", "pricing API")]
    asked = [{f["Field"]: f["Value"] for f in request["Filters"]}["instanceType"]
             for _, _, operation, request in prices_server.seen if operation == "GetProducts"]
    assert sorted(asked) == ["c5.xlarge", "m5.large", "no.such"]
    for offer in reply["items"]:
        ((expected, _, _),) = prices_by_boto3(prices_server, "us-east-1", instanceType=offer["type"]).values()
        assert offer["priceMicros"] == expected and offer["spotMicros"] == -1  # Nobody serves the spot history here.


@pytest.mark.parametrize("failure", ["denied", "throttled", "rubbish", "cut", "wrong secret", "nobody"])
def test_without_the_api_the_catalogue_answers_with_its_date(prices_server, failure):
    keys, url = KEYS, prices_server.url
    if failure == "denied":
        prices_server.denied.add("GetProducts")
    elif failure == "wrong secret":
        keys = {**KEYS, "AWS_SECRET_ACCESS_KEY": "wrongSecret"}
    elif failure == "nobody":
        url = "http://127.0.0.1:9"
    else:
        prices_server.faults.append({"throttled": aws_apis.Refused("ThrottlingException", "Rate exceeded"),
                                     "rubbish": b"<html>It works!</html>", "cut": b'{"PriceList": ["{'}[failure])
    (offer,) = probe(url, keys, "prices", "m5.large")["items"]
    assert offer["priceMicros"] == 96000 and offer["source"].startswith("catalogue ")
    assert offer["asOfMs"] == datetime.datetime(2026, 7, 20, tzinfo=UTC).timestamp() * 1000


def test_motos_old_spot_prices_are_not_believed(prices_server, moto):
    """Its history is of 2006; behind our server the two are one cloud."""
    with aws_apis.AwsApis({KEY: SECRET}, upstream=moto.url) as both:
        both.services["pricing"].products = prices_server.services["pricing"].products
        (offer,) = probe(both.url, KEYS, "prices", "m5.large")["items"]
        assert offer["source"] == "pricing API" and offer["spotMicros"] == -1


# ---- charges ----


def stamp(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_charges(url, keys, begin, end, count_max, **kwargs):
    """All rows, call by call with the cursor; and how many calls it took."""
    rows, cursor, calls = [], "", 0
    while calls == 0 or cursor:
        reply = probe(url, keys, "charges", begin, end, count_max, *([cursor] if cursor else []), **kwargs)
        assert "error" not in reply, reply["error"]
        assert len(reply["items"]) <= count_max
        rows, cursor, calls = rows + reply["items"], reply["cursor"], calls + 1
    return rows, calls


def test_cost_explorer_gives_what_boto3_reads():
    with aws_apis.AwsApis({KEY: SECRET}) as server:
        begin = datetime.date(2026, 2, 20)
        rng = random.Random(1)
        server.services["ce"].costs = [
            (begin + datetime.timedelta(days=d), service, region, f"{rng.random():.10f}", f"{rng.random():.10f}")
            for d in range(20) for service in ("Amazon Elastic Compute Cloud - Compute", "Tax", "AmazonCloudWatch")
            for region in ("us-east-1", "NoRegion")]
        groups = [{"Type": "DIMENSION", "Key": k} for k in ("SERVICE", "REGION")]
        ask = {"TimePeriod": {"Start": "2026-02-22", "End": "2026-03-09"}, "Granularity": "DAILY", "GroupBy": groups,
               "Metrics": ["UnblendedCost", "AmortizedCost"]}
        expected, token = [], {}
        while token is not None:
            answer = client(server.url, "ce").get_cost_and_usage(**ask, **token)
            expected += [(day["TimePeriod"]["Start"], group["Keys"][0], group["Keys"][1].replace("NoRegion", ""),
                          group["Metrics"]["UnblendedCost"]["Amount"], group["Metrics"]["AmortizedCost"]["Amount"])
                         for day in answer["ResultsByTime"] for group in day["Groups"]]
            token = {"NextPageToken": answer["NextPageToken"]} if "NextPageToken" in answer else None
        assert len(expected) == 15 * 6
        for count_max in (1000, 11):
            rows, calls = read_charges(server.url, KEYS, "2026-02-22T00:00:00Z", "2026-03-09T00:00:00Z", count_max)
            assert [(stamp(r["startMs"])[:10], r["ServiceName"], r["RegionId"], r["BilledCost"], r["EffectiveCost"])
                    for r in rows] == expected
            assert calls == (1 if count_max == 1000 else 9)
        server.denied.add("GetCostAndUsage")
        error = probe(server.url, KEYS, "charges", "2026-02-22T00:00:00Z", "2026-03-09T00:00:00Z", 9)["error"]
        assert error["class"] == "Permission" and error["message"].startswith("GetCostAndUsage: AccessDeniedException")


def test_moto_takes_our_question_to_cost_explorer(moto):
    result = {"ResultsByTime": [{"TimePeriod": {"Start": "2026-03-01", "End": "2026-03-02"}, "Estimated": False, "Total": {},
              "Groups": [{"Keys": ["Amazon S3", "eu-west-1"], "Metrics": {
                  "UnblendedCost": {"Amount": "1.50", "Unit": "USD"}, "AmortizedCost": {"Amount": "1.25", "Unit": "USD"}}}]}]}
    post(f"{moto.url}/moto-api/static/ce/cost-and-usage-results", {"results": [result]})
    key, secret = moto.make_user(["ce:GetCostAndUsage"])
    moto.set_auth(True)
    keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    (row,) = probe(moto.url, keys, "charges", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", 9)["items"]
    assert (row["ServiceName"], row["BilledCost"], row["EffectiveCost"]) == ("Amazon S3", "1.50", "1.25")
    wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "wrong"}
    assert probe(moto.url, wrong, "charges", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", 9)["error"]["class"] == "Permission"


def post(url, body):
    import urllib.request

    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read()


SEPTEMBER = ("2024-09-01T00:00:00Z", "2024-10-01T00:00:00Z")
EXPORT = {"focusExport": {"bucket": "the-bills", "prefix": "team a+b/\u00fc", "region": "us-east-1"}}
DATA = "team a+b/\u00fc/focus/data/BILLING_PERIOD=2024-09"


@pytest.fixture
def bucket(moto):
    """A bucket and a user that may do to it what the README says, and no more."""
    s3 = moto.client("s3")
    s3.create_bucket(Bucket="the-bills")
    key, secret = moto.make_user(["s3:ListBucket", "s3:GetObject"])
    moto.set_auth(False)
    s3.keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    return s3


def real_rows():
    def value(text):
        return "" if text == "NULL" else text

    with open(BILL, newline="") as file:
        for row in csv.DictReader(file):
            begin = datetime.datetime.fromisoformat(row["ChargePeriodStart"]).replace(tzinfo=UTC)
            yield {**{k: value(v) for k, v in row.items()}, "tags": json.loads(value(row["Tags"]) or "{}"),
                   "startMs": int(begin.timestamp() * 1000)}


def put_real(s3, key, text=None):
    s3.put_object(Bucket="the-bills", Key=key, Body=gzip.compress(text or BILL.read_bytes()))


def test_a_real_focus_export_is_read_as_python_reads_it(moto, bucket):
    put_real(bucket, DATA + "/focus-00001.csv.gz")
    bucket.put_object(Bucket="the-bills", Key=DATA + "/focus-00002.csv", Body=BILL.read_bytes())
    put_real(bucket, "team a+b/\u00fcber/other-00001.csv.gz")  # Another prefix that begins alike.
    moto.set_auth(True)
    expected = list(real_rows()) * 2
    for count_max in (1000, 7):
        rows, calls = read_charges(moto.url, bucket.keys, *SEPTEMBER, count_max, parameters=EXPORT)
        assert len(rows) == len(expected)
        for row, real in zip(rows, expected):
            for name in ("BilledCost", "EffectiveCost", "BillingCurrency", "ServiceName", "RegionId", "ResourceId",
                         "ChargeCategory", "ChargeDescription"):
                assert row[name] == real[name], name
            assert row["tags"] == real["tags"] and row["startMs"] == real["startMs"]
        assert calls == (1 if count_max == 1000 else -(-len(expected) // 7))
    half = read_charges(moto.url, bucket.keys, "2024-09-10T00:00:00Z", "2024-09-20T00:00:00Z", 1000, parameters=EXPORT)[0]
    assert [r["startMs"] for r in half] == [r["startMs"] for r in expected
                                            if "2024-09-10" <= r["ChargePeriodStart"] < "2024-09-20"]


def test_only_the_newest_export_of_a_period_counts(moto, bucket):
    lines = BILL.read_bytes().splitlines(True)
    put_real(bucket, DATA + "/20240930T010000Z-aa/focus-00001.csv.gz", b"".join(lines[:3]))
    time.sleep(1.1)  # LastModified has seconds.
    put_real(bucket, DATA + "/20240930T020000Z-bb/focus-00001.csv.gz", b"".join(lines[:6]))
    rows, _ = read_charges(moto.url, bucket.keys, *SEPTEMBER, 1000, parameters=EXPORT)
    assert len(rows) == 5
    bucket.put_object(Bucket="the-bills", Body=b"{}",
                      Key=DATA.replace("/data/", "/metadata/") + "/20240930T010000Z-aa/focus-Manifest.json")
    rows, _ = read_charges(moto.url, bucket.keys, *SEPTEMBER, 1000, parameters=EXPORT)
    assert len(rows) == 2  # The second is not complete: it has no manifest yet.


def test_an_export_that_is_overwritten_meanwhile_is_a_conflict(moto, bucket):
    put_real(bucket, DATA + "/focus-00001.csv.gz")
    first = probe(moto.url, bucket.keys, "charges", *SEPTEMBER, 5, parameters=EXPORT)
    put_real(bucket, DATA + "/focus-00001.csv.gz", BILL.read_bytes() + b"\n")
    error = probe(moto.url, bucket.keys, "charges", *SEPTEMBER, 5, first["cursor"], parameters=EXPORT)["error"]
    assert error["class"] == "Conflict" and "begin again" in error["message"]


@pytest.mark.parametrize("case", ["parquet", "nothing", "no bucket", "denied", "cut gzip", "CUR"])
def test_what_is_no_export_says_what_to_do(moto, bucket, case):
    keys, parameters = bucket.keys, EXPORT
    expect = {"parquet": ("Permanent", "choose text/csv"), "nothing": ("Permanent", "takes up to a day"),
              "no bucket": ("Permanent", "NoSuchBucket"), "denied": ("Permission", "AccessDenied"),
              "cut gzip": ("Retryable", "end too early"), "CUR": ("Permanent", "this is no FOCUS export")}[case]
    if case == "parquet":
        bucket.put_object(Bucket="the-bills", Key=DATA + "/focus-00001.snappy.parquet", Body=b"PAR1")
    elif case == "no bucket":
        parameters = {"focusExport": {"bucket": "nobodys-bills"}}
    elif case == "denied":
        key, secret = moto.make_user(["ec2:DescribeInstances"], "other")
        keys = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    elif case == "cut gzip":
        body = gzip.compress(BILL.read_bytes())
        bucket.put_object(Bucket="the-bills", Key=DATA + "/focus-00001.csv.gz", Body=body[:-20])
    elif case == "CUR":
        put_real(bucket, DATA + "/focus-00001.csv.gz", b"identity/LineItemId,lineItem/UnblendedCost\n1,2\n")
    moto.set_auth(True)
    error = probe(moto.url, keys, "charges", *SEPTEMBER, 1000, parameters=parameters)["error"]
    assert error["class"] == expect[0] and expect[1] in error["message"], error


def test_a_large_export_is_streamed_in_bounded_memory(moto, bucket):
    """360 MB of CSV, a row of it in memory: less than a tenth of what holding the object as it lies in S3 would take."""
    lines = BILL.read_bytes().splitlines(True)
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(lines[0])
        block = b"".join(lines[1:]) * 200
        for _ in range(45):
            file.write(block)
    bucket.put_object(Bucket="the-bills", Key=DATA + "/focus-00001.csv.gz", Body=packed.getvalue())
    count = 45 * 200 * (len(lines) - 1)
    first = probe(moto.url, bucket.keys, "charges", *SEPTEMBER, 100, parameters=EXPORT)
    _, etag, key = first["cursor"].split("#", 2)
    cursor = f"{count - 50}#{etag}#{key}"  # As the last call of many would have it.
    started = time.monotonic()
    last, memory = run_probe(moto.url, bucket.keys, "charges", *SEPTEMBER, 100, cursor, parameters=EXPORT)
    assert "error" not in last, last["error"]
    assert len(last["items"]) == 50 and last["cursor"] == ""
    print(f"{count} rows passed over in {time.monotonic() - started:.1f} s, {memory} KiB at most")
    assert "SAN_OPTIONS" in str(os.environ) or memory < 64 * 1024


# ---- credentials ----


def trust(**condition):
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = {"StringEquals": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def policy(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


@pytest.fixture
def far_role(moto):
    """A user that may only assume a role, and the role, which may only list."""
    iam = moto.client("iam")
    iam.create_role(RoleName="far", AssumeRolePolicyDocument=trust())
    iam.put_role_policy(RoleName="far", PolicyName="p", PolicyDocument=policy("autoscaling:DescribeAutoScalingGroups"))
    key, secret = moto.make_user(["sts:AssumeRole"])
    moto.make_group("web", desired=1)
    moto.set_auth(True)
    return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}


ROLE = {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/far", "externalId": "a+b=c,d.e@f:g/h-i"}}


def test_an_assumed_role_may_what_its_policy_says(moto, aws_proxy, far_role):
    assert probe(moto.url, far_role, "list", "InstanceGroup")["error"]["class"] == "Permission"
    reply = probe(aws_proxy.url, far_role, "list", "InstanceGroup", parameters=ROLE)
    assert [item["id"] for item in reply["items"]] == ["web"]
    (assumed,) = aws_proxy.requests("AssumeRole")
    assert assumed.params["ExternalId"] == ROLE["assumeRole"]["externalId"] and assumed.status == 200
    error = probe(moto.url, far_role, "list", "Instance", parameters=ROLE)["error"]
    assert error["class"] == "Permission" and error["httpStatus"] == 403


def test_keys_that_may_not_assume_the_role_say_so(moto, far_role):
    moto.set_auth(False)
    key, secret = moto.make_user(["ec2:DescribeInstances"], "other")
    moto.set_auth(True)
    for change, code in (({"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}, "AccessDenied"),
                         ({"AWS_SECRET_ACCESS_KEY": "wrongSecret"}, "")):
        error = probe(moto.url, {**far_role, **change}, "list", "InstanceGroup", parameters=ROLE)["error"]
        assert error["class"] == "Permission" and code in error["code"], error
        assert "role/far: AssumeRole" in error["message"] and "wrongSecret" not in error["message"]


def test_keys_that_are_rotated_stop_and_start_working(moto, far_role):
    moto.set_auth(False)
    iam = moto.client("iam")
    fresh = iam.create_access_key(UserName="trimtab")["AccessKey"]
    iam.delete_access_key(UserName="trimtab", AccessKeyId=far_role["AWS_ACCESS_KEY_ID"])
    moto.set_auth(True)
    assert probe(moto.url, far_role, "list", "InstanceGroup", parameters=ROLE)["error"]["class"] == "Permission"
    keys = {"AWS_ACCESS_KEY_ID": fresh["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": fresh["SecretAccessKey"]}
    assert len(probe(moto.url, keys, "list", "InstanceGroup", parameters=ROLE)["items"]) == 1


def test_a_role_that_expires_in_the_middle_of_a_list_is_assumed_again(moto, microburst, far_role):
    moto.set_auth(False)
    for i in range(101):  # Two pages: only the second is asked for with a token.
        moto.make_group(f"more-{i:03}", desired=0)
    # microburst sends another Host than was signed, so nothing is verified here. Its first answer takes its time.
    microburst.client("sts").get_caller_identity()
    undisturbed = probe(moto.url, far_role, "list", "InstanceGroup", parameters=ROLE)
    microburst.set_rules([{"service": "autoscaling", "operation": "DescribeAutoScalingGroups", "times": 1, "body": "NextToken",
                           "error": {"code": "ExpiredToken", "status": 403}}])
    reply = probe(microburst.url, far_role, "list", "InstanceGroup", parameters=ROLE)
    assert "error" not in reply, reply["error"]
    assert len(reply["items"]) == 102 and reply["requests"] == undisturbed["requests"] + 1
    assert len(microburst.fired()) >= 1, "the fault never came"


def test_a_secret_does_not_lend_the_role_of_the_node(moto, tmp_path):
    token = tmp_path / "token"
    token.write_text("eyJhbGciOiJSUzI1NiJ9.e30.sig\n")
    names = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    with pytest.raises(AssertionError, match="the Secret holds no AWS_ACCESS_KEY_ID"):
        probe(moto.url, names, "list", "InstanceGroup", PROBE_IS_SECRET="1")


def ministack_user(ministack, name):
    """A user who may do all that these tests do, and a role "clock"; made once."""
    iam = ministack.client("iam", "test", "test")
    if "clock" not in [role["RoleName"] for role in iam.list_roles()["Roles"]]:
        iam.create_role(RoleName="clock", AssumeRolePolicyDocument=trust())
        iam.put_role_policy(RoleName="clock", PolicyName="p", PolicyDocument=policy("autoscaling:*"))
    if name not in [user["UserName"] for user in iam.list_users()["Users"]]:
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy("autoscaling:*", "sts:AssumeRole"))
    for old in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=old["AccessKeyId"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.mark.parametrize("offset_s", [600, -600])
@pytest.mark.parametrize("parameters", [None, {"assumeRole": {"roleArn": "arn:aws:iam::000000000000:role/clock"}}])
def test_a_clock_ten_minutes_off_is_put_right_by_the_servers_date(ministack, offset_s, parameters):
    keys = ministack_user(ministack, "clock")
    assert "items" in probe(ministack.url, keys, "list", "InstanceGroup", parameters=parameters)
    reply = probe(ministack.url, keys, "list", "InstanceGroup", parameters=parameters, PROBE_CLOCK_OFFSET_S=str(offset_s))
    assert "error" not in reply, reply["error"]
    assert reply["requests"] == 2  # ministack's token service takes any date: the role's own request is the refused one.


def test_a_wrong_external_id_is_refused(ministack):
    iam = ministack.client("iam", "test", "test")
    iam.create_role(RoleName="partner", AssumeRolePolicyDocument=trust(**{"sts:ExternalId": "right"}))
    iam.put_role_policy(RoleName="partner", PolicyName="p", PolicyDocument=policy("autoscaling:*"))
    keys = ministack_user(ministack, "partner-user")
    arn = iam.get_role(RoleName="partner")["Role"]["Arn"]
    good = {"assumeRole": {"roleArn": arn, "externalId": "right"}}
    assert "items" in probe(ministack.url, keys, "list", "InstanceGroup", parameters=good)
    for block in ({"roleArn": arn, "externalId": "wrong"}, {"roleArn": arn}):
        error = probe(ministack.url, keys, "list", "InstanceGroup", parameters={"assumeRole": block})["error"]
        assert error["class"] == "Permission" and error["code"] == "AccessDenied", error


# ---- signatures ----

AWKWARD = ["", " ", "a b", "+", "*", "~", "%20", "%", "%2F", "/", "=", "&", "&&", "a=b&c", "\u00e9", "\u7ed3\u8d26", "\U0001f600",
           "'\"<>", "#?", "-._~", "\\", ";:,@$!()[]", "A" * 300]


def signed_by_botocore(case):
    """The Authorization header that botocore writes for this request."""
    signer = botocore.auth.S3SigV4Auth if case["verbatim"] else botocore.auth.SigV4Auth
    url = f"https://{dict(case['headers'])['host']}{case['path']}" + (f"?{case['query']}" if case["query"] else "")
    request = botocore.awsrequest.AWSRequest(case["method"], url, dict(case["headers"]), case["body"].encode())
    request.context["timestamp"] = dict(case["headers"])["x-amz-date"]
    if not case["verbatim"]:
        request.context["payload_signing_enabled"] = True
    one = signer(botocore.credentials.Credentials(case["id"], case["secret"]), case["service"], case["region"])
    canonical = one.canonical_request(request)
    signature = one.signature(one.string_to_sign(request, canonical), request)
    names = one.signed_headers(one.headers_to_sign(request))
    scope = f"{case['id']}/{one.scope(request).split('/', 1)[1]}"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}", canonical


def test_awkward_requests_are_signed_as_botocore_signs_them():
    import hashlib

    rng = random.Random(20261125)
    now = 1785000000
    date = datetime.datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    cases = []
    for number in range(600):
        verbatim = number % 2 == 0
        words = [rng.choice(AWKWARD) for _ in range(6)]
        path = "/" + "/".join(urllib.parse.quote(word, safe="-._~") for word in words[:2] if word not in ("", "."))
        pairs = [(rng.choice(AWKWARD), rng.choice(AWKWARD)) for _ in range(rng.randrange(5))]
        pairs += pairs[:1] if number % 5 == 0 else []  # A pair that repeats.
        query = "&".join(f"{urllib.parse.quote(k, safe='-._~')}={urllib.parse.quote(v, safe='-._~')}" for k, v in pairs)
        body = "" if verbatim else "".join(words[2:])
        headers = [["host", "x.example.com"], ["x-amz-date", date], ["x-amz-meta-word", f"  {words[5]}  b   c "]]
        headers = [[name, value] for name, value in headers if value.isascii()]
        if verbatim:
            headers.append(["x-amz-content-sha256", hashlib.sha256(body.encode()).hexdigest()])
        cases.append({"method": rng.choice(["GET", "POST", "PUT"]), "path": path, "query": query, "headers": headers,
                      "body": body, "verbatim": verbatim, "region": "eu-west-1", "service": "s3" if verbatim else "ec2",
                      "id": KEY, "secret": SECRET, "timeMs": now * 1000})
    lines = "\n".join(json.dumps(case) for case in cases) + "\n"
    out = subprocess.run([BUILD / "sigv4_probe"], input=lines, capture_output=True, text=True, timeout=60, check=True).stdout
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == len(cases)
    for case, answer in zip(cases, answers):
        authorization, canonical = signed_by_botocore(case)
        assert answer["canonical"] == canonical, case
        assert answer["authorization"] == authorization, case
