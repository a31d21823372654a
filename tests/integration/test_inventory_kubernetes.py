"""The Kubernetes adapter's observing half on a real control plane, with no more rights than deploy/clusters grants:
`trimtab inventory` against `kubectl get`, field by field; who manages what; usage from metrics.k8s.io and from a real
Prometheus; prices, charges and quotas.

SPDX-License-Identifier: Apache-2.0
"""

import concurrent.futures
import datetime
import json
import math
import re
import subprocess
import time
from decimal import Decimal

import cluster as cluster_support
import ports
import procs
import pytest
from adapter_probe import Probe
from kube_api import KubeApi
from prometheus_server import PrometheusServer

MANY = 1200  # More than two pages of 500.
UNITS = {"": 1, "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": 10**3, "M": 10**6, "G": 10**9,
         "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
CRDS = [("ScaledObject", "scaledobjects", "keda.sh", "v1alpha1"),
        ("VerticalPodAutoscaler", "verticalpodautoscalers", "autoscaling.k8s.io", "v1"),
        ("VolumeSnapshot", "volumesnapshots", "snapshot.storage.k8s.io", "v1")]


def crd(kind, plural, group, version):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {"group": group, "scope": "Namespaced",
                     "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
                     "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                         "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def requests(cpu, memory):
    return {"requests": {"cpu": cpu, "memory": memory}}


def workload(name, kind="Deployment", replicas=2, resources=None, namespace="shop", **more):
    containers = [{"name": "main", "image": "i", "resources": resources or requests("500m", "512Mi")}]
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers, **more.pop("pod", {})}}}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, "team.example/x": "A_b.c-d"},
                         "annotations": {"note": "ü 结账 <&> \"'\\ \U0001f980", **more.pop("annotations", {})}}}


def target(name, kind="Deployment"):
    return {"apiVersion": "apps/v1", "kind": kind, "name": name}


def thing(kind, api, name, spec, namespace="shop"):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


ESTATE = [
    workload("web"),
    workload("web-api", resources={"limits": {"cpu": "1", "memory": "1G"}}),
    workload("sidecar", replicas=1, pod={"initContainers": [
        {"name": "proxy", "image": "i", "restartPolicy": "Always", "resources": requests("100m", "64Mi")},
        {"name": "setup", "image": "i", "resources": requests("4", "4Gi")}]}),
    workload("asked", annotations={"trimtab.dev/requests": '{"cpu": "250m", "memory": "256Mi"}'}),
    workload("off", replicas=0),
    workload("db", "StatefulSet", pod={"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "used"}}]}),
    workload("woken"), workload("tuned"), workload("advised"), workload("guarded", replicas=3),
    thing("HorizontalPodAutoscaler", "autoscaling/v2", "web-scaler", {
        "minReplicas": 2, "maxReplicas": 7, "scaleTargetRef": target("web-api"),
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {
            "type": "Utilization", "averageUtilization": 50}}}]}),
    thing("ScaledObject", "keda.sh/v1alpha1", "queue", {"scaleTargetRef": {"name": "woken"}, "minReplicaCount": 1,
                                                        "maxReplicaCount": 9}),
    thing("VerticalPodAutoscaler", "autoscaling.k8s.io/v1", "sizer", {"targetRef": target("tuned")}),
    thing("VerticalPodAutoscaler", "autoscaling.k8s.io/v1", "adviser", {"targetRef": target("advised"),
                                                                        "updatePolicy": {"updateMode": "Off"}}),
    thing("PodDisruptionBudget", "policy/v1", "guard", {"minAvailable": 2, "selector": {"matchLabels": {"app": "guarded"}}}),
    thing("ResourceQuota", "v1", "quota", {"hard": {"requests.cpu": "40", "requests.memory": "80Gi", "pods": "100"}}),
    {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-used"}, "spec": {
        "capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "fast",
        "hostPath": {"path": "/x"}, "claimRef": {"namespace": "shop", "name": "used"}}},
    {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-idle"}, "spec": {
        "capacity": {"storage": "2500M"}, "accessModes": ["ReadWriteMany"], "storageClassName": "fast",
        "hostPath": {"path": "/y"}, "claimRef": {"namespace": "shop", "name": "idle"}}},
    *[thing("PersistentVolumeClaim", "v1", name, {"accessModes": ["ReadWriteMany"], "storageClassName": "fast",
                                                  "resources": {"requests": {"storage": "1Gi"}}})
      for name in ("used", "idle", "unbound")],
    thing("VolumeSnapshot", "snapshot.storage.k8s.io/v1", "nightly", {
        "source": {"persistentVolumeClaimName": "used"}, "volumeSnapshotClassName": "csi"}),
]


