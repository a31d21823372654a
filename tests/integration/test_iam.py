"""The IAM policies that we hand out name real actions, just those that the adapter uses, and are enough for it.

SPDX-License-Identifier: Apache-2.0
"""

import json
import re

import botocore.loaders
import pytest

import procs
from test_aws_money import probe

IAM = procs.REPO / "deploy/iam/aws"
# Where IAM's word is not the operation's. sts:TagSession is a permission only.
OPERATIONS = {"s3:ListBucket": "ListObjectsV2", "s3:ListAllMyBuckets": "ListBuckets", "sts:TagSession": "AssumeRole"}
BOTOCORE = {"pricing": "pricing", "servicequotas": "service-quotas"}
SERVICES = ("autoscaling", "ce", "cloudwatch", "ec2", "pricing", "s3", "servicequotas", "sts")
FREE = {"sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"}  # No policy grants these.


def statements(name):
    document = json.loads((IAM / name).read_text())
    assert document["Version"] == "2012-10-17" and document["Statement"]
    return document["Statement"]


def actions(*names):
    found = [s["Action"] for name in names for s in statements(name)]
    return {one for action in found for one in ([action] if isinstance(action, str) else action)}


def operations(service):
    loader = botocore.loaders.Loader()
    return loader.load_service_model(BOTOCORE.get(service, service), "service-2")["operations"].keys()


def used():
    """service:Action of every operation whose name stands as a text in the adapter's sources."""
    text = "".join(path.read_text() for path in sorted((procs.REPO / "adapters/aws").glob("*.c")))
    names = set(re.findall(r'"(?:[A-Za-z]+\.)?([A-Z][A-Za-z0-9]+)"', text))
    words = {operation: action.partition(":")[2] for action, operation in OPERATIONS.items() if "TagSession" not in action}
    every = {f"{service}:{words.get(name, name) if service == 's3' else name}"
             for service in SERVICES for name in names & operations(service)}
    # The same name in two services: the adapter means the one whose file it stands in.
    return every - {"autoscaling:DescribeTags", "autoscaling:CreateTags"}


POLICIES = ("observe.json", "observe-bill.json", "act.json", "assume-role.json")


@pytest.mark.parametrize("path", sorted(IAM.glob("*.json")), ids=lambda path: path.name)
def test_every_action_is_real(path):
    for action in actions(path.name):
        service, _, name = action.partition(":")
        assert OPERATIONS.get(action, name) in operations(service), action
    for statement in statements(path.name):
        assert statement["Effect"] == "Allow" and ("Resource" in statement) != ("Principal" in statement)


def test_the_policies_are_just_what_the_adapter_uses():
    assert actions(*POLICIES) == used() - FREE


def test_to_observe_is_not_to_act():
    assert all(re.match("(Describe|List|Get)", action.partition(":")[2]) for action in actions("observe.json", "observe-bill.json"))
    assert not any(re.match("(Describe|List|Get)", action.partition(":")[2]) for action in actions("act.json"))


def test_the_readme_of_the_adapter_names_the_same():
    readme = (procs.REPO / "adapters/aws/README.md").read_text()
    assert set(re.findall(r"`((?:%s):[A-Z][A-Za-z]+)`" % "|".join(SERVICES), readme)) == actions(*POLICIES)


def make_user(moto, *files):
    iam = moto.client("iam")
    iam.create_user(UserName="trimtab")
    for name in files:
        iam.put_user_policy(UserName="trimtab", PolicyName=name[:-5], PolicyDocument=(IAM / name).read_text())
    key = iam.create_access_key(UserName="trimtab")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_they_are_enough_for_a_cloud_that_checks_them(moto):
    moto.make_group("web", desired=1)
    keys = make_user(moto, "observe.json")
    moto.set_auth(True)
    reply = probe(moto.url, keys, "list", "Instance,InstanceGroup,Volume,Snapshot,Bucket,Address")
    assert "error" not in reply, reply["error"]
    assert {"Instance", "InstanceGroup"} <= {item["kind"] for item in reply["items"]}
    assert probe(moto.url, keys, "apply", "web", "2")["error"]["class"] == "Permission"
    moto.set_auth(False)
    moto.client("iam").put_user_policy(UserName="trimtab", PolicyName="act", PolicyDocument=(IAM / "act.json").read_text())
    moto.set_auth(True)
    assert "error" not in probe(moto.url, keys, "apply", "web", "2")
