"""kill -9 of the leader, again and again, at random moments and at chosen ones, while ten policies get new plans without
pause and a second replica stands by. No plan changes a size twice, none is forgotten, no two leaders act at once, and the
standby takes over within the lease time.

CRASH_KILLS=N kills (20), CRASH_SEED=N repeats the choices of a run.

SPDX-License-Identifier: Apache-2.0
"""

import dataclasses
import datetime
import itertools
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter

import aws_proxy
import estate
import kube_api
import procs
import pytest

KILLS = int(os.environ.get("CRASH_KILLS", "20"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
PAUSE_EVERY = 10  # So many kills, one leader that only hangs for longer than its lease.
GROUPS = [f"web-{i}" for i in range(10)]
DEMAND_VCPU = 5.0
LEASE_S, RETRY_S, ACTION_S = 2.0, 0.3, 1.0
SLACK_S = 1.0  # Of a busy machine.
LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/trimtab-system/leases"
FINAL = {"Succeeded", "Reverted", "Failed", "Rejected", "Superseded", "Expired"}
# Of the request that changes a size: "sent" has reached the cloud when its sender is dead, "late" reaches it only then,
# "lost" never does, "unheard" has taken effect. The others: of the object's life, as a watch shows it.
POINTS = ("sent", "late", "lost", "unheard", "Created", "Approved", "Running", "Verifying", "Succeeded")


@dataclasses.dataclass
class Effect:
    """A request that would change a size, and the Recommendations that the API server had as Running for just this then."""

    request: aws_proxy.Request
    uids: list

    @property
    def group(self):
        return self.request.params["AutoScalingGroupName"]

    @property
    def to(self):
        return int(self.request.params["DesiredCapacity"])


@dataclasses.dataclass
class Gone:
    name: str
    point: str
    at: float
    taken_over_s: float = 0.0


class World:
    """The cloud, the policies, and what was seen of either."""

    def __init__(self, cluster, moto, namespace):
        self.cluster, self.moto, self.namespace = cluster, moto, namespace
        self.api = kube_api.KubeApi(cluster)
        self.path = f"{kube_api.API}/namespaces/{namespace}"
        self.effects, self.sizes_at_start = [], {}
        self.on_recommendation = None
        end = estate.last_step()
        for number, group in enumerate(GROUPS):
            self.sizes_at_start[group] = 1 + number % 4
            moto.make_group(group, self.sizes_at_start[group], tags={"app": group})
            demand = estate.daily(end, DEMAND_VCPU, 0.0, 12, noise=0.001, seed=number, steps=300)
            estate.seed(moto, end, group, demand, 4, record_serving=True)
        self.proxy = aws_proxy.AwsProxy(moto.url, on_request=self._on_request)
        estate.give_secret(cluster, namespace, "aws", "testing", "testing")
        estate.apply(cluster, namespace, estate.provider("aws", self.proxy.url), *[estate.policy(g, "aws", 1, 12) for g in GROUPS])
        self.recommendations = kube_api.KubeWatch(self.api, f"{self.path}/recommendations", self._on_event)
        self.leases = kube_api.KubeWatch(self.api, LEASE_PATH)

    def stop(self):
        self.recommendations.stop()
        self.leases.stop()
        self.proxy.stop()

    def _on_request(self, request):
        if request.action != "SetDesiredCapacity":
            return
        effect = Effect(request, [])
        for item in self.api.get(f"{self.path}/recommendations")["items"]:
            spec = item["spec"]
            is_it = spec["target"]["id"] == effect.group and spec["to"]["count"] == effect.to
            if is_it and item.get("status", {}).get("phase") == "Running":
                effect.uids.append(item["metadata"]["uid"])
        self.effects.append(effect)

    def _on_event(self, event):
        if self.on_recommendation:
            self.on_recommendation(event)

    def holders(self):
        """[(when the watch showed it, when it says itself, holder)], a row for each change; both as time.monotonic()."""
        rows, monotonic_at_0 = [], time.monotonic() - time.time()
        for event in self.leases.events():
            spec = event.object["spec"] if event.type != "DELETED" else {}
            holder = spec.get("holderIdentity", "")
            if event.object["metadata"]["name"] == "trimtab" and (not rows or rows[-1][2] != holder):
                acquired = datetime.datetime.fromisoformat(spec["acquireTime"]).timestamp() if holder else event.time - monotonic_at_0
                rows.append((event.time, acquired + monotonic_at_0, holder))
        return rows

    def holder(self):
        rows = self.holders()
        return rows[-1][2] if rows else ""

    def policies(self):
        return self.api.get(f"{self.path}/resourcepolicies")["items"]

    def change(self, group, **spec):
        self.api.patch(f"{self.path}/resourcepolicies/{group}", {"spec": spec})

    def sizes(self):
        return estate.sizes(self.moto.client("autoscaling"))

    def lives(self):
        """{uid: (spec, [phases as they came])} of every Recommendation that ever was."""
        lives = {}
        for event in self.recommendations.events():
            _, phases = lives.setdefault(event.object["metadata"]["uid"], (event.object["spec"], []))
            phase = event.object.get("status", {}).get("phase", "")
            if not phases or phases[-1] != phase:
                phases.append(phase)
        return lives

    def is_settled(self):
        for policy in self.policies():
            ready = estate.condition(policy, "Ready")
            if (ready["status"], ready["reason"], estate.kstatus(policy)) != ("True", "InTrim", "Current"):
                return False
        items = self.api.get(f"{self.path}/recommendations")["items"]
        return all(item.get("status", {}).get("phase") in FINAL for item in items)


class Unrest(threading.Thread):
    """Changes what the policies want, several times a second, and now and then loses an answer of the cloud."""

    def __init__(self, world, chance):
        super().__init__(daemon=True)
        self.world, self.chance, self.ended, self.changes, self.error = world, chance, threading.Event(), 0, None

    def run(self):
        try:
            while not self.ended.wait(self.chance.uniform(0.1, 0.5)):
                self._change()
        except Exception as error:  # noqa: BLE001 — the test raises it.
            self.error = error

    def _change(self):
        group, least = self.chance.choice(GROUPS), self.chance.randint(1, 9)
        if self.chance.random() < 0.7:
            self.world.change(group, capacity={"min": least, "max": least + self.chance.randint(0, 3)})
        else:
            target = self.chance.randint(35, 90)
            self.world.change(group, capacity={"min": 1, "max": 12}, sla={"targetUtilization": target})
        self.changes += 1
        trouble = self.chance.random()
        if trouble < 0.03:
            self.world.proxy.add_rule("SetDesiredCapacity", times=1, drop_reply=True)
        elif trouble < 0.06:
            self.world.proxy.add_rule("SetDesiredCapacity", times=1, delay_reply=ACTION_S * 1.5)

    def end(self):
        self.ended.set()
        self.join(30)
        if self.error:
            raise self.error


class Replicas:
    def __init__(self, world, trimtab, folder):
        self.world, self.trimtab, self.folder = world, trimtab, folder
        self.alive, self.lost = {}, []
        self._numbers = itertools.count(1)

    def start(self):
        name = f"replica-{next(self._numbers)}"
        arguments = estate.run_args(
            self.world.cluster,
            identity=name,
            lease_duration=f"{LEASE_S:.0f}s",
            renew_deadline="1500ms",
            retry_period=f"{RETRY_S * 1000:.0f}ms",
            action_timeout=f"{ACTION_S:.0f}s",
            list_period="2s",
            listen="127.0.0.1:0",
        )
        process = procs.Process([self.trimtab, "run", *arguments], self.folder / f"{name}.log")
        self.world.proxy.name_sender(process.pid, name)
        self.alive[name] = process

    def replace_lost(self):
        """One that could not renew its lease in time ends by itself, as it should; any other end is a fault."""
        for name, process in list(self.alive.items()):
            if process.is_alive():
                continue
            code = process.stop()
            assert code == 2 and "the lease is lost" in process.log(), f"{name} ended with {code}:\n{process.log()[-5000:]}"
            del self.alive[name]
            self.lost.append(name)
            self.start()

    def leader(self, seconds=30):
        """The name of the replica that holds the lease and lives."""

        def found():
            self.replace_lost()
            holder = self.world.holder()
            return holder if holder in self.alive else None

        return procs.wait_until("a replica leads", found, seconds, 0.02)

    def stop(self):
        return {name: process.stop() for name, process in self.alive.items()}


class Strike:
    """What ends one leader, at most once, from whichever thread the moment comes to."""

    def __init__(self, process, number):
        self.process, self.number = process, number
        self.at, self.done, self._lock = 0.0, threading.Event(), threading.Lock()

    def __call__(self, *_):
        with self._lock:
            if not self.done.is_set():
                self.at = time.monotonic()
                os.kill(self.process.pid, self.number)
                self.done.set()


def arm(world, point, strike):
    if point == "sent":
        world.proxy.add_rule("SetDesiredCapacity", times=1, before=strike)
    elif point == "late":
        world.proxy.add_rule("SetDesiredCapacity", times=1, before=strike, delay=ACTION_S * 0.7)
    elif point == "lost":
        world.proxy.add_rule("SetDesiredCapacity", times=1, before=strike, refuse=True)
    elif point == "unheard":
        world.proxy.add_rule("SetDesiredCapacity", times=1, after=strike)
    elif point in POINTS:

        def on_event(event):
            phase = event.object.get("status", {}).get("phase", "Created")
            if event.type != "DELETED" and phase == point:
                strike()

        world.on_recommendation = on_event


def end_leader(world, replicas, point, chance):
    """Kills the leader at that point, puts a fresh replica in its place, and waits until another leads."""
    name = replicas.leader()
    process = replicas.alive[name]
    strike = Strike(process, signal.SIGSTOP if point == "hang" else signal.SIGKILL)
    arm(world, point, strike)
    if not strike.done.wait(chance.uniform(0.0, 4.0) if point in ("random", "hang") else 6.0):
        point = point if point in ("random", "hang") else "random"  # The moment did not come.
        strike()
    world.on_recommendation = None
    world.proxy.clear_rules()
    gone = Gone(name, point, strike.at)
    del replicas.alive[name]
    replicas.start()

    def taken_over():
        return next((seen for seen, _, holder in world.holders() if seen > strike.at and holder not in ("", name)), None)

    gone.taken_over_s = procs.wait_until("another replica leads", taken_over, 15, 0.02) - strike.at
    if point == "hang":
        time.sleep(chance.uniform(0.0, 1.5))
        os.kill(process.pid, signal.SIGCONT)
        assert process.child.wait(5) == 2, process.log()[-5000:]
    process.kill()
    process.stop()
    return gone


# ---- what must be so ----


def find_changes(world):
    """[(effect, whether it changed the size)], as the cloud has had them."""
    sizes, rows = dict(world.sizes_at_start), []
    for effect in world.effects:
        has_arrived = effect.request.forwarded and effect.request.status == 200
        rows.append((effect, has_arrived and sizes[effect.group] != effect.to))
        if has_arrived:
            sizes[effect.group] = effect.to
    assert sizes == world.sizes()  # Nobody else changed any, and the above is what happened.
    return rows


def check_one_open(world):
    """At no time had a target two Recommendations that were not final: two plans for it would be carried out at once."""
    open_of = {group: {} for group in GROUPS}
    for event in world.recommendations.events():  # In the order in which the API server has them.
        item = event.object
        group, uid = item["spec"]["target"]["id"], item["metadata"]["uid"]
        if event.type == "DELETED" or item.get("status", {}).get("phase") in FINAL:
            open_of[group].pop(uid, None)
        else:
            open_of[group][uid] = item["metadata"]["name"]
        assert len(open_of[group]) <= 1, (open_of[group], item)


def check_journal(world):
    """Each change has its intent, each intent at most one change, and none is forgotten."""
    rows, lives = find_changes(world), world.lives()
    for effect, _ in rows:
        assert len(effect.uids) == 1, f"not recorded as Running before it was sent: {effect}"
    changes = Counter(effect.uids[0] for effect, has_changed in rows if has_changed)
    arrived = Counter(effect.uids[0] for effect, _ in rows if effect.request.forwarded)
    twice = {uid: lives[uid] for uid, count in changes.items() if count > 1}
    repeated = {uid: lives[uid] for uid, count in arrived.items() if count > 1}
    assert not twice and not repeated
    phases = {uid: life[1][-1] for uid, life in lives.items()}
    left = {uid: lives[uid] for uid, phase in phases.items() if phase not in FINAL}
    assert not left
    failed = {uid: lives[uid] for uid, phase in phases.items() if phase == "Failed"}
    assert not failed  # The cloud refuses nothing, and nobody interferes.
    for uid, (spec, seen) in lives.items():
        assert not FINAL & set(seen[:-1]), (spec, seen)
        assert (changes[uid] == 1) == (seen[-1] == "Succeeded"), (spec, seen, changes[uid])
    return {"effects": len(rows), "changes": sum(changes.values()), "duplicates": len(twice) + len(repeated), "left behind": len(left)}


def check_one_actor(world, ended):
    """Who sent held the lease, since longer than the longest request, and was alive."""
    holders, at_of = world.holders(), {gone.name: gone.at for gone in ended}
    unknown = 0
    for effect in world.effects:
        request = effect.request
        _, since, holder = next(row for row in reversed(holders) if row[1] <= request.time)
        if request.sender == "?":  # It ended before it could be told who it was.
            assert any(0 <= request.time - at < 0.5 for at in at_of.values()), request
            unknown += 1
            continue
        assert request.sender == holder, (request, holder)
        assert request.time - since > ACTION_S - 0.05, (request, since)
        assert request.time < at_of.get(request.sender, float("inf")) + 0.5, (request, at_of[request.sender])
    return unknown


def check_sizes(world):
    sizes = world.sizes()
    for policy in world.policies():
        name, status = policy["metadata"]["name"], policy["status"]
        assert sizes[name] == status["desired"] == status["actual"], (name, sizes[name], status)
        assert policy["spec"]["capacity"]["min"] <= sizes[name] <= policy["spec"]["capacity"]["max"]


@pytest.mark.slow
@pytest.mark.timeout(300 + 15 * KILLS)
def test_crash_of_the_leader_repeats_nothing_and_forgets_nothing(cluster, namespace, moto, trimtab, tmp_path, capsys):
    print(f"CRASH_SEED={SEED}")
    chance, ended = random.Random(SEED), []
    points = [point for _ in range(KILLS) for point in chance.sample(POINTS, len(POINTS))]
    plan = ["random" if i % 2 == 0 else points[i] for i in range(KILLS)]
    for i in range(PAUSE_EVERY // 2, KILLS, PAUSE_EVERY):
        plan.insert(i + i // PAUSE_EVERY, "hang")
    begun = time.monotonic()
    world = World(cluster, moto, namespace)
    replicas = Replicas(world, trimtab, tmp_path)
    unrest = Unrest(world, random.Random(SEED + 1))
    try:
        replicas.start()
        replicas.start()
        replicas.leader()
        unrest.start()
        for i, point in enumerate(plan):
            ended.append(end_leader(world, replicas, point, chance))
            if KILLS > 20:
                with capsys.disabled():
                    print(f"{i + 1:4} {time.monotonic() - begun:7.1f} s {ended[-1]} effects={len(world.effects)}", flush=True)
        unrest.end()
        world.proxy.clear_rules()
        procs.wait_until("all is in trim", lambda: replicas.leader() and world.is_settled(), 60, 0.5)
        check_sizes(world)
        for number, group in enumerate(GROUPS):  # And none is stuck: each follows one more change.
            size = 1 + (world.sizes()[group] + number % 3) % 9
            world.change(group, capacity={"min": size, "max": size})
        procs.wait_until("all is in trim again", lambda: replicas.leader() and world.is_settled(), 60, 0.5)
        check_sizes(world)
        check_one_open(world)
        result = check_journal(world)
        result["senders unknown"] = check_one_actor(world, ended)
    except BaseException:
        report(ended, {}, replicas, unrest, begun)
        for log in sorted(tmp_path.glob("*.log"), key=lambda p: p.stat().st_mtime)[-3:]:
            print(f"---- {log.name}\n{log.read_text()[-6000:]}")
        raise
    finally:
        unrest.ended.set()
        codes = replicas.stop()
        world.stop()
    with capsys.disabled():
        report(ended, result, replicas, unrest, begun)
    assert set(codes.values()) == {0}, codes
    assert result["changes"] >= KILLS / 2  # Else there was nothing to repeat.
    assert max(gone.taken_over_s for gone in ended) <= LEASE_S + 2 * RETRY_S + SLACK_S


def report(ended, result, replicas, unrest, begun):
    times = [gone.taken_over_s for gone in ended] or [0]
    points = Counter(gone.point for gone in ended)
    print(f"\ncrash: seed {SEED}, {len(ended) - points['hang']} kills, {points['hang']} hangs in {time.monotonic() - begun:.0f} s", end="")
    print(f"; {unrest.changes} changes of policies", *(f"{value} {key}" for key, value in result.items()), sep=", ", end="")
    print(f"; takeover median {statistics.median(times):.2f} s, max {max(times):.2f} s; lost leases {len(replicas.lost)}; {dict(points)}")