@pytest.fixture(scope="module")
def shop():
    """A cluster with the estate, its pods running and its nodes bought from AWS; 1,200 more Deployments in `many`."""
    started = cluster_support.Cluster(full=True, nodes=3)
    try:
        started.api = KubeApi(started)
        started.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": [crd(*it) for it in CRDS]}))
        started.apply(cluster_support.RECIPE / "metrics-crd.yaml")
        started.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        started.kubectl("create", "namespace", "shop")
        started.kubectl("create", "namespace", "many")
        started.kubectl("apply", "-k", procs.REPO / "deploy" / "clusters")
        started.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": ESTATE}), "--server-side")
        for number, (instance, capacity) in enumerate([("m5.xlarge", "SPOT"), ("m5.2xlarge", "ON_DEMAND"), ("other", "")]):
            started.kubectl("label", "node", f"node-{number}", f"node.kubernetes.io/instance-type={instance}",
                            "topology.kubernetes.io/region=us-east-1", f"topology.kubernetes.io/zone=us-east-1{'abc'[number]}",
                            f"eks.amazonaws.com/capacityType={capacity}")
        started.kubectl("cordon", "node-2")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: started.api.request("POST", "/apis/apps/v1/namespaces/many/deployments", workload(
                f"many-{n}", replicas=0, namespace="many")), range(MANY)))
        started.kubectl("-n", "shop", "patch", "volumesnapshot", "nightly", "--type=merge", "-p",
                        '{"status": {"readyToUse": true, "restoreSize": "8Gi"}}')

        def settled():
            found = started.get("deployments,statefulsets", "-n", "shop")["items"]
            claims = started.get("pvc", "-n", "shop")["items"]
            return (all(it.get("status", {}).get("readyReplicas", 0) == it["spec"]["replicas"] for it in found)
                    and sum(it["status"]["phase"] == "Bound" for it in claims) == 2)

        procs.wait_until("the estate runs", settled, seconds=120)
        yield started
    finally:
        started.stop()


@pytest.fixture
def inventory(shop, runner, tmp_path):
    """inventory(block, account) -> (finished process, {(kind, id): resource})"""

    def run(block=None, account="trimtab-observer"):
        provider = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "shop", "namespace": "p"},
                    "spec": {"type": "kubernetes", "credentials": {"secretRef": {"name": "shop"}}}}
        if block:
            provider["spec"]["kubernetes"] = block
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop", "namespace": "p"},
                  "stringData": {"kubeconfig": shop.kubeconfig_of(account)}}
        (tmp_path / "provider.yaml").write_text(f"{json.dumps(provider)}\n---\n{json.dumps(secret)}\n")
        done = runner.call("inventory", "-f", tmp_path / "provider.yaml", "-o", "json")
        seen = json.loads(done.stdout)["resources"] if done.stdout else []
        return done, {(it["kind"], it["id"]): it for it in seen}

    return run


@pytest.fixture
def probe(shop, tmp_path):
    """The adapter as the observer, with a block of its own."""

    def make(**block):
        (tmp_path / "kubeconfig").write_text(shop.kubeconfig_of("trimtab-observer"))
        return Probe("kubernetes", "-", "cluster", KUBECONFIG=str(tmp_path / "kubeconfig"), PROBE_PARAMETERS=json.dumps(block))

    return make


# ---- what kubectl tells, in the inventory's words ----


def quantity(text):
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text).groups()
    return Decimal(number) * UNITS[unit]


def mib(text):
    return math.ceil(quantity(text) / 2**20)


