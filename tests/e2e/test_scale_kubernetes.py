"""One policy over two clusters and an AWS account, all of them real as far as a laptop goes: two control planes with
kwok's nodes and pods, an emulated AWS that checks signatures, and the controller in a third cluster, everywhere with just
the rights that deploy/base and deploy/clusters give it. Then what somebody else sets: an autoscaler is advised, or its bounds are tuned when the policy
says so; a GitOps tool is left alone; and requests that were set in place are set again on new pods.

The past of the workloads comes from a stand-in for Prometheus (tests/support/prometheus.py).

SPDX-License-Identifier: Apache-2.0
"""

import json
import math

import clouds
import cluster as cluster_support
import estate
import ports
import procs
import prometheus
import pytest

NAMESPACE = "span"
SHOP = "shop"  # In the clusters.
TARGET = 0.65
CORES = 1  # What a pod requests.
VCPU = 2  # m5.large


def deployment(name, replicas, app, cpu="1"):
    container = {"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": "256Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": SHOP, "labels": {"app": app}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"name": name}},
            "template": {
                "metadata": {"labels": {"name": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
        },
    }


def autoscaler(name, low, high):
    utilization = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {
            "minReplicas": low,
            "maxReplicas": high,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "metrics": [{"type": "Resource", "resource": utilization}],
        },
    }


class Place:
    """A cluster that is scaled, with what is known of its past."""

    def __init__(self, name, seed):
        self.name = name
        self.cluster = cluster_support.Cluster(full=True, nodes=3)
        self.prometheus = prometheus.Prometheus(estate.STEP_S)
        self.demand = {}
        self.seed = seed
        self.cluster.kubectl("create", "namespace", SHOP)

    def run(self, name, replicas, level, end, app=None, manager="kubectl", cpu="1"):
        """A Deployment whose demand has swung about `level` cores for a week."""
        self.seed += 1
        demand = estate.daily(end, level, level * 0.3, peak_hour=self.seed * 3 % 24, seed=self.seed)
        self.demand[name] = demand
        self.prometheus.add(SHOP, name, end, demand, replicas)
        text = json.dumps(deployment(name, replicas, app or name, cpu))
        self.cluster.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=text)

    def provider(self):
        return {
            "apiVersion": "trimtab.dev/v1alpha1",
            "kind": "Provider",
            "metadata": {"name": self.name},
            "spec": {
                "type": "kubernetes",
                "credentials": {"secretRef": {"name": self.name}},
                "kubernetes": {
                    "namespaces": [SHOP],
                    "prometheus": {"url": self.prometheus.url},
                    "nodePrices": [{"instanceType": "*", "hourly": "0.192"}],
                },
            },
        }

    def replicas(self, name):
        return self.get("deployment", name)["spec"]["replicas"]

    def get(self, kind, name):
        return self.cluster.get(kind, name, "-n", SHOP, "--show-managed-fields")

    def stop(self):
        self.prometheus.stop()
        self.cluster.stop()


class World:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.end = estate.last_step()
        self.moto = clouds.Moto(folder)
        self.moto.reset()
        key, secret = self.moto.make_user(estate.AWS_ACTIONS)
        self.admin = self.moto.make_user(["*"], "admin")
        self.demand = estate.daily(self.end, 9, 3, peak_hour=14, seed=9)
        self.moto.make_group("web-aws", 12, tags={"app": "web"})
        estate.seed(self.moto, self.end, "web-aws", self.demand, 12)
        self.moto.set_auth(True)
        self.east, self.west = self.places = [Place("east", 1), Place("west", 5)]
        self.east.run("web-east", 3, 5, self.end, app="web")  # Too small.
        self.west.run("web-west", 20, 4, self.end, app="web")  # Too large.
        self.east.run("hpa", 2, 6, self.end)
        self.east.cluster.apply(json.dumps(autoscaler("hpa", 2, 8)))
        self.west.run("argo", 2, 6, self.end, manager="argocd-controller")
        self.west.run("resized", 3, 1.5, self.end)
        cluster.kubectl("create", "namespace", NAMESPACE)
        estate.give_secret(cluster, NAMESPACE, "aws", key, secret)
        for place in self.places:
            kubeconfig = estate.access_kubeconfig(place.cluster)
            estate.give_secret_data(cluster, NAMESPACE, place.name, {"kubeconfig": kubeconfig})

    def providers(self):
        return [estate.provider("aws", self.moto.url), *[place.provider() for place in self.places]]

    def policy(self, name):
        return self.cluster.get("rp", name, "-n", NAMESPACE)

    def recommendations(self, policy):
        items = self.cluster.get("rec", "-n", NAMESPACE)["items"]
        return [r for r in items if r["spec"]["policyRef"]["name"] == policy]

    def sizes(self):
        """Of what the policy `web` selects."""
        group = estate.sizes(self.moto.client("autoscaling", *self.admin))["web-aws"]
        return {
            "web-aws": group,
            "web-east": self.east.replicas("web-east"),
            "web-west": self.west.replicas("web-west"),
        }

    def reason(self, name):
        return estate.condition(self.policy(name), "Ready")["reason"]

    def stop(self):
        for place in self.places:
            place.stop()
        self.moto.stop()


