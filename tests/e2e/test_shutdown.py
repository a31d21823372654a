"""Going and coming: a leader that is told to stop, an API server that dies and comes back, and one that is overloaded.

SPDX-License-Identifier: Apache-2.0
"""

import json
import re
import time

import api_proxy
import cluster as cluster_support
import estate
import procs
import pytest

LEASE = ("lease", "trimtab", "-n", "trimtab-system")
SIZE, FIT = 16, {4, 5}  # 5 vCPU on machines of two, each to be used to 65 %.


class Cloud:
    """moto with groups, its proxy, and a namespace with the Provider "aws"."""

    def __init__(self, moto, proxy):
        self.moto, self.proxy, self.end = moto, proxy, estate.last_step()
        self.key, self.secret = moto.make_user(estate.AWS_ACTIONS)
        self.autoscaling = moto.client("autoscaling", *moto.make_user(["*"], "admin"))

    def groups(self, *names):
        self.moto.set_auth(False)
        for number, name in enumerate(names):
            self.moto.make_group(name, SIZE, tags={"app": name})
            estate.seed(self.moto, self.end, name, estate.daily(self.end, 5.0, 0.2, 12, steps=600, seed=number), SIZE)
        self.moto.set_auth(True)

    def settle_in(self, cluster, namespace):
        estate.give_secret(cluster, namespace, "aws", self.key, self.secret)
        estate.apply(cluster, namespace, estate.provider("aws", self.proxy.url))

    def sent(self, group):
        return [int(r.params["DesiredCapacity"]) for r in self.proxy.mutations() if r.params["AutoScalingGroupName"] == group]

    def size(self, group):
        return estate.sizes(self.autoscaling)[group]


@pytest.fixture
def cloud(moto, aws_proxy):
    return Cloud(moto, aws_proxy)


def holder(cluster):
    return cluster.get(*LEASE)["spec"].get("holderIdentity", "")


def leads(process):
    return 'leader_election_master_status{name="trimtab"} 1' in procs.http_get(process.url + "/metrics")[1]


def is_in_trim(cluster, namespace, *names):
    found = {p["metadata"]["name"]: p for p in cluster.get("rp", "-n", namespace)["items"]}
    return all(estate.condition(found[n], "Ready")["reason"] == "InTrim" for n in names)


def test_sigterm_releases_the_lease_and_exits_0(cluster, runner):
    process = runner.run(*estate.run_args(cluster, identity="alone"))
    process.wait_for("it leads", lambda: holder(cluster) == "alone")
    process.wait_for("it is ready", lambda: procs.http_get(process.url + "/readyz")[0] == 200)
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < 3
    assert holder(cluster) == ""
    assert "lease" not in "".join(line for line in process.log().splitlines() if "WARN" in line or "ERROR" in line)


def test_a_standby_takes_over_at_once_and_what_was_under_way_is_done_once(cluster, namespace, cloud, runner):
    cloud.groups("web")
    cloud.settle_in(cluster, namespace)
    small_steps = {"cooldown": "1s", "maxChangePercent": 25, "minSavingPercent": 0}
    leader = runner.run(*estate.run_args(cluster, lease_s=20, list_period="1s", action_timeout="3s", identity="first"))
    leader.wait_for("the first leads", lambda: leads(leader))
    standby = runner.run(*estate.run_args(cluster, lease_s=20, list_period="1s", action_timeout="3s", identity="second"))
    slow = cloud.proxy.add_rule("SetDesiredCapacity", delay_reply=1.5, times=1)
    estate.apply(cluster, namespace, estate.policy("web", "aws", disruption=small_steps))
    leader.wait_for("its request is under way", lambda: slow.fired, 60)

    stopped_at = time.monotonic()
    leader.child.terminate()
    seen = set()
    while leader.is_alive() and time.monotonic() < stopped_at + 15:
        seen.add(procs.http_get(leader.url + "/readyz")[0])
        time.sleep(0.05)
    gone_at = time.monotonic()
    assert leader.child.wait(1) == 0
    assert gone_at - stopped_at < 5
    assert 500 in seen  # Not ready while it ended what was under way.
    standby.wait_for("the standby leads", lambda: leads(standby), 5)
    print(f"stopped in {gone_at - stopped_at:.1f} s, taken over {time.monotonic() - gone_at:.1f} s after that")
    assert time.monotonic() - gone_at < 3  # Far within the lease of 20 s: it was released.
    assert holder(cluster) == "second"
    standby.wait_for("the policy is in trim", lambda: is_in_trim(cluster, namespace, "web"), 60, 0.5)
    steps = cloud.sent("web")
    assert cloud.size("web") in FIT and len(set(steps)) == len(steps) and steps == sorted(steps, reverse=True)