def pod_requests(spec):
    counted = spec["containers"] + [c for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"]

    def total(name):
        asked = [c.get("resources", {}) for c in counted]
        return sum(quantity(r.get("requests", {}).get(name) or r.get("limits", {}).get(name) or "0") for r in asked)

    return total("cpu"), math.ceil(total("memory") / 2**20)


def workload_of(pod):
    """The Deployment or StatefulSet of a pod, as an id; None: it stands alone."""
    for owner in pod["metadata"].get("ownerReferences", []):
        kind, name = owner["kind"], owner["name"]
        if kind == "ReplicaSet":
            kind, name = "Deployment", name.rpartition("-")[0]
        return f"{pod['metadata']['namespace']}/{kind}/{name}"
    return None


def expected(item, pods):
    meta, kind = item["metadata"], item["kind"]
    row = {"provider": "p/shop", "region": "cluster", "zone": "", "type": "", "count": 1, "tags": meta.get("labels", {}),
           "name": meta["name"], "createdAt": meta["creationTimestamp"], "stateSince": None,
           "vcpu": None, "memoryMiB": None, "parent": None, "spot": False}
    row["id"] = f"{meta['namespace']}/{kind}/{meta['name']}" if "namespace" in meta else meta["name"]
    if kind in ("Deployment", "StatefulSet"):
        cpu, memory = pod_requests(item["spec"]["template"]["spec"])
        asked = json.loads(meta.get("annotations", {}).get("trimtab.dev/requests", "{}"))
        cpu = quantity(asked["cpu"]) if "cpu" in asked else cpu
        memory = mib(asked["memory"]) if "memory" in asked else memory
        row.update(kind="Workload", count=item["spec"]["replicas"], vcpu=float(cpu), memoryMiB=memory)
        ready = item.get("status", {}).get("readyReplicas", 0)
        row["state"] = "stopped" if row["count"] == 0 else "running" if ready else "pending"
    elif kind == "Node":
        labels, allocatable = meta["labels"], item["status"]["allocatable"]
        row.update(kind="Node", type=labels.get("node.kubernetes.io/instance-type", ""),
                   zone=labels.get("topology.kubernetes.io/zone", ""), vcpu=float(quantity(allocatable["cpu"])),
                   spot=labels.get("eks.amazonaws.com/capacityType") == "SPOT",
                   memoryMiB=mib(allocatable["memory"]), state="stopping" if item["spec"].get("unschedulable") else "running")
    elif kind == "PersistentVolumeClaim":
        mounted = {v["persistentVolumeClaim"]["claimName"]: workload_of(p) for p in pods
                   for v in p["spec"].get("volumes", []) if "persistentVolumeClaim" in v}
        size = item["status"].get("capacity", item["spec"]["resources"]["requests"])["storage"]
        bound = "in-use" if meta["name"] in mounted else "available"
        row.update(kind="Volume", type=item["spec"]["storageClassName"], memoryMiB=mib(size), parent=mounted.get(meta["name"]),
                   state=bound if item["status"]["phase"] == "Bound" else "pending")
    else:
        row.update(kind="Snapshot", type=item["spec"]["volumeSnapshotClassName"], state="available",
                   memoryMiB=mib(item["status"]["restoreSize"]),
                   parent=f"{meta['namespace']}/PersistentVolumeClaim/{item['spec']['source']['persistentVolumeClaimName']}")
    return row


def told_by_kubectl(cluster, *scope):
    found = cluster.get("deployments,statefulsets,pvc,volumesnapshots", *(scope or ["-A"]))["items"]
    pods = cluster.get("pods", *(scope or ["-A"]))["items"]
    rows = [expected(it, pods) for it in [*found, *cluster.get("nodes")["items"]]]
    return {(row["kind"], row["id"]): row for row in rows}


def plain(row):
    """Without the moment at which it was read, which kubectl does not tell."""
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["asOf"])
    return {key: value for key, value in row.items() if key != "asOf"}


def test_the_inventory_is_what_kubectl_tells(shop, inventory):
    done, seen = inventory()
    assert done.returncode == 0, done.stderr
    want = told_by_kubectl(shop)
    assert len(want) > MANY + 15
    assert seen.keys() == want.keys()
    for key, row in want.items():
        assert plain(seen[key]) == row, key


def test_only_the_namespaces_that_are_named_are_looked_at(shop, inventory):
    done, seen = inventory({"namespaces": ["shop", "not-there"]})
    assert done.returncode == 0, done.stderr
    assert seen.keys() == told_by_kubectl(shop, "-n", "shop").keys()


