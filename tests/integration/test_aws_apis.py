"""Our own server of AWS's price and quota APIs is driven by boto3, so that it says nothing that AWS's client would not
understand, and refuses what AWS would refuse.

SPDX-License-Identifier: Apache-2.0
"""

import sys

import boto3
import botocore.config
import botocore.exceptions
import pytest

import procs

sys.path.insert(0, str(procs.REPO / "tests" / "clouds"))
import aws_apis  # noqa: E402

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture
def server():
    with aws_apis.AwsApis({KEY: SECRET}) as one:
        quota = one.services["servicequotas"].quota
        one.services["servicequotas"].quotas["us-east-1"] = [
            quota("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 640.0),
            quota("L-DB2E81BA", "Running On-Demand G and VT instances", 8.0),
            quota("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 32.0),
            *(quota(f"L-{i:08X}", f"Größe {i}", float(i)) for i in range(120)),
            quota("L-0", "Of another service", 1.0, service="vpc"),
        ]
        yield one


def client(server, name, secret=SECRET, key=KEY, region="us-east-1"):
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    return boto3.client(name, endpoint_url=server.url, region_name=region, aws_access_key_id=key,
                        aws_secret_access_key=secret, config=config)


def test_boto3_pages_through_the_quotas(server):
    pages = list(client(server, "service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="ec2"))
    assert [len(one["Quotas"]) for one in pages] == [100, 23]
    quotas = [quota for one in pages for quota in one["Quotas"]]
    assert quotas[0]["QuotaCode"] == "L-1216C47A" and quotas[0]["Value"] == 640.0 and quotas[3]["QuotaName"] == "Größe 0"
    assert client(server, "service-quotas", region="eu-west-1").list_service_quotas(ServiceCode="ec2")["Quotas"] == []


@pytest.mark.parametrize("change, code", [
    ({"secret": "wrong"}, "InvalidSignatureException"),
    ({"key": "nobody"}, "UnrecognizedClientException"),
])
def test_a_wrong_key_is_refused(server, change, code):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        client(server, "service-quotas", **change).list_service_quotas(ServiceCode="ec2")
    assert refused.value.response["Error"]["Code"] == code and not server.seen


def test_what_the_model_does_not_allow_is_refused(server):
    one = client(server, "service-quotas")
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidPaginationToken"):
        one.list_service_quotas(ServiceCode="ec2", NextToken="?")
    server.services["servicequotas"].quotas["us-east-1"][0]["Novelty"] = 1
    with pytest.raises(botocore.exceptions.ClientError, match="InternalFailure.*Novelty"):
        one.list_service_quotas(ServiceCode="ec2")
    server.denied.add("ListServiceQuotas")
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        one.list_service_quotas(ServiceCode="ec2")
