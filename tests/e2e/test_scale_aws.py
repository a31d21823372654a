"""The main job on real parts: 20 Auto Scaling groups in an emulated AWS that checks signatures and permissions, a week of
CloudWatch data for each, 20 policies applied with kubectl to a real API server, and the controller with just the rights
that deploy/base gives it. Every group ends at the size that the plan says; then a minute passes in which nothing is
written, neither to the cloud nor to the API server.

SPDX-License-Identifier: Apache-2.0
"""

import math
import time

import aws_proxy
import clouds
import estate
import ports
import procs
import pytest

NAMESPACE = "scale"
GROUPS = 20
VCPU = 2  # m5.large
TARGET = 0.65


class Group:
    """One group and its policy: level and swing of its demand in vCPU, the size it has, the bounds of its policy."""

    def __init__(self, number, end):
        self.name = f"web-{number:02}"
        self.is_recorded = number % 2 == 1  # CloudWatch knows how many machines served.
        self.level = 3 + number * 0.4
        self.swing = self.level * (0.2 + 0.05 * (number % 8))
        self.minimum, self.maximum = 1, 60
        self.step_percent = 100
        self.demand = estate.daily(end, self.level, self.swing, peak_hour=number * 24 / GROUPS, seed=number, sharpness=1 + number % 3)
        # Every third is too large, the others hold their peak at 95 % and so are too small for the target then.
        fitting = math.ceil(max(self.demand) / VCPU / 0.95)
        self.size = fitting * 2 if number % 3 == 0 else fitting
        if number in (3, 9, 15):
            self.size, self.step_percent = fitting * 4, 25
        if number == 7:
            self.minimum = self.size + 4
        if number == 8:
            self.maximum = 3
        half = [self.size + 2] * (estate.WEEK // 2)
        self.sizes = half + [self.size] * (estate.WEEK - len(half)) if self.is_recorded else self.size

    def policy(self):
        disruption = {"cooldown": "1s", "maxChangePercent": self.step_percent, "minSavingPercent": 0}
        return estate.policy(self.name, "aws", self.minimum, self.maximum, disruption=disruption)

    def plausible(self, end):
        """(least, most) machines for what the last days showed at this time of day and in the 75 minutes after it, in
        which a shrink must not be taken back."""
        day = 24 * 3600 // estate.STEP_S
        now = len(self.demand) + (estate.last_step() - end) // estate.STEP_S
        near = [d for back in range(1, 7) for d in self.demand[now - back * day - 6 : now - back * day + 21]]

        def machines(vcpu):
            return math.ceil(vcpu / (VCPU * TARGET))

        least = max(self.minimum, machines(min(near) * 0.95) - 1)
        most = max(self.minimum, machines(max(near) * 1.1) + 1)
        return min(least, self.maximum), min(most, self.maximum)


class World:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        begun = time.monotonic()
        self.moto = clouds.Moto(folder)
        self.proxy = aws_proxy.AwsProxy(self.moto.url)
        self.end = estate.last_step()
        self.groups = {g.name: g for g in (Group(i, self.end) for i in range(GROUPS))}
        self.moto.reset()
        key, secret = self.moto.make_user(estate.AWS_ACTIONS)
        self.admin = self.moto.make_user(["*"], "admin")
        for group in self.groups.values():
            self.moto.make_group(group.name, group.size, tags={"app": group.name})
            estate.seed(self.moto, self.end, group.name, group.demand, group.sizes, record_serving=group.is_recorded)
        self.moto.set_auth(True)
        cluster.kubectl("create", "namespace", NAMESPACE)
        estate.give_secret(cluster, NAMESPACE, "aws", key, secret)
        print(f"seeded in {time.monotonic() - begun:.1f} s")

    def policies(self):
        return {p["metadata"]["name"]: p for p in self.cluster.get("rp", "-n", NAMESPACE)["items"]}

    def recommendations(self):
        return self.cluster.get("rec", "-n", NAMESPACE)["items"]

    def sizes(self):
        return estate.sizes(self.moto.client("autoscaling", *self.admin))

    def is_in_trim(self):
        found = self.policies().values()
        return len(found) == GROUPS and all(estate.condition(p, "Ready")["reason"] == "InTrim" for p in found)

    def is_counted(self):
        """Disks are listed more seldom than machines: their number in the status is the cloud's."""
        volumes = self.moto.client("ec2", *self.admin).describe_volumes()["Volumes"]
        return self.cluster.get("prov", "aws", "-n", NAMESPACE)["status"]["inventory"]["volumes"] == len(volumes)

    def stop(self):
        self.proxy.stop()
        self.moto.stop()


@pytest.fixture(scope="module")
def world(cluster, trimtab, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    made = World(cluster, folder)
    port = ports.claim_port()
    made.url = f"http://127.0.0.1:{port}"
    made.argv = [trimtab, "run", *estate.run_args(cluster), "--listen", f"127.0.0.1:{port}"]
    made.process = procs.Process(made.argv, folder / "trimtab.log")
    try:
        started = time.monotonic()
        provider = estate.provider("aws", made.proxy.url)
        estate.apply(cluster, NAMESPACE, provider, *[g.policy() for g in made.groups.values()])
        made.process.wait_for("every policy is in trim", made.is_in_trim, 120, 1)
        print(f"in trim after {time.monotonic() - started:.1f} s")
        yield made
    finally:
        made.process.stop()
        print(made.process.log()[-20000:])
        cluster.kubectl("delete", "rp,prov,rec", "--all", "-n", NAMESPACE)
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
        made.stop()


def test_every_group_has_the_size_that_its_policy_says(world):
    sizes = world.sizes()
    assert sorted(sizes) == sorted(world.groups)
    for name, policy in world.policies().items():
        assert policy["status"]["desired"] == policy["status"]["actual"] == sizes[name], name


def test_the_sizes_are_what_the_demand_of_the_last_days_needs(world):
    wrong = {}
    for name, size in world.sizes().items():
        least, most = world.groups[name].plausible(world.end)
        if not least <= size <= most:
            wrong[name] = f"{size} is not in {least}..{most}"
    assert not wrong
    changed = [n for n, size in world.sizes().items() if size != world.groups[n].size]
    assert len(changed) > GROUPS // 2  # Else the seeds prove nothing.


def test_bounds_of_the_policy_hold(world):
    assert world.sizes()["web-07"] >= world.groups["web-07"].minimum
    assert world.sizes()["web-08"] == 3


def test_every_policy_is_ready_and_kubectl_wait_and_kstatus_agree(world):
    for name, policy in world.policies().items():
        assert estate.condition(policy, "Ready")["status"] == "True", name
        assert policy["status"]["observedGeneration"] == policy["metadata"]["generation"], name
        for condition in policy["status"]["conditions"]:
            assert condition["observedGeneration"] == policy["metadata"]["generation"], (name, condition)
        assert estate.kstatus(policy) == "Current", name
    for kind in ("rp", "prov"):
        world.cluster.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", kind, "--all", "--timeout=5s")
    for item in [*world.recommendations(), *world.cluster.get("prov", "-n", NAMESPACE)["items"]]:
        assert estate.kstatus(item) == "Current", item


def test_each_change_is_one_recommendation_that_succeeded_and_one_request(world):
    found = world.recommendations()
    assert {r["status"]["phase"] for r in found} <= {"Succeeded", "Superseded"}
    done = [r["spec"] for r in found if r["status"]["phase"] == "Succeeded"]
    sent = [(r.params["AutoScalingGroupName"], int(r.params["DesiredCapacity"])) for r in world.proxy.mutations()]
    assert sorted(sent) == sorted((r["target"]["id"], r["to"]["count"]) for r in done)
    assert len(set(sent)) == len(sent)
    assert all(r.status == 200 for r in world.proxy.mutations())


def test_max_change_percent_makes_small_steps(world):
    for number in (3, 9, 15):
        name = f"web-{number:02}"
        steps = [int(r.params["DesiredCapacity"]) for r in world.proxy.mutations() if r.params["AutoScalingGroupName"] == name]
        assert len(steps) >= 3, (name, steps)
        for before, after in zip([world.groups[name].size, *steps], steps):
            assert before - math.ceil(before / 4) <= after < before, (name, steps)


def test_events_tell_what_happened(world):
    for name in world.groups:
        recommendations = [r for r in world.recommendations() if r["spec"]["policyRef"]["name"] == name]
        for one in recommendations:
            events = [e for e in events_of(world) if e["regarding"]["name"] == one["metadata"]["name"]]
            assert {"Approved", one["status"]["phase"]} - {"Superseded"} <= {e["reason"] for e in events}, one
            assert all(e["regarding"]["uid"] == one["metadata"]["uid"] for e in events)


def events_of(world, cache=[]):  # noqa: B006 — read once for the module.
    if not cache:
        cache.extend(world.cluster.get("events.v1.events.k8s.io", "-n", NAMESPACE)["items"])
    return cache


@pytest.mark.slow
def test_a_minute_later_nothing_has_been_written(world):
    # A step of the data that ends within the minute may rightly bring a new plan: take a minute inside one.
    world.process.wait_for("every disk is counted", world.is_counted, 60, 0.5)
    while not 45 <= time.time() % estate.STEP_S <= 215:
        time.sleep(1)
    world.process.wait_for("every policy is in trim", world.is_in_trim, 60, 0.5)
    world.process.wait_for("every disk is counted", world.is_counted, 60, 0.5)
    settled = {name: p["metadata"]["resourceVersion"] for name, p in world.policies().items()}
    cloud, server = len(world.proxy.mutations()), len(world.cluster.writes(estate.ACCOUNT))
    asked = len(world.proxy.requests())
    time.sleep(60)
    print(f"in a minute: {len(world.proxy.requests()) - asked} reads of the cloud, {len(world.cluster.writes(estate.ACCOUNT)) - server} writes")
    assert world.proxy.mutations()[cloud:] == []
    since = world.cluster.writes(estate.ACCOUNT)[server:]
    assert [w for w in since if w["resource"] != "leases"] == []
    assert 60 / 0.5 * 0.5 < len(since) < 60 / 0.5 * 1.2  # The Lease is renewed: the audit log is alive.
    assert len(world.proxy.requests()) - asked >= 10  # It went on looking.
    assert {name: p["metadata"]["resourceVersion"] for name, p in world.policies().items()} == settled


def test_a_restart_comes_to_the_same_plans_and_writes_nothing(world):
    cloud, server = len(world.proxy.mutations()), len(world.cluster.writes(estate.ACCOUNT))
    world.process.kill()
    world.process = procs.Process(world.argv, world.process.log_path)

    def has_planned():
        metrics = procs.http_get(world.url + "/metrics")[1]
        return sum(line.startswith("trimtab_policy_desired{") for line in metrics.splitlines()) == GROUPS

    world.process.wait_for("each policy has been planned", has_planned, 60, 0.2)
    time.sleep(3)
    written = [(w["verb"], w["resource"], w["name"], w["subresource"]) for w in world.cluster.writes(estate.ACCOUNT)[server:]]
    assert [w for w in written if w[1] != "leases"] == []
    assert world.proxy.mutations()[cloud:] == []


def test_recommendations_go_with_their_policy(world):
    name = next(r["spec"]["policyRef"]["name"] for r in world.recommendations())
    policy = world.policies()[name]
    owned = [r for r in world.recommendations() if r["spec"]["policyRef"]["name"] == name]
    for one in owned:
        (owner,) = one["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("ResourcePolicy", name, policy["metadata"]["uid"])
    world.cluster.kubectl("-n", NAMESPACE, "delete", "rp", name)

    def left():
        return [r for r in world.recommendations() if r["spec"]["policyRef"]["name"] == name]

    world.process.wait_for("the garbage collector has taken them", lambda: not left(), 30, 0.5)