def policy(name, providers, minimum, maximum, **spec):
    whole = estate.policy(name, providers[0], minimum, maximum, **spec)
    whole["spec"]["selector"] = {"providers": providers, "kinds": ["Workload", "InstanceGroup"], "tags": {"app": name}}
    return whole


def plausible(demand, end, piece):
    """(least, most) pieces for what the last days showed at this time of day and in the 75 minutes after it."""
    day = 24 * 3600 // estate.STEP_S
    now = len(demand) + (estate.last_step() - end) // estate.STEP_S
    near = [d for back in range(1, 7) for d in demand[now - back * day - 6 : now - back * day + 21]]
    least = max(1, math.ceil(min(near) * 0.95 / piece / TARGET) - 1)
    return least, math.ceil(max(near) * 1.1 / piece / TARGET) + 1


@pytest.fixture(scope="module")
def world(cluster, trimtab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("span")
    made = World(cluster, folder)
    port = ports.claim_port()
    argv = [trimtab, "run", *estate.run_args(cluster), "--listen", f"127.0.0.1:{port}"]
    made.url = f"http://127.0.0.1:{port}"
    made.process = procs.Process(argv, folder / "trimtab.log")
    try:
        estate.apply(cluster, NAMESPACE, *made.providers(), policy("web", ["east", "west", "aws"], 3, 60))
        made.process.wait_for("the policy is in trim", lambda: made.reason("web") == "InTrim", 150, 1)
        yield made
    finally:
        made.process.stop()
        print(made.process.log()[-30000:])
        cluster.kubectl("delete", "rp,prov,rec", "--all", "-n", NAMESPACE)
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        made.stop()


def test_one_policy_spans_two_clusters_and_an_aws_account(world):
    sizes = world.sizes()
    status = world.policy("web")["status"]
    assert status["resources"] == 3
    assert status["desired"] == status["actual"] == sum(sizes.values())
    wanted = {
        "web-aws": plausible(world.demand, world.end, VCPU),
        "web-east": plausible(world.east.demand["web-east"], world.end, CORES),
        "web-west": plausible(world.west.demand["web-west"], world.end, CORES),
    }
    assert all(least <= sizes[name] <= most for name, (least, most) in wanted.items()), (sizes, wanted)
    assert sizes["web-east"] > 3 and sizes["web-west"] < 20 and sizes["web-aws"] != 12


def test_its_replicas_run(world):
    for place, name in ((world.east, "web-east"), (world.west, "web-west")):
        found = place.get("deployment", name)
        assert found["status"]["readyReplicas"] == found["spec"]["replicas"]
        managers = [m["manager"] for m in found["metadata"]["managedFields"] if m.get("subresource") == "scale"]
        assert managers == ["trimtab"]


def test_each_change_is_one_recommendation(world):
    done = world.recommendations("web")
    assert {r["status"]["phase"] for r in done} <= {"Succeeded", "Superseded"}
    targets = {(t["provider"], t["region"], t["kind"], t["id"]) for t in (r["spec"]["target"] for r in done)}
    assert targets == {
        (f"{NAMESPACE}/east", "cluster", "Workload", f"{SHOP}/Deployment/web-east"),
        (f"{NAMESPACE}/west", "cluster", "Workload", f"{SHOP}/Deployment/web-west"),
        (f"{NAMESPACE}/aws", "us-east-1", "InstanceGroup", "web-aws"),
    }


def test_providers_are_ready_and_count_what_they_have(world):
    for name, workloads in (("east", 2), ("west", 3)):
        found = world.cluster.get("prov", name, "-n", NAMESPACE)
        assert estate.condition(found, "Ready")["status"] == "True", found["status"]
        assert found["status"]["inventory"]["workloads"] == workloads
    assert world.east.prometheus.refused == world.west.prometheus.refused == []


def test_the_policys_maximum_holds_over_all_places(world):
    """Lowered below what is there: each place gives some, until the sum fits."""
    total = sum(world.sizes().values())
    world.cluster.kubectl("-n", NAMESPACE, "patch", "rp", "web", "--type=merge",
                          "-p", json.dumps({"spec": {"capacity": {"max": total - 4}}}))  # fmt: skip
    try:
        world.process.wait_for("the sum fits", lambda: sum(world.sizes().values()) == total - 4, 60, 1)
        world.process.wait_for("the policy is in trim", lambda: world.reason("web") == "InTrim", 60, 1)
    except TimeoutError as error:
        raise AssertionError(f"{error}; {world.sizes()} of {total}; {world.policy('web')['status']}; "
                             f"{world.recommendations('web')}") from None
    world.cluster.kubectl("-n", NAMESPACE, "patch", "rp", "web", "--type=merge",
                          "-p", json.dumps({"spec": {"capacity": {"max": 60}}}))  # fmt: skip


def why_not(world, name, reason):
    return [w["message"] for w in world.policy(name).get("status", {}).get("whyNot", []) if w["reason"] == reason]


def test_an_autoscaler_is_advised_and_its_bounds_tuned_when_the_policy_says_so(world):
    least, most = plausible(world.east.demand["hpa"], world.end, CORES)
    estate.apply(world.cluster, NAMESPACE, policy("hpa", ["east"], 1, 30))
    (message,) = world.process.wait_for("advice", lambda: why_not(world, "hpa", "ManagedElsewhere"), 60, 1)
    assert message.startswith("HorizontalPodAutoscaler/hpa sets its size; the plan would want ")
    assert world.recommendations("hpa") == []
    assert world.east.get("hpa", "hpa")["spec"]["minReplicas"] == 2
    estate.apply(world.cluster, NAMESPACE, policy("hpa", ["east"], 1, 30, autoscalers="TuneBounds"))

    def tuned():
        found = [r for r in world.recommendations("hpa") if r["status"].get("phase") == "Succeeded"]
        return found and world.reason("hpa") == "InTrim" and found

    done = world.process.wait_for("the bounds are tuned", tuned, 90, 1)
    spec = world.east.get("hpa", "hpa")["spec"]
    assert least <= spec["minReplicas"] <= most
    assert spec["maxReplicas"] == max(8, spec["minReplicas"])
    assert done[-1]["spec"]["to"] == {"minCount": spec["minReplicas"], "maxCount": spec["maxReplicas"]}
    # The autoscaler itself has followed; the Deployment was not touched by us.
    found = world.east.get("deployment", "hpa")
    assert found["spec"]["replicas"] >= spec["minReplicas"]
    assert "trimtab" not in [m["manager"] for m in found["metadata"]["managedFields"]]


def test_what_a_gitops_tool_owns_is_left_alone(world):
    estate.apply(world.cluster, NAMESPACE, policy("argo", ["west"], 1, 30, autoscalers="TuneBounds"))
    (message,) = world.process.wait_for("advice", lambda: why_not(world, "argo", "ManagedElsewhere"), 60, 1)
    assert message.startswith("argocd-controller sets its size; the plan would want ")
    assert world.recommendations("argo") == [] and world.west.replicas("argo") == 2


def cpus_of_resized(world):
    pods = world.west.cluster.get("pods", "-n", SHOP, "-l", "name=resized")["items"]
    return [p["spec"]["containers"][0]["resources"]["requests"]["cpu"] for p in pods if "deletionTimestamp" not in p["metadata"]]


def test_requests_are_applied_again_to_new_pods(world):
    def have_them():
        return cpus_of_resized(world) == ["1500m"] * 3

    kubectl = world.west.cluster.kubectl
    kubectl("-n", SHOP, "annotate", "deployment", "resized", 'trimtab.dev/requests={"cpu":"1500m"}')
    kept = policy("resized", ["west"], 3, 3, actions=["Rightsize"], disruption={"minSavingPercent": 100})
    estate.apply(world.cluster, NAMESPACE, kept)
    world.process.wait_for("the pods have them", have_them, 60, 1)
    pod = kubectl("-n", SHOP, "get", "pods", "-l", "name=resized", "-o", "name").split()[0]
    kubectl("-n", SHOP, "delete", pod, "--wait=false")
    world.process.wait_for("the new pod has them too", have_them, 180, 1)
    assert world.recommendations("resized") == []
    metrics = procs.http_get(world.url + "/metrics")[1]
    assert f'trimtab_upkeep_total{{provider="{NAMESPACE}/west",outcome="Succeeded"}}' in metrics
    events = world.cluster.get("events.v1.events.k8s.io", "-n", NAMESPACE)["items"]
    assert "ReappliedRequests" in {e["reason"] for e in events}


def test_requests_come_down_where_replicas_may_not(world):
    """Of what was kept above: three pods of 1500m are more than the day needs."""
    estate.apply(world.cluster, NAMESPACE, policy("resized", ["west"], 3, 3, actions=["Rightsize"]))

    def done():
        return [r for r in world.recommendations("resized") if r["status"].get("phase") == "Succeeded"]

    first = world.process.wait_for("requests are changed", done, 180, 1)[0]["spec"]
    assert first["action"] == "Rightsize" and first["from"]["requests"] == {"cpu": "1500m"}
    assert 300 < int(first["to"]["requests"]["cpu"].rstrip("m")) < 1500
    assert cpus_of_resized(world) == [first["to"]["requests"]["cpu"]] * 3
    assert world.west.replicas("resized") == 3
