"""Who decides: modes, decisions and suspensions, through kubectl and through our own verbs; and what cannot work says so
where its author looks, while everything else goes on.

SPDX-License-Identifier: Apache-2.0
"""

import json
import time
import zlib

import aws_proxy
import clouds
import estate
import procs
import pytest

STEPS = 600  # Two days.
# 5 vCPU on machines of two, each to be used to 65 %: four, and never more than five.
DEMAND, SIZE, FIT = 5.0, 16, {4, 5}


class World:
    def __init__(self, cluster, runner, folder):
        self.cluster, self.trimtab = cluster, runner
        self.moto = clouds.Moto(folder)
        self.proxy = aws_proxy.AwsProxy(self.moto.url)
        self.moto.reset()
        self.key, self.secret = self.moto.make_user(estate.AWS_ACTIONS)
        admin = self.moto.make_user(["*"], "admin")
        self.moto.set_auth(True)
        self.autoscaling = self.moto.client("autoscaling", *admin)
        self.end = estate.last_step()

    def group(self, name, size=SIZE):
        self.moto.set_auth(False)
        self.moto.make_group(name, size, tags={"app": name})
        demand = estate.daily(self.end, DEMAND, 0.2, 12, steps=STEPS, seed=zlib.crc32(name.encode()))
        estate.seed(self.moto, self.end, name, demand, size)
        self.moto.set_auth(True)

    def provider(self, namespace, name="aws"):
        estate.give_secret(self.cluster, namespace, name, self.key, self.secret)
        estate.apply(self.cluster, namespace, estate.provider(name, self.proxy.url))

    def apply(self, namespace, *policies):
        estate.apply(self.cluster, namespace, *policies)

    def get(self, kind, namespace, name):
        return self.cluster.get(kind, name, "-n", namespace)

    def ready(self, namespace, name, kind="rp"):
        """The condition Ready, once it is of the present generation."""
        item = self.get(kind, namespace, name)
        if item.get("status", {}).get("observedGeneration") != item["metadata"]["generation"]:
            return {"status": "Unknown", "reason": "", "message": ""}
        return estate.condition(item, "Ready")

    def await_reason(self, namespace, name, reason, kind="rp", seconds=30):
        try:
            self.process.wait_for(f"{kind}/{name} is {reason}", lambda: self.ready(namespace, name, kind)["reason"] == reason, seconds, 0.3)
        except TimeoutError as error:
            status = self.get(kind, namespace, name).get("status", {})
            raise AssertionError(f"{error}; it is {self.ready(namespace, name, kind)}, why not: {status.get('whyNot')}") from None
        item = self.get(kind, namespace, name)
        return estate.condition(item, "Ready")["message"], estate.kstatus(item)

    def recommendations(self, namespace, policy):
        found = self.cluster.get("rec", "-n", namespace)["items"]
        return [r for r in found if r["spec"]["policyRef"]["name"] == policy]

    def await_phase(self, namespace, policy, phase, seconds=30):
        """The policy's one Recommendation in this phase."""

        def found():
            return [r for r in self.recommendations(namespace, policy) if r.get("status", {}).get("phase") == phase]

        (one,) = self.process.wait_for(f"a Recommendation of {policy} is {phase}", found, seconds, 0.3)
        return one

    def sent(self, group):
        return [r for r in self.proxy.mutations() if r.params.get("AutoScalingGroupName") == group]

    def size(self, group):
        return estate.sizes(self.autoscaling).get(group)

    def call(self, *args):
        done = self.trimtab.call(*args, env={"KUBECONFIG": str(self.cluster.kubeconfig)})
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def running(cluster, trimtab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    made = World(cluster, None, folder)
    arguments = estate.run_args(cluster, list_period="1s")
    made.process = procs.Process([trimtab, "run", *arguments, "--listen", "127.0.0.1:0"], folder / "trimtab.log")
    yield made
    code = made.process.stop()
    print(made.process.log()[-30000:])
    made.proxy.stop()
    made.moto.stop()
    assert code == 0


@pytest.fixture
def world(running, runner):
    running.trimtab = runner
    yield running
    running.proxy.clear_rules()
    assert running.process.is_alive()


def test_recommend_waits_for_a_decision(world, namespace):
    groups = [f"{word}-{namespace}" for word in ("cli", "kubectl", "reject", "snooze")]
    for group in groups:
        world.group(group)
    world.provider(namespace)
    world.apply(namespace, *[estate.policy(g, "aws", mode="Recommend") for g in groups])
    cli, kubectl, rejected, snoozed = [world.await_phase(namespace, g, "Pending")["metadata"]["name"] for g in groups]
    for group in groups:
        assert world.await_reason(namespace, group, "Recommending")[1] == "Current"
    time.sleep(3)  # Three listings.
    assert [r for g in groups for r in world.sent(g)] == []

    world.call("approve", cli, "-n", namespace)
    world.cluster.kubectl("-n", namespace, "patch", "rec", kubectl, "--type=merge", "-p", '{"spec":{"decision":"Approved"}}')
    world.call("reject", rejected, "-n", namespace, "--reason", "TooRisky", "--note", "not in the sale")
    world.call("snooze", snoozed, "-n", namespace, "--until", "6s")
    for group in groups[:2]:
        world.await_phase(namespace, group, "Succeeded")
        assert world.size(group) in FIT and len(world.sent(group)) == 1
    spec = world.await_phase(namespace, groups[2], "Rejected")["spec"]
    assert spec["feedback"] == {"reason": "TooRisky", "note": "not in the sale"}
    world.await_phase(namespace, groups[3], "Snoozed")
    assert world.await_phase(namespace, groups[3], "Pending")["metadata"]["name"] == snoozed  # The time is over.
    assert len(world.recommendations(namespace, groups[2])) == 1  # What was turned down is not proposed again.
    assert [world.size(g) for g in groups[2:]] == [SIZE, SIZE] and not world.sent(groups[2]) + world.sent(groups[3])


def test_observe_plans_and_touches_nothing(world, namespace):
    world.group(f"seen-{namespace}")
    world.provider(namespace)
    world.apply(namespace, estate.policy(f"seen-{namespace}", "aws", mode="Observe"))
    assert world.await_reason(namespace, f"seen-{namespace}", "Observing")[1] == "Current"
    status = world.get("rp", namespace, f"seen-{namespace}")["status"]
    assert status["actual"] == SIZE and status["desired"] in FIT
    time.sleep(2)
    assert world.recommendations(namespace, f"seen-{namespace}") == [] and not world.sent(f"seen-{namespace}")


@pytest.mark.parametrize("what", ["policy", "provider", "namespace", "own namespace"])
def test_suspend_stops_within_one_reconcile(world, namespace, what):
    group = f"{what.replace(' ', '-')}-{namespace}"
    target = {"policy": f"rp/{group}", "provider": "prov/aws", "namespace": f"namespace/{namespace}", "own namespace": "namespace/trimtab-system"}[what]
    world.group(group)
    world.provider(namespace)
    small_steps = {"cooldown": "1s", "maxChangePercent": 10, "minSavingPercent": 0}
    world.apply(namespace, estate.policy(group, "aws", disruption=small_steps))
    world.process.wait_for("the first step is sent", lambda: world.sent(group), 30)
    try:
        world.call("suspend", target, "-n", namespace)
        time.sleep(0.5)
        before = len(world.sent(group))
        world.await_reason(namespace, group, "ProviderSuspended" if what == "provider" else "Suspended")
        time.sleep(4)
        assert len(world.sent(group)) == before < SIZE - max(FIT)
    finally:
        world.call("resume", target, "-n", namespace)
    world.process.wait_for("it goes on", lambda: len(world.sent(group)) > before, 20)


def test_min_above_max_is_refused_by_the_api_server(world, namespace):
    done = world.cluster.kubectl("apply", "-n", namespace, "-f", "-", check=False, stdin=json.dumps(estate.policy("p", "aws", 5, 4)))
    assert done.returncode != 0 and "min is above max; lower min or raise max" in done.stderr


def test_what_cannot_work_is_stalled_and_says_why(world, namespace):
    never = [{"schedule": "0 0 30 2 *", "duration": "1h"}]
    good = f"good-{namespace}"
    world.group(good)
    world.provider(namespace)
    world.apply(
        namespace,
        estate.policy("nowhere", "no-such"),
        estate.policy("never", "aws", disruption={"windows": never}),
        estate.policy("empty", "aws", tags={"app": "no-such"}),
        estate.policy(good, "aws"),
    )
    message, kstatus = world.await_reason(namespace, "nowhere", "ProviderNotFound")
    assert f"{namespace}/no-such does not exist" in message and kstatus == "Failed"
    message, kstatus = world.await_reason(namespace, "never", "InvalidSpec")
    assert "spec.disruption.windows[0].schedule" in message and "never comes" in message and kstatus == "Failed"
    message, kstatus = world.await_reason(namespace, "empty", "NothingSelected")
    assert "spec.selector" in message and kstatus == "Failed"
    world.await_reason(namespace, good, "InTrim")
    assert world.size(good) in FIT
    estate.apply(world.cluster, namespace, estate.policy("nowhere", "aws", tags={"app": good}, mode="Observe"))
    world.await_reason(namespace, "nowhere", "SelectedTwice")  # Mended as far as it told; now it is in another's way.


def test_two_policies_on_one_group_both_stall_and_neither_acts(world, namespace):
    group = f"shared-{namespace}"
    world.group(group)
    world.provider(namespace)
    world.apply(namespace, estate.policy("one", "aws", tags={"app": group}), estate.policy("two", "aws", tags={"app": group}))
    for name, other in (("one", "two"), ("two", "one")):
        message, kstatus = world.await_reason(namespace, name, "SelectedTwice")
        assert group in message and f"{namespace}/{other}" in message and kstatus == "Failed"
    time.sleep(3)
    assert world.sent(group) == [] and world.size(group) == SIZE
    world.cluster.kubectl("-n", namespace, "delete", "rp", "two")
    world.await_reason(namespace, "one", "InTrim")
    assert world.size(group) in FIT


def test_a_provider_with_a_wrong_secret_says_what_to_do_and_recovers_when_it_is_rotated(world, namespace):
    names = ("wrong", "missing", "fine")
    for name in names:
        world.group(f"{name}-{namespace}")
    world.provider(namespace, "fine")
    estate.give_secret(world.cluster, namespace, "wrong", world.key, "wrongSecret0123456789")
    estate.apply(world.cluster, namespace, *[estate.provider(name, world.proxy.url) for name in names[:2]])
    world.apply(namespace, *[estate.policy(f"{name}-{namespace}", name) for name in names])
    message, kstatus = world.await_reason(namespace, "wrong", "Permission", "prov")
    assert "check the credentials" in message and "wrongSecret" not in message and kstatus == "Failed"
    message, kstatus = world.await_reason(namespace, "missing", "CannotOpen", "prov")
    assert f"Secret {namespace}/missing" in message and kstatus == "Failed"
    assert f"Secret {namespace}/missing" in world.ready(namespace, f"missing-{namespace}")["message"]
    world.await_reason(namespace, f"fine-{namespace}", "InTrim")  # The others go on.
    assert world.size(f"fine-{namespace}") in FIT
    for name in names[:2]:
        estate.give_secret(world.cluster, namespace, name, world.key, world.secret)
    for name in names[:2]:
        world.await_reason(namespace, name, "Listed", "prov", 60)
        world.await_reason(namespace, f"{name}-{namespace}", "InTrim", seconds=60)
        assert world.size(f"{name}-{namespace}") in FIT


def test_a_provider_without_a_secret_does_not_act_as_the_controller_in_any_namespace(world, namespace):
    bare = estate.provider("bare", world.proxy.url)
    del bare["spec"]["credentials"]
    estate.apply(world.cluster, namespace, bare)
    message, kstatus = world.await_reason(namespace, "bare", "CannotOpen", "prov")
    assert f"spec.credentials is required in namespace {namespace}" in message and kstatus == "Failed"
    estate.give_secret(world.cluster, namespace, "bare", world.key, world.secret)
    estate.apply(world.cluster, namespace, estate.provider("bare", world.proxy.url))
    world.await_reason(namespace, "bare", "Listed", "prov", 60)


def test_a_group_that_is_deleted_mid_flight(world, namespace):
    group = f"gone-{namespace}"
    world.group(group)
    world.provider(namespace)

    def delete(request):
        if request.params["AutoScalingGroupName"] == group:
            world.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=group, ForceDelete=True)

    world.proxy.add_rule("SetDesiredCapacity", before=delete, times=1)
    world.apply(namespace, estate.policy(group, "aws"))
    failed = world.await_phase(namespace, group, "Failed", 60)
    assert estate.condition(failed, "Ready")["reason"] == "TargetGone" and estate.kstatus(failed) == "Failed"
    assert len(world.sent(group)) == 1
    message, _ = world.await_reason(namespace, group, "NothingSelected")
    events = world.cluster.get("events.v1.events.k8s.io", "-n", namespace)["items"]
    assert [e for e in events if e["type"] == "Warning" and e["regarding"]["name"] == failed["metadata"]["name"]]
