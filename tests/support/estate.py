"""An estate for the e2e tests: groups with seeded demand in moto, a Provider and policies in the cluster, and the
controller's account there.

SPDX-License-Identifier: Apache-2.0
"""

import base64
import datetime
import json
import math
import random

import procs
import yaml

STEP_S = 300
WEEK = 7 * 24 * 3600 // STEP_S
ACCOUNT = "system:serviceaccount:trimtab-system:trimtab"
# Of deploy/base: what the controller is, apart from running it.
IDENTITY_KINDS = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
# What the AWS adapter calls, and no more: what deploy/iam grants for observing, and the one change that policies make.
AWS_ACTIONS = (
    "sts:GetCallerIdentity",
    "autoscaling:SetDesiredCapacity",
    "monitoring:GetMetricData",  # moto takes the signing name for the action's prefix; AWS knows only cloudwatch:.
    *(
        action
        for statement in json.loads((procs.REPO / "deploy" / "iam" / "aws" / "observe.json").read_text())["Statement"]
        for action in statement["Action"]
    ),
)


# ---- the cluster ----


def prepare_cluster(cluster):
    """Our CRDs, and the controller's ServiceAccount with its roles; sets cluster.account_kubeconfig."""
    cluster.apply_crds()
    parts = yaml.safe_load_all(cluster.kubectl("kustomize", procs.REPO / "deploy" / "base"))
    cluster.apply(yaml.safe_dump_all([d for d in parts if d["kind"] in IDENTITY_KINDS]))
    cluster.account_kubeconfig = cluster.folder / "trimtab.kubeconfig"
    cluster.account_kubeconfig.write_text(account_kubeconfig(cluster, cluster.url, cluster.ca_path))


def account_kubeconfig(cluster, url, ca_path=None):
    token = cluster.kubectl("-n", "trimtab-system", "create", "token", "trimtab", "--duration=2h").strip()
    return kubeconfig_text(token, {"server": url, **({"certificate-authority": str(ca_path)} if ca_path else {})})


def access_kubeconfig(cluster):
    """Of the account that deploy/clusters gives Trimtab in a cluster that it is to look after."""
    cluster.kubectl("apply", "-k", procs.REPO / "deploy" / "clusters")

    def data():
        return cluster.get("secret", "trimtab-actor-token", "-n", "trimtab-access").get("data", {})

    found = procs.wait_until("the account has its token", lambda: "token" in data() and data())
    token = base64.b64decode(found["token"]).decode()
    return kubeconfig_text(token, {"server": cluster.url, "certificate-authority-data": found["ca.crt"]})


def kubeconfig_text(token, server):
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": server}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def run_args(cluster, lease_s=6, **more):
    """Arguments of `trimtab run` for a test: quick election, quick listing; more: list_period="1s"."""
    options = {
        "kubeconfig": cluster.account_kubeconfig,
        "namespace": "trimtab-system",
        "lease_duration": f"{lease_s}s",
        "renew_deadline": f"{lease_s * 2 // 3}s",
        "retry_period": "500ms",
        "action_timeout": f"{lease_s // 2}s",
        "catalogue": procs.REPO / "adapters" / "catalogue" / "instance_prices.csv.gz",
        "list_period": "5s",
        "status_interval": "1s",
        **more,
    }
    return [word for key, value in options.items() for word in ("--" + key.replace("_", "-"), value)]


def give_secret(cluster, namespace, name, key, secret):
    """The Secret of a Provider, and its owner's word that the controller may read it: that one alone."""
    give_secret_data(cluster, namespace, name, {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret})


def give_secret_data(cluster, namespace, name, data):
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"read-{name}"}
    manifests = [
        {"apiVersion": "v1", "kind": "Secret", "stringData": data},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": f"read-{name}"},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"read-{name}"},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": "trimtab", "namespace": "trimtab-system"}],
        },
    ]
    manifests[0]["metadata"] = {"name": name}
    cluster.apply(yaml.safe_dump_all(manifests), "-n", namespace)


