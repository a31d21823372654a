"""What the Kubernetes adapter changes, on a real control plane with kwok's pods: each verb through adapter_probe, its
effect read back with kubectl, and everything that it must leave alone.

SPDX-License-Identifier: Apache-2.0
"""

import base64
import itertools
import json
import os

import pytest

import procs
from adapter_probe import Probe
from api_proxy import ApiProxy

REQUESTS = "trimtab.dev/requests"
REPLICAS = "trimtab.dev/replicas"
_numbers = itertools.count(1)

WIDE_OPEN_CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}, annotations: {{api-approved.kubernetes.io: "unapproved, for a test"}}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: {plural}, singular: {singular}, kind: {kind}, listKind: {kind}List}}
  versions:
  - name: {version}
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


def workload(name="web", kind="Deployment", replicas=2, containers=None, **spec):
    """Two containers; the first has a memory limit that is its request."""
    containers = containers or [
        {"name": "main", "image": "i", "resources": {"requests": {"cpu": "300m", "memory": "256Mi"},
                                                     "limits": {"memory": "256Mi"}}},
        {"name": "side", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]
    made = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": containers, "terminationGracePeriodSeconds": 0}}, **spec}}
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = name
    return made


def autoscaler(target="web", low=2, high=5):
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "auto"},
            "spec": {"minReplicas": low, "maxReplicas": high,
                     "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
                     "metrics": [{"type": "Resource", "resource": {
                         "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}


class Space:
    """A namespace of the test's own, and the adapter in front of its cluster."""

    def __init__(self, cluster):
        self.cluster, self.name = cluster, f"act{os.getpid()}-{next(_numbers)}"
        cluster.kubectl("create", "namespace", self.name)
        # Another test's namespace of that name may be on its way out.
        granted = lambda: cluster.kubectl("apply", "-k", procs.REPO / "deploy" / "clusters", check=False).returncode == 0
        procs.wait_until("the rights are granted", granted, pause=1)
        self.probe = Probe("kubernetes", "-", "cluster", kubeconfig=cluster.kubeconfig_of("trimtab-actor"))

    def kubectl(self, *args, **more):
        return self.cluster.kubectl("-n", self.name, *args, **more)

    def apply(self, thing, manager="kubectl"):
        self.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=json.dumps(thing))

    def deploy(self, manager="kubectl", **more):
        made = workload(**more)
        self.apply(made, manager)
        self.settle(made["metadata"]["name"], made["kind"])

    def get(self, kind, name):
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def settle(self, name="web", kind="Deployment"):
        def settled():
            found = self.get(kind, name)
            wanted, status = found["spec"]["replicas"], found.get("status", {})
            pods = [p for p in self.pods(name) if p["status"]["phase"] == "Running"]
            return status.get("readyReplicas", 0) == wanted == len(pods)

        procs.wait_until(f"{kind} {name} has its pods", settled)

    def pods(self, name="web"):
        items = json.loads(self.kubectl("get", "pods", "-l", f"app={name}", "-o", "json"))["items"]
        return [p for p in items if "deletionTimestamp" not in p["metadata"]]

    def requests(self, name="web"):
        """Of each pod, of each container: (cpu, memory), sorted."""
        return sorted(tuple((c["resources"]["requests"]["cpu"], c["resources"]["requests"]["memory"])
                            for c in pod["spec"]["containers"]) for pod in self.pods(name))

    def id(self, name="web", kind="Deployment"):
        return f"{self.name}/{kind}/{name}"

    def act(self, verb, name="web", kind="Deployment", of="Workload", **fields):
        return self.probe.act(verb, of, self.id(name, kind), **fields)

    def finish(self, reply):
        return self.probe.finish(reply, polls=200)

    def budget(self, minimum):
        self.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"},
                    "spec": {"minAvailable": minimum, "selector": {"matchLabels": {"app": "web"}}}})

        def counted():
            status = self.get("poddisruptionbudget", "keep").get("status", {})
            return status.get("expectedPods", 0) == 2 and status.get("observedGeneration") is not None

        procs.wait_until("the budget has been counted", counted)


@pytest.fixture
def space(full_cluster):
    made = Space(full_cluster)
    yield made
    full_cluster.kubectl("delete", "namespace", made.name, "--wait=false")


@pytest.fixture
def custom(full_cluster):
    """Makes a CustomResourceDefinition that takes anything, for as long as the test runs."""
    names = []

    def make(kind, plural, group, version):
        full_cluster.apply(WIDE_OPEN_CRD.format(kind=kind, singular=kind.lower(), plural=plural, group=group,
                                                version=version))
        names.append(f"{plural}.{group}")
        full_cluster.kubectl("wait", "--for=condition=Established", "crd", names[-1], "--timeout=30s")

    yield make
    for name in names:
        full_cluster.kubectl("delete", "crd", name, "--timeout=60s")


def done(reply):
    assert "error" not in reply, reply
    assert reply["operation"] == "", reply
    return reply


def refused(reply, error_class, code, effect="none"):
    assert reply.get("error"), reply
    error = reply["error"]
    assert (error["class"], error["code"], error["effect"]) == (error_class, code, effect), error
    return error["message"]


# Size


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_scale_sets_the_size_and_twice_is_once(space, kind):
    space.deploy(kind=kind)
    done(space.act("Scale", kind=kind, count=4))
    space.settle(kind=kind)
    assert len(space.pods()) == 4
    before = space.get(kind, "web")["metadata"]["resourceVersion"]
    done(space.act("Scale", kind=kind, count=4))
    assert space.get(kind, "web")["metadata"]["resourceVersion"] == before


def test_a_workload_that_is_not_there_is_a_conflict(space):
    refused(space.act("Scale", count=4), "Conflict", "NotFound")


def test_an_autoscaler_sets_the_size_and_we_its_bounds(space):
    space.deploy()
    space.apply(autoscaler())
    assert "HorizontalPodAutoscaler/auto" in refused(space.act("Scale", count=4), "Conflict", "ManagedElsewhere")
    for verb in ("Stop", "Start"):
        refused(space.act(verb), "Conflict", "ManagedElsewhere")
    assert space.get("deployment", "web")["spec"]["replicas"] == 2

    def bounds():
        spec = space.get("hpa", "auto")["spec"]
        return spec["minReplicas"], spec["maxReplicas"]

    done(space.act("SetBounds", min=3, max=4))
    assert bounds() == (3, 5)  # The user's ceiling is not lowered.
    done(space.act("SetBounds", min=6, max=8))
    assert bounds() == (6, 8)
    done(space.act("SetBounds", min=2, max=3))
    assert bounds() == (2, 8)
    refused(space.act("SetBounds", min=0, max=3), "Permanent", "Invalid")
    refused(space.act("SetBounds", min=5, max=3), "Permanent", "")


def test_bounds_without_an_autoscaler_and_of_one_that_argo_cd_owns(space):
    space.deploy()
    refused(space.act("SetBounds", min=3, max=4), "Conflict", "NoAutoscaler")
    space.apply(autoscaler(), manager="argocd-controller")
    assert "argocd-controller" in refused(space.act("SetBounds", min=3, max=4), "Conflict", "ManagedElsewhere")


def test_a_scaled_object_sets_the_size_and_we_its_bounds(space, custom):
    custom("ScaledObject", "scaledobjects", "keda.sh", "v1alpha1")
    space.deploy()
    space.apply({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "keda"},
                 "spec": {"scaleTargetRef": {"name": "web"}, "maxReplicaCount": 4}})
    space.apply(autoscaler())  # The one that KEDA makes of it.
    assert "ScaledObject/keda" in refused(space.act("Scale", count=4), "Conflict", "ManagedElsewhere")
    done(space.act("SetBounds", min=1, max=6))
    spec = space.get("scaledobject", "keda")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 6)
    assert space.get("hpa", "auto")["spec"]["minReplicas"] == 2


