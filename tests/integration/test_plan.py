"""The same policies give the same plans from a directory as from the cluster: `trimtab run --record` on a real API server
against moto, then `trimtab plan` and `trimtab run --manifests` on the same YAML.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json
import math
import re
import shutil
import time
from types import SimpleNamespace

import pytest
from conftest import Runner

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
STEP = 300
DAYS = 3
# A listing is stale after five periods, and moto, busy with CloudWatch, answers late.
FAST = ["--list-period", "20s", "--status-interval", "1s", "--resync-period", "10s"]


def manifests(namespace, url):
    """A Provider and two policies in Observe; the Secret stands apart."""
    provider = {
        "apiVersion": "trimtab.dev/v1alpha1",
        "kind": "Provider",
        "metadata": {"name": "aws", "namespace": namespace},
        "spec": {
            "type": "aws",
            "regions": ["us-east-1"],
            "endpoint": url,
            "credentials": {"secretRef": {"name": "aws"}},
        },
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "aws", "namespace": namespace},
        "stringData": CREDENTIALS,
    }

    def policy(name):
        return {
            "apiVersion": "trimtab.dev/v1alpha1",
            "kind": "ResourcePolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "selector": {"providers": ["aws"], "kinds": ["InstanceGroup"], "tags": {"app": name}},
                "mode": "Observe",
                "actions": ["Scale"],
                "sla": {"maxViolationPerMille": 10},
                "capacity": {"min": 1, "max": 60},
            },
        }

    return [provider, secret, policy("web"), policy("api")]


def seed_group(moto, name, desired, percent, hours=DAYS * 24):
    """A group with so many hours of utilisation and sizes, up to now and a little beyond: no slot goes missing later."""
    moto.make_group(name, desired, tags={"app": name})
    now = int(time.time()) // STEP * STEP
    times = list(range(now - hours * 3600, now + 3600, STEP))
    cloudwatch = moto.client("cloudwatch")
    for at in range(0, len(times), 500):
        for space, metric, value in (
            ("AWS/EC2", "CPUUtilization", percent),
            ("AWS/AutoScaling", "GroupInServiceInstances", lambda _: desired),
        ):
            cloudwatch.put_metric_data(
                Namespace=space,
                MetricData=[
                    {
                        "MetricName": metric,
                        "Dimensions": [{"Name": "AutoScalingGroupName", "Value": name}],
                        "Value": value(t),
                        "Timestamp": datetime.datetime.fromtimestamp(t, datetime.timezone.utc),
                    }
                    for t in times[at : at + 500]
                ],
            )


def recorded_plan(text):
    """The bytes of a record's plan."""
    return text[text.rindex('"plan":{') + len('"plan":') : -2] + "\n"


def read_all(folder, namespace):
    paths = {name: folder / f"{namespace}.{name}.json" for name in ("web", "api")}
    return {name: path.read_text() for name, path in paths.items()} if all(p.exists() for p in paths.values()) else None