@pytest.fixture
def own_cluster():
    """For this test alone: it is ill-treated."""
    started = cluster_support.Cluster()
    try:
        estate.prepare_cluster(started)
        yield started
    finally:
        started.stop()


def test_the_api_server_dies_and_comes_back(own_cluster, cloud, runner):
    cloud.groups("before", "after")
    own_cluster.kubectl("create", "namespace", "ns")
    cloud.settle_in(own_cluster, "ns")
    process = runner.run(*estate.run_args(own_cluster, lease_s=60, action_timeout="3s", list_period="1s"))
    estate.apply(own_cluster, "ns", estate.policy("before", "aws"))
    process.wait_for("the policy is in trim", lambda: is_in_trim(own_cluster, "ns", "before"), 60, 0.5)

    own_cluster.kill_apiserver()
    time.sleep(3)
    assert process.is_alive() and procs.http_get(process.url + "/livez")[0] == 200
    own_cluster.start_apiserver()

    def is_applied():
        return own_cluster.kubectl("apply", "-n", "ns", "-f", "-", stdin=json.dumps(estate.policy("after", "aws")), check=False).returncode == 0

    procs.wait_until("the API server takes requests", is_applied, 60, 0.5)
    back_at = time.monotonic()
    process.wait_for("the new policy is in trim", lambda: is_in_trim(own_cluster, "ns", "before", "after"), 60, 0.5)
    print(f"in trim {time.monotonic() - back_at:.1f} s after the API server came back")
    assert cloud.size("after") in FIT and len(cloud.sent("before")) == len(cloud.sent("after")) == 1


def test_an_overloaded_api_server_is_left_in_peace_and_then_all_is_made_up_for(cluster, namespace, cloud, runner, tmp_path):
    cloud.groups("before", "during")
    cloud.settle_in(cluster, namespace)
    proxy = api_proxy.ApiProxy(cluster.url, cluster.ca_path)
    config = tmp_path / "kubeconfig"
    config.write_text(estate.account_kubeconfig(cluster, proxy.url))
    try:
        arguments = estate.run_args(cluster, lease_s=60, action_timeout="3s", list_period="1s", kubeconfig=config)
        process = runner.run(*arguments)
        estate.apply(cluster, namespace, estate.policy("before", "aws"))
        process.wait_for("the policy is in trim", lambda: is_in_trim(cluster, namespace, "before"), 60, 0.5)

        proxy.throttling, since = True, time.monotonic()
        proxy.drop_connections()
        estate.apply(cluster, namespace, estate.policy("during", "aws"))
        time.sleep(6)
        assert cloud.sent("during") == []  # Nothing is done that cannot be recorded.
        refused = [path for at, _, path, status in proxy.requests if at >= since and status == 429]
        proxy.throttling = False
        print(f"{len(refused)} requests were refused in 6 s")
        # Retry-After says a second: five watches and the Lease may ask so often, and no more.
        paths = {re.sub(r"\?.*", "", path) for path in refused}
        assert paths and len(refused) <= 7 * len(paths) + 7, refused
        process.wait_for("the new policy is in trim", lambda: is_in_trim(cluster, namespace, "before", "during"), 60, 0.5)
        assert cloud.size("during") in FIT and len(cloud.sent("before")) == len(cloud.sent("during")) == 1
        assert process.stop() == 0
    finally:
        proxy.stop()
