"""One gentle hand on every API: four Providers of one account, whose policies and listings want more than its budget
allows, behind a proxy that counts and microburst that throttles; and a Provider elsewhere that must go on meanwhile.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import re
import subprocess
import time
from types import SimpleNamespace

import aws_proxy
import clouds
import estate
import ports
import procs
import pytest
import yaml

RATE = 1  # requestsPerSecond of the strictest of the four.
SHARERS = 4
POLICIES = 50
GROUPS_ACTION, INSTANCES_ACTION = "DescribeAutoScalingGroups", "DescribeInstances"
# One API, one budget: each of these draws on that of ec2.
EC2_ACTIONS = {INSTANCES_ACTION, "DescribeVolumes", "DescribeSnapshots", "DescribeAddresses", "DescribeInstanceTypes",
               "DescribeLaunchTemplateVersions", "DescribeSpotPriceHistory"}
ACCOUNT = "123456789012"  # moto's.
FAULT = b"<ErrorResponse><Error><Code>InternalFailure</Code><Message>we are on fire</Message></Error></ErrorResponse>"
SLOW_DOWN = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"


def provider(name, endpoint, rate):
    metadata = {"name": name, "namespace": "default"}
    secret = {"AWS_ACCESS_KEY_ID": f"AKIA{name.upper()}", "AWS_SECRET_ACCESS_KEY": "testing"}
    it = estate.provider(name, endpoint, limits={"requestsPerSecond": rate}) | {"metadata": metadata}
    return [{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": secret}, it]


def policy(number):
    it = estate.policy(f"web-{number:02}", f"shared-{number % SHARERS}", mode="Recommend")
    return it | {"metadata": {"name": f"web-{number:02}", "namespace": "default"}}


@pytest.fixture(scope="module")
def world(trimtab, moto_session, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gentle")
    moto_session.reset()
    for number in range(POLICIES):
        moto_session.make_group(f"web-{number:02}", desired=1, tags={"app": f"web-{number:02}"})
    microburst = clouds.Microburst(folder, moto_session.url)
    shared, other = aws_proxy.AwsProxy(microburst.url), aws_proxy.AwsProxy(moto_session.url)
    documents = provider("other", other.url, 20)
    for i in range(SHARERS):
        documents += provider(f"shared-{i}", shared.url, RATE if i == 1 else RATE * 10)
    documents += [policy(i) for i in range(POLICIES)]
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "all.yaml").write_text(yaml.safe_dump_all(documents))
    (folder / "run").mkdir(mode=0o700)
    env = {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder / "run")}
    socket, port = folder / "api.sock", ports.claim_port()
    argv = [trimtab, "run", "--manifests", manifests, "--socket", socket, "--listen", f"127.0.0.1:{port}"]
    argv += ["--list-period", "1s", "--status-interval", "1s", "--log-level", "debug"]
    argv += ["--catalogue", procs.REPO / "adapters" / "catalogue" / "instance_prices.csv.gz"]
    process = procs.Process(argv, folder / "trimtab.log", env=env)
    made = SimpleNamespace(
        process=process, shared=shared, other=other, microburst=microburst, socket=socket, env=env, trimtab=trimtab,
        metrics_url=f"http://127.0.0.1:{port}/metrics",
    )
    try:
        for i in range(SHARERS):
            await_condition(made, f"shared-{i}", "Ready", lambda c: c.get("status") == "True", 60)
        yield made
    finally:
        process.stop()
        microburst.stop()
        shared.stop()
        other.stop()


@pytest.fixture(autouse=True)
def calm(world):
    """Each test begins and ends with an API that answers."""
    yield
    world.shared.clear_rules()
    world.microburst.set_rules([])
    for i in range(SHARERS):
        await_condition(world, f"shared-{i}", "ApisAvailable", lambda c: c.get("reason") != "CircuitOpen", 90)


def get(world, kind):
    argv = [str(world.trimtab), "get", kind, "-A", "--local", str(world.socket), "-o", "json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **world.env}, timeout=30)
    return json.loads(done.stdout)["items"] if done.returncode == 0 else []


def status_of(world, name):
    return {it["metadata"]["name"]: it for it in get(world, "providers")}.get(name, {}).get("status", {})


def condition_of(status, kind):
    return {c["type"]: c for c in status.get("conditions", [])}.get(kind, {})


def await_condition(world, name, kind, wanted, seconds=30):
    seen = {}

    def look():
        seen["last"] = condition_of(status_of(world, name), kind)
        return seen["last"] if wanted(seen["last"]) else None

    try:
        return world.process.wait_for(f"{kind} of {name}", look, seconds, 0.2)
    except TimeoutError as error:
        raise AssertionError(f"{error}; it says {seen['last']}") from None


def times(proxy, actions, since):
    wanted = {actions} if isinstance(actions, str) else actions
    return [r.time for r in proxy.requests() if r.action in wanted and r.time >= since]


def test_four_providers_of_one_account_send_no_more_than_its_budget(world):
    since = time.monotonic()
    time.sleep(15)
    for action in (GROUPS_ACTION, EC2_ACTIONS):
        at = times(world.shared, action, since)
        # All four list each second: without the budget there would be thrice as many.
        assert len(at) >= RATE * 15 * 0.8, f"{action}: {len(at)} in 15 s: the budget is not used up"
        for i, begin in enumerate(at):
            window = [t for t in at[i:] if t < begin + 5]
            assert len(window) <= RATE * 5 + RATE + 1, f"{action}: {len(window)} in 5 s"
    assert len(times(world.other, GROUPS_ACTION, since)) >= 10


def test_the_status_tells_the_rate_of_each_api_and_policies_have_looked(world):
    status = status_of(world, "shared-0")
    assert status["account"] == ACCOUNT
    found = {a["name"]: a for a in status["apis"]}
    assert found["autoscaling"] == {"name": "autoscaling", "region": "us-east-1", "requestsPerSecond": RATE, "circuit": "Closed"}
    assert found["ec2"]["requestsPerSecond"] == RATE, "the strictest of the sharers"
    assert condition_of(status, "ApisAvailable")["status"] == "True"
    policies = get(world, "resourcepolicies")
    assert len(policies) == POLICIES
    assert all(condition_of(p.get("status", {}), "Observed").get("reason") != "Missing" for p in policies)


def test_throttling_slows_down_and_passes(world):
    rules = [{"service": "ec2", "operation": "DescribeInstances", "error": {"code": "RequestLimitExceeded", "status": 503}, "times": 2}]
    world.microburst.set_rules(rules)
    world.process.wait_for("two throttled replies", lambda: len(world.microburst.fired()) >= 2, 20)
    for i in range(SHARERS):
        await_condition(world, f"shared-{i}", "Ready", lambda c: c.get("status") == "True", 30)
    assert condition_of(status_of(world, "shared-0"), "ApisAvailable")["status"] == "True", "two stray ones are no news"
    metrics = procs.http_get(world.metrics_url)[1]
    assert f'trimtab_cloud_throttles_total{{cloud="aws",account="{ACCOUNT}",api="ec2"}} 2' in metrics


def test_latency_and_resets_are_borne(world):
    world.microburst.set_rules(
        [
            {"service": "ec2", "operation": "DescribeInstances", "latency": {"min_ms": 1500, "max_ms": 1500}, "times": 2},
            {"service": "ec2", "operation": "DescribeInstances", "reset": True, "times": 2},
        ]
    )
    world.process.wait_for("the faults", lambda: len(world.microburst.fired()) >= 4, 60)
    for i in range(SHARERS):
        await_condition(world, f"shared-{i}", "Ready", lambda c: c.get("status") == "True", 60)


def test_retry_after_is_honoured(world):
    fired = world.shared.add_rule(GROUPS_ACTION, times=1, answer=(503, [("Retry-After", "6")], SLOW_DOWN))
    world.process.wait_for("the throttled reply", lambda: fired.fired, 20, 0.01)
    begin = time.monotonic()
    time.sleep(9)
    # One that was on its way already may arrive just after.
    early = [t - begin for t in times(world.shared, GROUPS_ACTION, begin + 0.3) if t < begin + 5.5]
    assert not early, f"sent after {early} s"
    assert times(world.shared, GROUPS_ACTION, begin + 5.5), "and it goes on afterwards"
    assert times(world.shared, EC2_ACTIONS, begin), "another API is not held up"


def test_an_api_that_fails_opens_its_circuit_and_says_so_while_others_go_on(world):
    rule = world.shared.add_rule(EC2_ACTIONS, answer=(500, [], FAULT))
    begin = time.monotonic()
    told = await_condition(world, "shared-2", "ApisAvailable", lambda c: c.get("status") == "False", 40)
    opened = time.monotonic()
    assert told["reason"] == "CircuitOpen"
    for word in (ACCOUNT, "ec2", "us-east-1", "we are on fire", "probed"):
        assert word in told["message"], told
    status = status_of(world, "shared-2")
    assert [a["name"] for a in status["apis"] if a["circuit"] == "Open"] == ["ec2"]
    gauge = r'trimtab_cloud_circuit_state\{.*account="%s",api="ec2",region="us-east-1"\} [12]$' % ACCOUNT
    look = lambda: re.search(gauge, procs.http_get(world.metrics_url)[1], re.MULTILINE)  # noqa: E731
    world.process.wait_for("the metric says so too", look, 20, 0.2)  # A probe that is under way is half open: 1 or 2 soon.
    time.sleep(20)
    # Five until it opens and what was in flight; then a probe after some 5, 10 and 20 s.
    assert rule.fired <= 5 + SHARERS + 4, f"{rule.fired} requests in {time.monotonic() - begin:.0f} s"
    since = times(world.shared, EC2_ACTIONS, opened)
    assert 1 <= len(since) <= 5, f"{len(since)} probes"
    assert len(times(world.other, INSTANCES_ACTION, opened)) >= 12, "another Provider goes on"
    assert condition_of(status_of(world, "other"), "Ready")["status"] == "True"
    assert times(world.shared, GROUPS_ACTION, opened), "and the account's other APIs"

    def versions():
        return {it["metadata"]["name"]: it["metadata"].get("resourceVersion") for it in get(world, "providers")}

    def is_quiet():
        before = versions()
        time.sleep(6)
        return versions() == before

    # Kinds that are listed more seldom find out later; then there is no more to be said.
    world.process.wait_for("the status is quiet while it lasts", is_quiet, 90)

    world.shared.remove_rule(rule)
    healed = time.monotonic()
    for i in range(SHARERS):
        await_condition(world, f"shared-{i}", "ApisAvailable", lambda c: c.get("status") == "True", 60)
        await_condition(world, f"shared-{i}", "Ready", lambda c: c.get("status") == "True", 60)
    world.process.wait_for("it is used again", lambda: len(times(world.shared, EC2_ACTIONS, healed)) >= 2, 30)