@pytest.fixture(scope="module")
def world(moto_session, cluster, trimtab, tmp_path_factory, repo):
    """The controller has planned both policies in the cluster: folder of YAML, folder of records, the API's view."""
    moto_session.reset()
    seed_group(moto_session, "web", 20, lambda t: 20 + 10 * math.sin(t / 86400 * 2 * math.pi))  # Too large: shrinks.
    seed_group(moto_session, "api", 4, lambda t: 90 + t // STEP % 7)  # Too small: grows.
    top, namespace = tmp_path_factory.mktemp("plan"), "plans"
    folder, records = top / "manifests", top / "records"
    folder.mkdir()
    documents = manifests(namespace, moto_session.url)
    (folder / "all.yaml").write_text("---\n".join(json.dumps(it, indent=1) + "\n" for it in documents))
    cluster.kubectl("create", "namespace", namespace)
    cluster.apply(folder / "all.yaml")
    env = {"TRIMTAB_CATALOGUE": str(repo / "adapters/catalogue/instance_prices.csv.gz")}

    def statuses():
        items = cluster.get("resourcepolicies", "-n", namespace)["items"]
        found = {it["metadata"]["name"]: it.get("status", {}) for it in items}
        return found if all("lastPlan" in it for it in found.values()) else None

    def has_account():
        items = cluster.get("providers", "-n", namespace)["items"]
        return all(it.get("status", {}).get("account") for it in items)

    controller = Runner(trimtab, top).run(
        "--kubeconfig", cluster.kubeconfig, "--namespace", namespace, "--record", records, *FAST, env=env
    )
    try:
        controller.wait_for("both policies are recorded", lambda: read_all(records, namespace), 90)
        found = controller.wait_for("both statuses tell of the plan", statuses)
        controller.wait_for("the Provider's status tells of its account", has_account)
        assert controller.stop() == 0, controller.log()
        yield SimpleNamespace(folder=folder, records=records, env=env, statuses=found, namespace=namespace)
    finally:
        controller.stop()
        cluster.kubectl("delete", "resourcepolicies,providers", "--all", "-n", namespace)
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_directory_gives_the_plans_of_the_cluster_byte_for_byte(world, runner, tmp_path):
    for name, text in read_all(world.records, world.namespace).items():
        path = world.records / f"{world.namespace}.{name}.json"
        assert path.stat().st_mode & 0o777 == 0o600
        done = runner.call("plan", "-f", world.folder, "--snapshot", path, "-o", "json")
        assert done.returncode == 0, done.stderr
        assert done.stdout == recorded_plan(text)
        assert json.loads(text)["plan"]["hash"] == world.statuses[name]["lastPlan"]["hash"]
        replayed = runner.call("plan", "-f", world.folder, "--replay", path)
        assert (replayed.returncode, replayed.stderr) == (0, "")
        assert replayed.stdout.startswith(f"policy {world.namespace}/{name}: identical")
    web, api = (json.loads(read_all(world.records, world.namespace)[it])["plan"] for it in ("web", "api"))
    assert web["desired"] < web["actual"] == 20 and web["actions"][0]["to"]["count"] < 20
    assert api["desired"] > api["actual"] == 4


def test_plans_hold_neither_identity_of_objects_nor_clock(world, cluster):
    objects = cluster.get("resourcepolicies,providers", "-n", world.namespace)["items"]
    for text in read_all(world.records, world.namespace).values():
        plan = recorded_plan(text)
        for item in objects:
            assert item["metadata"]["uid"] not in plan
        assert not re.search(r"uid|resourceVersion|generation|asOf", plan)
        assert not re.search(r"\d{4}-\d\d-\d\dT|\b1[0-9]{12}\b", plan), "a time"


def test_a_run_on_the_directory_gives_the_same_hashes(world, runner, tmp_path):
    socket = tmp_path / "api.sock"
    env = {**world.env, "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir(mode=0o700)
    local = runner.run("--manifests", world.folder, "--socket", socket, "--record", tmp_path / "local", *FAST, env=env)

    def hashes():
        done = runner.call("get", "rp", "-A", "--local", socket, "-o", "json", env=env)
        items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        found = {it["metadata"]["name"]: it.get("status", {}).get("lastPlan", {}).get("hash") for it in items}
        return found if found and all(found.values()) else None

    found = local.wait_for("both policies are planned", hashes, 60)
    assert found == {name: it["lastPlan"]["hash"] for name, it in world.statuses.items()}
    assert local.stop() == 0, local.log()


def test_a_policy_of_the_cluster_is_told_in_plain_words(world, cluster, runner):
    where = ["-n", world.namespace, "--kubeconfig", cluster.kubeconfig]
    done = runner.call("explain", "rp/web", *where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"ResourcePolicy {world.namespace}/web\n  mode Observe; may Scale\n\nConditions\n")
    assert f"plan {world.statuses['web']['lastPlan']['hash']}, 1 action\n" in done.stdout
    assert "mode Observe: it looks and plans, and proposes nothing" in done.stdout
    done = runner.call("explain", "resourcepolicy", "web", *where, "-o", "json")
    assert json.loads(done.stdout)["object"]["status"]["lastPlan"] == world.statuses["web"]["lastPlan"]
    assert "account" in runner.call("explain", "provider/aws", *where).stdout


def test_one_look_at_the_clouds_plans_the_same_and_is_replayed(world, runner, tmp_path):
    record = tmp_path / "look.json"
    done = runner.call("plan", "-f", world.folder, "-o", "json", "--record", record, env=world.env)
    assert done.returncode == 0, done.stderr
    hashes = [json.loads(line)["hash"] for line in done.stdout.splitlines()]
    assert hashes == [world.statuses[name]["lastPlan"]["hash"] for name in ("api", "web")]
    assert [it["policy"].split("/")[1] for it in json.loads(record.read_text())["items"]] == ["api", "web"]
    replayed = runner.call("plan", "-f", world.folder, "--replay", record, "-o", "json")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert [json.loads(line)["identical"] for line in replayed.stdout.splitlines()] == [True, True]

    # A change of a policy shows: in a pull request this is what is reviewed.
    folder = shutil.copytree(world.folder, tmp_path / "changed")
    path = folder / "all.yaml"
    path.write_text(path.read_text().replace('"min": 1', '"min": 19'))
    changed = runner.call("plan", "-f", folder, "--policy", f"{world.namespace}/web", "--replay", record)
    assert changed.returncode == 1
    assert "not identical" in changed.stdout and "20 -> 19" in changed.stdout


def test_the_text_is_a_diff_for_people(world, runner):
    path = world.records / f"{world.namespace}.web.json"
    done = runner.call("plan", "-f", world.folder, "--snapshot", path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"policy {world.namespace}/web"
    assert re.match(r"- Scale \S+/aws/us-east-1/web  20 -> \d+ ", lines[1])
    assert lines[-1] == f"plan {world.statuses['web']['lastPlan']['hash']}"


def test_a_cloud_that_refuses_is_told_and_nothing_is_planned(world, moto_session, runner):
    moto_session.set_auth(True)
    done = runner.call("plan", "-f", world.folder, "-o", "json", env=world.env)
    moto_session.set_auth(False)
    assert done.returncode == 2 and done.stdout == ""
    assert f"policy {world.namespace}/web: Provider {world.namespace}/aws cannot be listed" in done.stderr


def test_faults_of_files_and_of_usage_are_told(world, runner, tmp_path):
    bad = tmp_path / "bad.json"
    text = read_all(world.records, world.namespace)["web"]
    assert '"state":"Fresh"' in text
    bad.write_text(text.replace('"state":"Fresh"', '"state":"Fine"'))
    done = runner.call("plan", "-f", world.folder, "--snapshot", bad)
    assert done.returncode == 1 and "snapshot: sources[0].state: the name is not known" in done.stderr
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(json.loads(read_all(world.records, world.namespace)["web"])["snapshot"]))
    done = runner.call("plan", "-f", world.folder, "--snapshot", bare)
    assert done.returncode == 1 and "say which with --policy" in done.stderr
    web = f"{world.namespace}/web"
    done = runner.call("plan", "-f", world.folder, "--snapshot", bare, "--policy", web, "-o", "json")
    assert done.stdout == recorded_plan(read_all(world.records, world.namespace)["web"])
    assert runner.call("plan", "-f", world.folder, "--policy", "no/such", "--snapshot", bare).returncode == 1
    assert runner.call("plan", "-f", world.folder, "--replay", bare, "--snapshot", bare).returncode == 64
    assert runner.call("plan", "-f", world.folder, "--replay", bare, "--policy", web).returncode == 1
    assert runner.call("plan").returncode == 64
    assert runner.call("plan", "-f", world.folder, "--snapshot", tmp_path / "none.json").returncode == 2