@pytest.mark.parametrize("manager", ["argocd-controller", "kustomize-controller", "helm"])
def test_what_a_gitops_controller_owns_is_left_alone(space, manager):
    space.deploy(manager=manager)
    before = space.get("deployment", "web")["metadata"]["resourceVersion"]
    assert manager in refused(space.act("Scale", count=4), "Conflict", "ManagedElsewhere")
    assert manager in refused(space.act("Stop"), "Conflict", "ManagedElsewhere")
    for rollout in ("false", "true"):
        said = refused(space.act("Resize", vcpuMilli=800, rollout=rollout), "Conflict", "ManagedElsewhere")
        assert manager in said
    assert space.get("deployment", "web")["metadata"]["resourceVersion"] == before


def test_stop_and_start_keep_the_size(space):
    space.deploy(replicas=3)
    reply = space.act("Stop")
    assert reply["operation"] == f"stop/cluster/{space.id()}"
    done(space.finish(reply))
    found = space.get("deployment", "web")
    assert found["spec"]["replicas"] == 0
    assert found["metadata"]["annotations"][REPLICAS] == "3"
    done(space.act("Stop"))
    refused(space.probe("poll", f"start/cluster/{space.id()}"), "Conflict", "Superseded")
    assert space.get("deployment", "web")["metadata"]["annotations"][REPLICAS] == "3"
    done(space.finish(space.act("Start")))
    found = space.get("deployment", "web")
    assert found["spec"]["replicas"] == 3
    assert found["status"]["readyReplicas"] > 0
    assert REPLICAS not in found["metadata"]["annotations"]
    refused(space.probe("poll", reply["operation"]), "Conflict", "Superseded")
    done(space.finish(space.act("Start")))
    done(space.act("Scale", count=0))
    refused(space.act("Start"), "Permanent", "NotStopped")


