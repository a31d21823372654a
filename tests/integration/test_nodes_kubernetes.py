"""Which nodes a cluster needs, on a real control plane and with no more rights than deploy/clusters grants: `trimtab plan`
proposes nodes, `kubectl drain` empties just these, the scheduler finds a place for every pod, and the plan after it is
empty.

Nodes that are minutes old are not judged, and nobody can date one back: so the plan is made of what was recorded, two
hours later.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json

import cluster as cluster_support
import estate
import procs
import prometheus
import pytest

SHOP = "shop"
NODES = 5
PRICE = 0.2


def deployment(name, replicas, cpu="8", **pod):
    container = {"name": "main", "image": "i", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": SHOP},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **pod}}}}


def only_on(*nodes):
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "slot", "operator": "In", "values": [*nodes, "any"]}]}]}}}}


class Shop:
    def __init__(self, runner, folder):
        self.runner, self.folder = runner, folder
        self.cluster = cluster_support.Cluster(full=True, nodes=NODES)
        self.prometheus = prometheus.Prometheus(estate.STEP_S)
        self.cluster.kubectl("create", "namespace", SHOP)
        self.cluster.kubectl("apply", "-k", procs.REPO / "deploy" / "clusters")
        for number in range(NODES):
            self.cluster.kubectl("label", "node", f"node-{number}", "node.kubernetes.io/instance-type=m5.8xlarge",
                                 f"slot={number}")
        provider = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "east", "namespace": "p"},
                    "spec": {"type": "kubernetes", "credentials": {"secretRef": {"name": "east"}},
                             "kubernetes": {"prometheus": {"url": self.prometheus.url},
                                            "nodePrices": [{"instanceType": "*", "hourly": str(PRICE)}]}}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "east", "namespace": "p"},
                  "stringData": {"kubeconfig": self.cluster.kubeconfig_of("trimtab-observer")}}
        policy = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "ResourcePolicy", "metadata": {"name": "all", "namespace": "p"},
                  "spec": {"selector": {"providers": ["east"], "kinds": ["Workload", "Node"]}, "mode": "Recommend",
                           "actions": ["Scale", "Delete"], "disruption": {"maxChangePercent": 100}}}
        (folder / "all.yaml").write_text("\n---\n".join(json.dumps(it) for it in (provider, secret, policy)))

    def run(self, *objects):
        """Whose Deployments have for a week needed just the replicas that they have, at 65 %."""
        end = estate.last_step()
        for it in objects:
            if it["kind"] == "Deployment":
                replicas = it["spec"]["replicas"]
                demand = estate.daily(end, (replicas - 0.4) * 8 * 0.65, 0, peak_hour=0, seed=replicas)
                self.prometheus.add(SHOP, it["metadata"]["name"], end, demand, replicas)
        self.cluster.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
        self.settle()

    def settle(self):
        def settled():
            found = self.cluster.get("deployments", "-n", SHOP)["items"]
            return all(it.get("status", {}).get("readyReplicas", 0) == it["spec"]["replicas"] for it in found)

        procs.wait_until("all pods run", settled, seconds=60)

    def plan(self, hours=2):
        """(plan, actions by node, reasons by target) of what is seen now, told so many hours later."""
        record = self.folder / "record.json"
        done = self.runner.call("plan", "-f", self.folder / "all.yaml", "--record", record, "-o", "json")
        assert done.returncode == 0, done.stderr
        seen = json.loads(record.read_text())
        then = datetime.datetime.fromisoformat(seen["snapshot"]["asOf"].replace("Z", "+00:00"))
        seen["snapshot"]["asOf"] = (then + datetime.timedelta(hours=hours)).isoformat(timespec="seconds").replace("+00:00", "Z")
        record.write_text(json.dumps(seen))
        done = self.runner.call("plan", "-f", self.folder / "all.yaml", "--snapshot", record, "-o", "json")
        assert done.returncode == 0, done.stderr
        plan = json.loads(done.stdout)
        return (plan, {it["id"]: it for it in plan["actions"] if it["kind"] == "Node"},
                {it["target"].split("cluster/")[-1]: it for it in plan["whyNot"]})


@pytest.fixture
def shop(runner, tmp_path):
    made = Shop(runner, tmp_path)
    yield made
    made.prometheus.stop()
    made.cluster.stop()


def test_nodes_that_are_not_needed_can_be_drained_and_then_the_plan_is_empty(shop):
    """32 vCPU a node: three pods of 8 on node-0, one each on node-1 and node-2, one that stays on node-3, none on node-4."""
    shop.run(deployment("web", 3, **only_on("0")), deployment("api", 1, **only_on("1")),
             deployment("job", 1, **only_on("2")),
             deployment("cache", 1, **only_on("3"), volumes=[{"name": "scratch", "emptyDir": {}}]))
    _, goes, reasons = shop.plan(hours=0)
    assert not goes and reasons["node-4"]["reason"] == "TooYoung"
    _, goes, reasons = shop.plan()
    assert sorted(goes) == ["node-4"], reasons  # Where pods may run only on one node, it stays.
    assert reasons["node-3"]["reason"] == "NotEvictable" and "local storage" in reasons["node-3"]["message"]
    assert reasons["node-1"]["reason"] == "NodeNeeded"
    for number in range(NODES):  # Now anywhere, and each is still where it was.
        shop.cluster.kubectl("label", "node", f"node-{number}", "slot=any", "--overwrite")
    plan, goes, reasons = shop.plan()
    assert len(goes) == 3 and "node-3" not in goes, reasons  # Six pods take two nodes: node-3, and one of the others.
    assert float(plan["costHourly"]) == pytest.approx(NODES * PRICE)
    assert float(plan["desiredCostHourly"]) == float(plan["lowerBound"]) == pytest.approx(2 * PRICE)
    for name in sorted(goes):
        shop.cluster.kubectl("drain", name, "--ignore-daemonsets", "--timeout=60s")
        shop.cluster.kubectl("delete", "node", name)
    shop.settle()
    where = {pod["spec"].get("nodeName") for pod in shop.cluster.get("pods", "-n", SHOP)["items"]}
    assert where <= {f"node-{n}" for n in range(NODES)} - set(goes)
    plan, goes, reasons = shop.plan()
    assert not plan["actions"], plan["actions"]
    assert float(plan["costHourly"]) == pytest.approx(2 * PRICE)


def test_what_forbids_to_drain_is_seen_and_pods_that_wait_stop_it_all(shop):
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guard", "namespace": SHOP},
              "spec": {"minAvailable": "100%", "selector": {"matchLabels": {"app": "api"}}}}
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": SHOP},
            "spec": {"nodeName": "node-2", "containers": [{"name": "main", "image": "i"}]}}
    agent = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": SHOP},
             "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": {
                 "metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [
                     {"name": "main", "image": "i", "resources": {"requests": {"cpu": "1"}}}]}}}}
    shop.cluster.kubectl("annotate", "node", "node-4", "karpenter.sh/do-not-disrupt=true")
    shop.run(agent, deployment("web", 1, **only_on("0")), deployment("api", 1, **only_on("1")), budget, bare)
    procs.wait_until("the budget is used up and the agents run", lambda: (
        shop.cluster.get("pdb", "guard", "-n", SHOP).get("status", {}).get("currentHealthy") == 1
        and shop.cluster.get("daemonset", "agent", "-n", SHOP).get("status", {}).get("numberReady") == NODES), seconds=60)
    _, goes, reasons = shop.plan()
    assert sorted(goes) == ["node-3"], reasons
    assert "go with it" in goes["node-3"]["why"][0]  # The agent.
    assert "PodDisruptionBudget guard" in reasons["node-1"]["message"]
    assert "pod shop/bare has no controller" in reasons["node-2"]["message"]
    assert reasons["node-4"]["message"] == "karpenter.sh/do-not-disrupt"
    shop.cluster.apply(json.dumps(deployment("huge", 1, cpu="200")))
    procs.wait_until("a pod waits", lambda: any(
        pod["status"]["phase"] == "Pending" for pod in shop.cluster.get("pods", "-n", SHOP)["items"]), seconds=60)
    _, goes, reasons = shop.plan()
    assert not goes
    assert {reasons[f"node-{n}"]["reason"] for n in range(NODES)} == {"PodsPending"}