def test_a_list_that_is_cut_says_so(shop, runner, inventory, tmp_path):
    inventory()
    done = runner.call("inventory", "-f", tmp_path / "provider.yaml", "-o", "json", "--max", "600")
    reply = json.loads(done.stdout)
    assert reply["truncated"]
    assert sum(it["kind"] == "Workload" for it in reply["resources"]) == 600


def test_an_account_without_rights_is_told_which_are_missing(shop, inventory):
    shop.kubectl("-n", "trimtab-access", "create", "serviceaccount", "nobody")
    done, seen = inventory(account="nobody")
    assert done.returncode == 2
    assert seen == {}
    assert "horizontalpodautoscalers.autoscaling is forbidden" in done.stderr
    assert "persistentvolumeclaims is forbidden" in done.stderr


def test_a_revoked_token_is_a_matter_of_permission(shop, runner, inventory, tmp_path):
    inventory()
    text = (tmp_path / "provider.yaml").read_text()
    token = re.search(r'\\"token\\": \\"([^"\\]+)\\"', text).group(1)
    (tmp_path / "provider.yaml").write_text(text.replace(token, token[:-9] + "AAAAAAAAA"))
    done = runner.call("inventory", "-f", tmp_path / "provider.yaml", "-o", "json")
    assert done.returncode == 2
    assert "Unauthorized" in done.stderr
    assert token[:-9] not in done.stderr + done.stdout


def workloads(reply):
    assert "error" not in reply, reply
    return {it["id"].split("/", 1)[1]: it for it in reply["items"]}


def test_who_manages_what_is_told(shop, probe):
    for name, manager in (("argo", "argocd-controller"), ("flux", "kustomize-controller"), ("person", "kubectl")):
        shop.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(workload(name, replicas=0)))
    shop.kubectl("-n", "shop", "scale", "deployment", "person", "--replicas=1")
    seen = workloads(probe(namespaces=["shop"])("list", "Workload"))

    def told(name):
        it = seen[f"Deployment/{name}"]
        return it.get("countManager"), it.get("sizeManager"), it["min"], it["max"]

    assert told("web") == (None, None, 0, 0)
    assert told("web-api") == ("HorizontalPodAutoscaler/web-scaler", None, 2, 7)
    assert told("woken") == ("ScaledObject/queue", None, 1, 9)
    assert told("tuned") == (None, "VerticalPodAutoscaler/sizer", 0, 0)
    assert told("advised") == (None, None, 0, 0)
    assert told("guarded") == (None, None, 2, 0)
    assert told("argo") == ("argocd-controller", "argocd-controller", 0, 0)
    assert told("flux") == ("kustomize-controller", "kustomize-controller", 0, 0)
    assert told("person") == (None, None, 0, 0)
    assert seen["Deployment/asked"]["drifted"] == 2
    assert seen["Deployment/guarded"]["serving"] == 3
    for name in ("argo", "flux", "person"):
        shop.kubectl("-n", "shop", "delete", "deployment", name)


def test_a_cluster_is_known_by_the_uid_of_kube_system(shop, probe):
    assert probe()("account")["operation"] == shop.get("namespace", "kube-system")["metadata"]["uid"]


def test_usage_now_comes_from_the_metrics_api(shop, probe):
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    used = {"web": ["100m", "300000000n"], "db": ["250m", "0"]}
    for pod in shop.get("pods", "-n", "shop")["items"]:
        app = pod["metadata"]["labels"]["app"]
        if used.get(app):
            shop.apply(json.dumps({
                "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "timestamp": now.isoformat().replace("+00:00", "Z"),
                "window": "15s", "metadata": {"name": pod["metadata"]["name"], "namespace": "shop"},
                "containers": [{"name": "main", "usage": {"cpu": used[app].pop(), "memory": "128Mi"}}]}))
    span = [(now + datetime.timedelta(minutes=m)).isoformat().replace("+00:00", "Z") for m in (-30, 5)]
    ids = ["shop/Deployment/web", "shop/StatefulSet/db", "shop/Deployment/off", "shop/Deployment/never"]
    ask = probe(namespaces=["shop"])
    cpu = {it["id"]: it for it in ask("usage", "Workload", *span, "1m", *ids)["items"]}
    assert cpu.keys() == {"shop/Deployment/web", "shop/StatefulSet/db"}
    minute = int(now.timestamp()) // 60 * 60000
    assert cpu["shop/Deployment/web"]["utilization"] == [[minute, pytest.approx(40)]]
    assert cpu["shop/Deployment/web"]["serving"] == [[minute, 2]]
    assert cpu["shop/StatefulSet/db"]["utilization"] == [[minute, pytest.approx(25)]]
    memory = {it["id"]: it for it in ask("usage", "Workload/memory", *span, "1m", *ids)["items"]}
    assert memory["shop/Deployment/web"]["utilization"] == [[minute, pytest.approx(25)]]