def test_somebody_who_was_faster_wins(space, full_cluster):
    """Between our read and our write the object changes: ours is refused, theirs stays."""
    space.deploy()
    proxy = ApiProxy(full_cluster.url, full_cluster.ca_path)

    def theirs(method, path):
        if method == "PATCH" and "/scale" in path:
            space.kubectl("scale", "deployment", "web", "--replicas=7")

    proxy.before = theirs
    kubeconfig = json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": proxy.url}}],
        "users": [{"name": "c", "user": {"token": full_cluster.token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]})
    probe = Probe("kubernetes", "-", "cluster", kubeconfig=kubeconfig)
    refused(probe.act("Scale", "Workload", space.id(), count=4), "Conflict", "Conflict")
    proxy.stop()
    assert space.get("deployment", "web")["spec"]["replicas"] == 7


# Requests


def test_a_resize_in_place_keeps_the_pods_and_follows_new_ones(space):
    space.deploy()
    before = {p["metadata"]["uid"] for p in space.pods()}
    done(space.finish(space.act("Resize", vcpuMilli=800, memoryMiB=640)))
    assert {p["metadata"]["uid"] for p in space.pods()} == before
    assert space.requests() == [(("600m", "512Mi"), ("200m", "128Mi"))] * 2
    limits = [p["spec"]["containers"][0]["resources"]["limits"]["memory"] for p in space.pods()]
    assert limits == ["512Mi"] * 2
    found = space.get("deployment", "web")
    assert json.loads(found["metadata"]["annotations"][REQUESTS]) == {"cpu": "800m", "memory": "640Mi"}
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"  # The template is untouched.

    # A pod made later has drifted; the same target again brings it along, and only it.
    kept, gone = space.pods()
    space.kubectl("delete", "pod", gone["metadata"]["name"], "--wait=true")
    space.settle()
    assert space.requests()[0] == (("300m", "256Mi"), ("100m", "64Mi"))
    version = space.get("pod", kept["metadata"]["name"])["metadata"]["resourceVersion"]
    done(space.finish(space.act("Resize", vcpuMilli=800, memoryMiB=640)))
    assert space.requests() == [(("600m", "512Mi"), ("200m", "128Mi"))] * 2
    assert space.get("pod", kept["metadata"]["name"])["metadata"]["resourceVersion"] == version

    # What is not named stays as it was asked for.
    done(space.finish(space.act("Resize", vcpuMilli=401)))
    assert [sum(int(c[0].rstrip("m")) for c in pod) for pod in space.requests()] == [401, 401]
    annotation = space.get("deployment", "web")["metadata"]["annotations"][REQUESTS]
    assert json.loads(annotation) == {"cpu": "401m", "memory": "640Mi"}
    refused(space.probe("poll", f"resize/cluster/{space.id()}/800/640"), "Conflict", "Superseded")


def test_a_resize_of_many_pods_goes_on_from_poll_to_poll(space):
    space.deploy(replicas=120)
    first = space.act("Resize", vcpuMilli=500)
    assert first.get("operation") == f"resize/cluster/{space.id()}/500/0", first
    done(space.finish(first))
    assert space.requests() == [(("375m", "256Mi"), ("125m", "64Mi"))] * 120


