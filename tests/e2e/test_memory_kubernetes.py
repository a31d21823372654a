"""A policy for memory over a real control plane with kwok's pods: the peak of the worst pod is asked for, a container that
was OOMKilled raises what is planned for, and neither the death of the pod nor a restart of the controller, which has no
database, makes it forgotten.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json

import cluster as cluster_support
import estate
import ports
import procs
import prometheus
import pytest

NAMESPACE = "memory"
SHOP = "shop"  # In the cluster that is scaled.
MIB = 1 << 20
REPLICAS, REQUEST, LIMIT, USED = 3, 256, 512, 100  # Of a pod, MiB.
# 3 pods that need 1.2 x 512 MiB each: 1844 MiB, which 12 pods of 256 MiB serve at 65 %.
RAISED, RAISED_MIB = 12, 1844

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": SHOP, "labels": {"app": "web"}},
    "spec": {
        "replicas": REPLICAS,
        "selector": {"matchLabels": {"name": "web"}},
        "template": {
            "metadata": {"labels": {"name": "web"}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "main",
                        "image": "i",
                        "resources": {"requests": {"memory": f"{REQUEST}Mi"}, "limits": {"memory": f"{LIMIT}Mi"}},
                    }
                ],
            },
        },
    },
}


class World:
    def __init__(self, cluster, folder, trimtab):
        self.cluster = cluster
        self.shop = cluster_support.Cluster(full=True, nodes=2)
        end = estate.last_step()
        self.prometheus = prometheus.Prometheus(estate.STEP_S)
        self.prometheus.add(SHOP, "web", end, [REPLICAS * USED * MIB] * estate.WEEK, REPLICAS)
        self.shop.kubectl("create", "namespace", SHOP)
        self.shop.apply(json.dumps(DEPLOYMENT))
        cluster.kubectl("create", "namespace", NAMESPACE)
        kubeconfig = estate.access_kubeconfig(self.shop)
        estate.give_secret_data(cluster, NAMESPACE, "shop", {"kubeconfig": kubeconfig})
        self.port = ports.claim_port()
        self.argv = [trimtab, "run", *estate.run_args(cluster), "--listen", f"127.0.0.1:{self.port}"]
        self.folder, self.process = folder, None

    def start(self):
        self.process = procs.Process(self.argv, self.folder / "trimtab.log")

    def pods(self):
        pods = self.shop.get("pods", "-n", SHOP)["items"]
        return [p for p in pods if p["status"]["phase"] == "Running" and "deletionTimestamp" not in p["metadata"]]

    def policy(self):
        return self.cluster.get("rp", "web", "-n", NAMESPACE)

    def metrics(self):
        return procs.http_get(f"http://127.0.0.1:{self.port}/metrics")[1]

    def wait(self, what, check):
        return self.process.wait_for(what, check, 90, 1)

    def stop(self):
        if self.process:
            self.process.stop()
            print(self.process.log()[-20000:])
        self.cluster.kubectl("delete", "rp,prov,rec", "--all", "-n", NAMESPACE)
        self.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        self.prometheus.stop()
        self.shop.stop()


@pytest.fixture
def world(cluster, trimtab, tmp_path):
    made = World(cluster, tmp_path, trimtab)
    try:
        yield made
    finally:
        made.stop()


def kill(world, pod):
    """As a kubelet tells it once the container is started again."""
    at = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {**pod["status"]["containerStatuses"][0], "restartCount": 1}
    status["lastState"] = {
        "terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": at, "containerID": "containerd://dead"}
    }
    world.shop.kubectl("patch", "pod", pod["metadata"]["name"], "-n", SHOP, "--subresource=status", "--type=merge",
                       "-p", json.dumps({"status": {"containerStatuses": [status]}}))  # fmt: skip
    return at


def test_an_oom_kill_raises_what_is_planned_for_and_is_not_forgotten(world):
    world.start()
    world.wait("the pods run", lambda: len(world.pods()) == REPLICAS)
    killed = world.pods()[0]
    at = kill(world, killed)
    provider = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "Provider",
        "metadata": {"name": "shop"},
        "spec": {
            "type": "kubernetes",
            "credentials": {"secretRef": {"name": "shop"}},
            "kubernetes": {
                "namespaces": [SHOP],
                "prometheus": {"url": world.prometheus.url},
                "nodePrices": [{"instanceType": "*", "hourly": "0.192"}],
            },
        },
    }
    policy = estate.policy("web", "shop", 2, 40, forecast={"metric": "memory", "history": "7d", "horizon": "24h"})
    policy["spec"]["selector"]["kinds"] = ["Workload"]
    estate.apply(world.cluster, NAMESPACE, provider, policy)

    def replicas():
        return world.shop.get("deployment", "web", "-n", SHOP)["spec"]["replicas"]

    world.wait("the workload has grown", lambda: replicas() == RAISED)
    assert world.prometheus.refused == []
    (done,) = world.cluster.get("rec", "-n", NAMESPACE)["items"]
    assert f"raised after an OOM kill at {at}: " in done["status"]["why"][0]
    (raise_,) = world.policy()["status"]["memoryRaises"]
    assert (raise_["id"], raise_["memoryMiB"]) == (f"{SHOP}/Deployment/web", RAISED_MIB)
    assert f'trimtab_oom_kills_total{{provider="{NAMESPACE}/shop"}} 1' in world.metrics()

    def events():
        found = world.cluster.get("events.v1.events.k8s.io", "-n", NAMESPACE)["items"]
        return [e["note"] for e in found if e["reason"] == "OOMKilled" and e["regarding"]["name"] == "web"]

    (note,) = world.wait("the policy has an Event", events)
    assert f"{SHOP}/Deployment/web: 1 container was killed" in note and str(RAISED_MIB) in note

    # The pod goes, and with it all that the cluster knows of the kill; then the controller.
    world.shop.kubectl("delete", "pod", killed["metadata"]["name"], "-n", SHOP, "--force")
    world.process.stop()
    world.start()
    world.cluster.kubectl("patch", "rp", "web", "-n", NAMESPACE, "--type=merge", "-p",
                          json.dumps({"spec": {"capacity": {"max": 41}}}))  # fmt: skip

    def planned():
        found = world.policy()
        status = found["status"]
        return status["observedGeneration"] == found["metadata"]["generation"] and "desired" in status and status

    status = world.wait("the new process has planned", planned)
    assert status["desired"] == RAISED and replicas() == RAISED
    assert any(f"raised after an OOM kill at {at}: " in w["message"] for w in status["whyNot"]), status
    assert len(status["memoryRaises"]) == 1
    assert "trimtab_oom_kills_total{" not in world.metrics()