DAY_S = 86400


class Prometheus(PrometheusServer):
    """One with a day of history, a sample a minute, of pods that are gone and one that is new."""

    def __init__(self, folder):
        self.end = int(time.time()) // 3600 * 3600 - 3600
        self.start = self.end - DAY_S
        super().__init__(folder, self._history())

    def _history(self):
        # (pod, cores in the first and the second half of the day); none of it from 06:00 to 08:00 of the day.
        pods = [("web-6b7c9d-x2x4z", 0.1, 0.4), ("web-6b7c9d-b4b5c", 0.1, None), ("web-7d8f45-zzzzz", None, 0.2),
                ("web-api-6b7c9d-x2x4z", 0.9, 0.9), ("db-0", 0.25, 0.25), ("webb-6b7c9d-x2x4z", 0.5, 0.5)]
        lines = ["# TYPE container_cpu_usage_seconds counter"]
        memory = ["# TYPE container_memory_working_set_bytes gauge"]
        ready = ["# TYPE kube_deployment_status_replicas_ready gauge"]
        for pod, early, late in pods:
            total = 0.0
            for second in range(0, DAY_S + 1, 60):
                rate = early if second <= DAY_S // 2 else late
                if rate is None:
                    continue
                total += rate * 60
                if 6 * 3600 < second <= 8 * 3600:
                    continue
                for container in ("main", ""):  # cAdvisor's own sum over the pod has no container.
                    labels = f'{{namespace="shop",pod="{pod}",container="{container}"}}'
                    lines.append(f"container_cpu_usage_seconds_total{labels} {total:.3f} {self.start + second}")
                    memory.append(f"container_memory_working_set_bytes{labels} {128 * 2**20} {self.start + second}")
        for second in range(0, DAY_S + 1, 60):
            ready.append('kube_deployment_status_replicas_ready{namespace="shop",deployment="web"} '
                         f"{2 if second <= DAY_S // 2 else 3} {self.start + second}")
        return "\n".join([*lines, *memory, *ready, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    server = Prometheus(tmp_path_factory.mktemp("prometheus"))
    yield server
    server.stop()


def stamp(second):
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_day_of_usage_comes_from_prometheus_with_its_gaps(shop, probe, prometheus):
    ask = probe(namespaces=["shop"], prometheus={"url": prometheus.url})
    ids = ["shop/Deployment/web", "shop/Deployment/web-api", "shop/StatefulSet/db", "shop/Deployment/off"]
    span = stamp(prometheus.start), stamp(prometheus.end)
    reply = ask("usage", "Workload", *span, "1h", *ids)
    assert "error" not in reply, reply
    seen = {it["id"]: it for it in reply["items"]}
    assert seen.keys() == set(ids[:3])
    web = {(t // 1000 - prometheus.start) // 3600: value for t, value in seen[ids[0]]["utilization"]}
    # 06:00 to 08:00 is missing, not zero.
    assert sorted(web) == [*range(6), *range(8, 24)]
    early, late = [web[h] for h in range(1, 6)], [web[h] for h in range(13, 23)]
    assert early == pytest.approx([20] * 5, abs=0.5)  # 0.1 of 0.5
    assert late == pytest.approx([60] * 10, abs=1)  # The mean of 0.4 and 0.2.
    api = [value for _, value in seen[ids[1]]["utilization"]]
    assert api[1:5] == pytest.approx([90] * 4, abs=0.5)  # 0.9 of its limit of 1, and none of it is web's.
    assert [value for _, value in seen[ids[2]]["utilization"]][1:5] == pytest.approx([50] * 4, abs=0.5)
    serving = {(t // 1000 - prometheus.start) // 3600: value for t, value in seen[ids[0]]["serving"]}
    assert [serving[h] for h in (0, 10, 13, 23)] == [2, 2, 3, 3]
    memory = ask("usage", "Workload/memory", *span, "1h", ids[0])["items"][0]["utilization"]
    assert [value for _, value in memory][:5] == pytest.approx([25] * 5)  # 128 of 512 MiB.


def test_a_fine_step_over_many_days_is_asked_in_pieces(shop, probe, prometheus):
    ask = probe(namespaces=["shop"], prometheus={"url": prometheus.url})
    reply = ask("usage", "Workload", stamp(prometheus.end - 14 * DAY_S), stamp(prometheus.end), "1m", "shop/Deployment/web")
    assert "error" not in reply, reply  # 20,160 points; Prometheus refuses more than 11,000 in one query.
    assert reply["requests"] == 2 + 6
    assert 1300 < len(reply["items"][0]["utilization"]) <= 1441


def test_prices_shares_and_charges_follow_the_nodes(shop, probe):
    ask = probe(namespaces=["shop"], nodePrices=[{"instanceType": "oth*", "hourly": "0.5"}])
    nodes = workloads_by_id(ask("list", "Node"))
    offers = {it["type"]: it for it in ask("prices")["items"]}
    assert offers.keys() == {"m5.xlarge", "m5.2xlarge", "other"}
    assert offers["m5.2xlarge"]["priceMicros"] == 384000  # us-east-1, on demand.
    assert offers["other"]["priceMicros"] == 500000 and offers["other"]["source"] == "nodePrices"
    assert nodes["node-0"]["spot"] and not nodes["node-1"]["spot"]
    assert nodes["node-0"]["priceMicros"] == offers["m5.xlarge"]["spotMicros"]
    assert nodes["node-1"]["priceMicros"] == 384000 and nodes["node-2"]["priceMicros"] == 500000
    # All nodes are of one size, 32 cores and 256 GiB, so a pod's share is of their mean.
    mean = sum(it["priceMicros"] for it in nodes.values()) / 3
    weight = 0.031611 * 32 + 0.004237 * 256
    web = workloads(ask("list", "Workload"))["Deployment/web"]
    share = mean * (0.031611 * 0.5 + 0.004237 * 0.5) / weight
    assert web["priceMicros"] == pytest.approx(share, abs=1.5)
    today = int(time.time()) // DAY_S * DAY_S
    charges = ask("charges", stamp(today), stamp(today + DAY_S))["items"]
    mine = [it for it in charges if it["ResourceId"] == "shop/Deployment/web"]
    assert len(mine) == 1 and mine[0]["startMs"] == today * 1000
    created = datetime.datetime.fromisoformat(
        shop.get("deployment", "web", "-n", "shop")["metadata"]["creationTimestamp"].replace("Z", "+00:00")).timestamp()
    hours = (time.time() - max(created, today)) / 3600
    assert float(mine[0]["EffectiveCost"]) == pytest.approx(2 * web["priceMicros"] / 1e6 * hours, abs=2e-4)
    assert "allocation" in mine[0]["ChargeDescription"]


def workloads_by_id(reply):
    return {it["id"]: it for it in reply["items"]}


def test_a_quota_is_told_with_what_is_used(shop, probe):
    seen = workloads_by_id(probe(namespaces=["shop"])("limits"))
    status = shop.get("resourcequota", "quota", "-n", "shop")["status"]
    assert seen["shop/quota/requests.cpu"]["value"] == 40
    assert seen["shop/quota/requests.cpu"]["used"] == pytest.approx(float(quantity(status["used"]["requests.cpu"])))
    assert seen["shop/quota/requests.memory"]["unit"] == "MiB"
    assert seen["shop/quota/requests.memory"]["value"] == 80 * 1024
    assert seen["shop/quota/pods"]["used"] == int(status["used"]["pods"])


def test_an_api_that_is_absent_holds_nothing(shop, probe):
    """As a cluster without KEDA, the VPA and snapshots. Last: the APIs are gone afterwards."""
    shop.kubectl("delete", "crd", *[f"{plural}.{group}" for _, plural, group, _ in CRDS])
    ask = probe(namespaces=["shop"])
    procs.wait_until("the API is gone", lambda: ask("list", "Snapshot").get("items") == [])
    assert workloads(ask("list", "Workload"))["Deployment/woken"].get("countManager") is None