def test_guaranteed_pods_stay_guaranteed(space):
    full = {"cpu": "500m", "memory": "256Mi"}
    space.deploy(containers=[{"name": "a", "image": "i", "resources": {"requests": full, "limits": full}}])
    done(space.finish(space.act("Resize", vcpuMilli=250, memoryMiB=512)))
    for pod in space.pods():
        wanted = {"cpu": "250m", "memory": "512Mi"}
        assert pod["spec"]["containers"][0]["resources"] == {"requests": wanted, "limits": wanted}
        assert pod["status"]["qosClass"] == "Guaranteed"


def test_nothing_to_share_out_is_refused_before_anything_is_written(space):
    space.deploy(containers=[{"name": "a", "image": "i"}])
    refused(space.act("Resize", vcpuMilli=250), "Permanent", "")
    assert REQUESTS not in space.get("deployment", "web")["metadata"].get("annotations", {})
    refused(space.act("Resize"), "Permanent", "")
    refused(space.act("Resize", vcpuMilli=-5), "Permanent", "")


@pytest.mark.parametrize("reason", ["Infeasible", "Deferred"])
def test_what_the_node_says_of_a_resize(space, reason):
    space.deploy(replicas=1)
    reply = space.act("Resize", vcpuMilli=800)
    pod = space.pods()[0]["metadata"]["name"]
    condition = {"type": "PodResizePending", "status": "True", "reason": reason, "message": "Node has not enough"}
    space.kubectl("patch", "pod", pod, "--subresource=status", "--type=strategic", "-p",
                  json.dumps({"status": {"conditions": [condition]}}))
    reply = space.probe("poll", reply["operation"])
    if reason == "Infeasible":
        assert pod in refused(reply, "Capacity", "Infeasible")
    else:
        assert reply["operation"], reply


def test_what_a_limit_range_or_a_quota_refuses_is_not_a_lack_of_rights(space):
    full = {"cpu": "200m", "memory": "256Mi"}
    space.deploy(containers=[{"name": "a", "image": "i", "resources": {"requests": full, "limits": full}}])
    space.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
                 "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}})
    refused(space.act("Resize", memoryMiB=8000), "Permanent", "Forbidden", effect="unknown")
    space.kubectl("delete", "limitrange", "small")
    space.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"},
                 "spec": {"hard": {"requests.cpu": "900m"}}})
    procs.wait_until("the quota has been counted", lambda: space.get("quota", "full").get("status", {}).get("used"))
    assert "exceeded quota" in refused(space.act("Resize", vcpuMilli=800), "Permanent", "Forbidden", effect="unknown")


def test_a_rollout_changes_the_template_and_takes_the_annotation_away(space):
    space.deploy()
    done(space.finish(space.act("Resize", vcpuMilli=800)))
    reply = space.act("Resize", memoryMiB=640, rollout="true")
    assert reply["operation"].startswith("rollout/cluster/"), reply
    assert REQUESTS not in space.get("deployment", "web")["metadata"]["annotations"]
    done(space.finish(reply))
    assert space.requests() == [(("600m", "512Mi"), ("200m", "128Mi"))] * 2
    generation = space.get("deployment", "web")["metadata"]["generation"]
    done(space.finish(space.act("Resize", vcpuMilli=800, memoryMiB=640, rollout="true")))
    assert space.get("deployment", "web")["metadata"]["generation"] == generation


def test_a_rollout_of_a_stateful_set_and_one_that_would_not_reach_its_pods(space):
    space.deploy(kind="StatefulSet")
    done(space.finish(space.act("Resize", kind="StatefulSet", vcpuMilli=800, rollout="true")))
    assert space.requests() == [(("600m", "256Mi"), ("200m", "64Mi"))] * 2
    space.deploy(name="slow", kind="StatefulSet", updateStrategy={"type": "OnDelete"})
    refused(space.act("Resize", "slow", "StatefulSet", vcpuMilli=800, rollout="true"), "Permanent", "NoRollout")


def test_a_rollout_that_does_not_come_forward_is_a_lack_of_capacity(space):
    space.deploy(replicas=1, progressDeadlineSeconds=2)
    reply = space.act("Resize", vcpuMilli=900000, rollout="true")  # No node has 900 cores.
    failed = procs.wait_until("the deadline has passed",
                              lambda: (r := space.probe("poll", reply["operation"])).get("error") and r)
    refused(failed, "Capacity", "ProgressDeadlineExceeded")