def provider(name, endpoint, regions=("us-east-1",), secret=None, **spec):
    spec = {"type": "aws", "regions": list(regions), "endpoint": endpoint, **spec}
    spec["credentials"] = {"secretRef": {"name": secret or name}}
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": name}, "spec": spec}


def policy(name, provider_name, minimum=1, maximum=60, mode="Enforce", tags=None, **spec):
    """One that selects the groups with the tag app=NAME."""
    whole = {
        "selector": {"providers": [provider_name], "kinds": ["InstanceGroup"], "tags": tags or {"app": name}},
        "mode": mode,
        "actions": ["Scale"],
        "sla": {"targetUtilization": 65, "maxViolationPerMille": 10, "leadTime": "10m"},
        "capacity": {"min": minimum, "max": maximum},
        "forecast": {"metric": "cpu", "history": "14d", "horizon": "24h"},
        "disruption": {"cooldown": "1s", "maxChangePercent": 100, "minSavingPercent": 0},
        **spec,
    }
    return {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy", "metadata": {"name": name}, "spec": whole}


def apply(cluster, namespace, *manifests):
    return cluster.apply(yaml.safe_dump_all(manifests), "-n", namespace)


# ---- the cloud ----


def last_step():
    """When the last complete step began, in seconds."""
    return int(datetime.datetime.now().timestamp()) // STEP_S * STEP_S - STEP_S


def daily(end, level, swing, peak_hour, noise=0.01, seed=1, steps=WEEK, sharpness=1.0):
    """vCPU in use at each step, the last of which begins at `end`: a day's season of that level, give or take swing, highest at peak_hour
    UTC; sharpness > 1 makes the peak narrow."""
    chance = random.Random(seed)
    demand = []
    for i in range(steps):
        hour = (end - (steps - 1 - i) * STEP_S) / 3600 % 24
        wave = ((1 + math.cos((hour - peak_hour) / 24 * 2 * math.pi)) / 2) ** sharpness
        demand.append(level + swing * (2 * wave - 1) + level * noise * chance.gauss(0, 1))
    return demand


def seed(moto, end, group, demand, serving, vcpu=2, region="us-east-1", record_serving=False):
    """CPUUtilization of `group` for that demand (vCPU at each step) on serving machines: a number, or one a step."""
    sizes = serving if isinstance(serving, list) else [serving] * len(demand)
    series = [("AWS/EC2", "CPUUtilization", "Percent", [min(100, 100 * d / (vcpu * n)) for d, n in zip(demand, sizes)])]
    if record_serving:
        series.append(("AWS/AutoScaling", "GroupInServiceInstances", "None", sizes))
    client = moto.client("cloudwatch", region=region)
    for space, name, unit, values in series:
        data = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": group}],
                "Timestamp": datetime.datetime.fromtimestamp(end - (len(values) - 1 - i) * STEP_S, datetime.timezone.utc),
                "Value": float(value),
                "Unit": unit,
            }
            for i, value in enumerate(values)
        ]
        for i in range(0, len(data), 1000):
            client.put_metric_data(Namespace=space, MetricData=data[i : i + 1000])


def sizes(moto_client):
    """{group: desired} as the cloud says."""
    pages = moto_client.get_paginator("describe_auto_scaling_groups").paginate()
    return {g["AutoScalingGroupName"]: g["DesiredCapacity"] for page in pages for g in page["AutoScalingGroups"]}


# ---- what is expected ----


def condition(item, kind):
    for one in item.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            return one
    return {"status": "Unknown", "reason": "", "message": ""}


def kstatus(item):
    """The rules of sigs.k8s.io/cli-utils/pkg/kstatus for a custom resource, restated."""
    status = item.get("status", {})
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", item["metadata"]["generation"]) != item["metadata"]["generation"]:
        return "InProgress"
    if condition(item, "Stalled")["status"] == "True":
        return "Failed"
    if condition(item, "Reconciling")["status"] == "True":
        return "InProgress"
    ready = [c["status"] for c in status.get("conditions", []) if c["type"] == "Ready"]
    return "Current" if ready in ([], ["True"]) else "InProgress"