def test_a_disruption_budget_holds_back_what_restarts(space):
    space.deploy()
    space.budget(2)
    assert "keep" in refused(space.act("Resize", vcpuMilli=800, rollout="true"), "Conflict", "DisruptionBudget")
    done(space.finish(space.act("Resize", vcpuMilli=800)))  # In place nothing restarts.

    restarts = [{"name": "a", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                 "resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]}]
    space.kubectl("delete", "deployment", "web")
    procs.wait_until("the pods are gone", lambda: not space.pods())
    space.deploy(containers=restarts)
    procs.wait_until("the budget counts them", lambda: space.get("pdb", "keep")["status"]["currentHealthy"] == 2)
    refused(space.act("Resize", memoryMiB=128), "Conflict", "DisruptionBudget")
    assert REQUESTS not in space.get("deployment", "web")["metadata"].get("annotations", {})
    space.budget(1)
    procs.wait_until("one may go", lambda: space.get("pdb", "keep")["status"]["disruptionsAllowed"] == 1)
    reply = space.act("Resize", memoryMiB=128)
    assert space.requests() == [(("100m", "128Mi"),), (("100m", "64Mi"),)]  # One at a time.
    done(space.finish(reply))
    assert space.requests() == [(("100m", "128Mi"),)] * 2


def test_a_vertical_autoscaler_sets_the_requests(space, custom):
    custom("VerticalPodAutoscaler", "verticalpodautoscalers", "autoscaling.k8s.io", "v1")
    space.deploy()
    vertical = {"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": "vpa"},
                "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}
    space.apply(vertical)
    for rollout in ("false", "true"):
        said = refused(space.act("Resize", vcpuMilli=800, rollout=rollout), "Conflict", "ManagedElsewhere")
        assert "VerticalPodAutoscaler/vpa" in said
    space.apply({**vertical, "spec": {**vertical["spec"], "updatePolicy": {"updateMode": "Off"}}})
    done(space.finish(space.act("Resize", vcpuMilli=800)))


# Labels, volumes, snapshots


def test_labels_are_set_and_others_stay(space):
    space.deploy()
    done(space.act("Tag", tags={"team": "checkout", "example.com/tier": ""}))
    assert space.get("deployment", "web")["metadata"]["labels"] == {
        "app": "web", "team": "checkout", "example.com/tier": ""}
    version = space.get("deployment", "web")["metadata"]["resourceVersion"]
    done(space.act("Tag", tags={"team": "checkout"}))
    assert space.get("deployment", "web")["metadata"]["resourceVersion"] == version
    space.deploy(name="kept", manager="argocd-controller")
    assert "argocd" in refused(space.act("Tag", "kept", tags={"app": "other"}), "Conflict", "ManagedElsewhere")
    done(space.act("Tag", "kept", tags={"app": "kept", "team": "checkout"}))
    for key, value in (("team", "a b"), ("-x", "y"), ("a/b/c", "y"), ("team", "x" * 64), ("é", "y")):
        refused(space.act("Tag", tags={key: value}), "Permanent", "")


def claim(name="data"):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}


def test_a_claim_goes_only_if_no_pod_mounts_it(space):
    space.apply(claim())
    space.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": {
        "terminationGracePeriodSeconds": 0, "containers": [{"name": "a", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}})
    act = lambda: space.act("Delete", "data", "PersistentVolumeClaim", of="Volume")  # noqa: E731
    assert "user" in refused(act(), "Conflict", "Mounted")
    assert "deletionTimestamp" not in space.get("pvc", "data")["metadata"]
    space.kubectl("delete", "pod", "user", "--force")
    done(act())
    procs.wait_until("the claim is gone",
                     lambda: space.kubectl("get", "pvc", "data", check=False).returncode != 0)
    refused(act(), "Conflict", "NotFound")


def test_snapshots_are_made_once_for_a_token_and_deleted(space, custom):
    space.apply(claim())
    take = lambda token: space.act("Snapshot", "data", "PersistentVolumeClaim", of="Volume", token=token,  # noqa: E731
                                   tags={"team": "checkout"})
    assert "VolumeSnapshot" in refused(take("one"), "Permanent", "")  # The cluster has no such API.
    custom("VolumeSnapshot", "volumesnapshots", "snapshot.storage.k8s.io", "v1")
    first, again, other = take("one"), take("one"), take("two")
    assert first["id"] == again["id"] != other["id"]
    assert first["operation"] == "snapshot/cluster/" + first["id"]
    namespace, kind, name = first["id"].split("/")
    made = space.get("volumesnapshot", name)
    assert made["spec"]["source"] == {"persistentVolumeClaimName": "data"}
    assert made["metadata"]["labels"] == {"team": "checkout"}
    assert made["metadata"]["annotations"] == {"trimtab.dev/token": "one"}
    assert space.probe("poll", first["operation"])["operation"] == first["operation"]
    space.kubectl("patch", "volumesnapshot", name, "--type=merge", "-p", '{"status": {"error": {"message": "no space"}}}')
    assert "no space" in refused(space.probe("poll", first["operation"]), "Retryable", "SnapshotError")
    space.kubectl("patch", "volumesnapshot", name, "--type=merge", "-p", '{"status": {"error": null, "readyToUse": true}}')
    assert done(space.probe("poll", first["operation"]))["id"] == first["id"]
    done(space.probe.act("Delete", "Snapshot", first["id"]))
    assert space.kubectl("get", "volumesnapshot", name, check=False).returncode != 0
    refused(space.act("Snapshot", "gone", "PersistentVolumeClaim", of="Volume"), "Conflict", "NotFound")


# Refusals


def test_without_rights_the_refusal_names_verb_and_resource(space, full_cluster):
    space.deploy()
    space.kubectl("create", "serviceaccount", "weak")
    space.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "look"}, "rules": [
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
        {"apiGroups": ["keda.sh"], "resources": ["scaledobjects"], "verbs": ["list"]}]})
    token = space.kubectl("create", "token", "weak").strip()
    authority = base64.b64encode(full_cluster.ca_path.read_bytes()).decode()
    kubeconfig = json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": full_cluster.url,
                                               "certificate-authority-data": authority}}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]})
    probe = Probe("kubernetes", "-", "cluster", kubeconfig=kubeconfig)
    said = refused(probe.act("Scale", "Workload", space.id(), count=4), "Permission", "Forbidden")
    assert said.startswith("get deployments: ") and token not in said
    space.kubectl("create", "rolebinding", "look", "--role=look", f"--serviceaccount={space.name}:weak")
    said = refused(probe.act("Scale", "Workload", space.id(), count=4), "Permission", "Forbidden")
    assert said.startswith("patch deployments/scale: ")


@pytest.mark.parametrize("verb, kind, name", [
    ("Scale", "Workload", "web"), ("Scale", "Workload", "a/DaemonSet/b"), ("Scale", "Workload", "a/Deployment/../b"),
    ("Scale", "Workload", "a/Deployment/B%2f"), ("Delete", "Workload", "a/Deployment/b"), ("Create", "Workload", "a/Deployment/b"),
    ("Stop", "Node", "node-0"), ("Delete", "Volume", "a/Deployment/b"), ("Scale", "Instance", "i-1")])
def test_what_is_not_supported_is_refused_without_a_request(full_cluster, verb, kind, name):
    reply = Probe("kubernetes", "-", "cluster", KUBECONFIG=str(full_cluster.kubeconfig)).act(verb, kind, name, count=1)
    refused(reply, "Permanent", "")
    assert reply["requests"] == 0


@pytest.mark.parametrize("handle", [
    "", "resize", "resize/cluster/a/Deployment/b", "resize/cluster/a/Deployment/b/0/0", "resize/cluster/a/Deployment/b/-1/5",
    "resize/cluster/a/Deployment/b/1/2/3", "resize/cluster/a/VolumeSnapshot/b/1/2", "rollout/other/a/Deployment/b/1/2",
    "snapshot/cluster/a/VolumeSnapshot/b/c", "snapshot/cluster/a/PersistentVolumeClaim/b", "x" * 5000])
def test_a_malformed_handle_is_refused_without_a_request(full_cluster, handle):
    reply = Probe("kubernetes", "-", "cluster", KUBECONFIG=str(full_cluster.kubeconfig))("poll", handle)
    refused(reply, "Permanent", "")
    assert reply["requests"] == 0
