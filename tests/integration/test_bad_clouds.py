"""One controller, many Providers that cannot work, each in its own way, and one that can: every bad one says in its
condition what happened and what to do, none takes memory or time from the others, and no secret is told to anybody.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import estate
import procs
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clouds"))
import bad_server  # noqa: E402

SECRET = "wJalrXUtnFEMI-the-secret-that-nobody-may-see"
TOKEN = "IQoJb3JpZ2luX2VjE-the-session-token-that-nobody-may-see"
# name: (what the server does, the status of Ready, what its message must hold)
SERVERS = {
    "html": (bad_server.html, "text/html"),
    "bomb": (bad_server.gzip_bomb, "larger than allowed"),
    "huge": (bad_server.huge, "larger than allowed"),
    "cut": (bad_server.cut, "bytes remaining to read"),
    "failing": (bad_server.failing, "InternalFailure"),
    "echo": (bad_server.echo_secrets, "AccessDenied"),
}


def provider(name, endpoint, key="AKIAIOSFODNN7EXAMPLE", secret=SECRET, token=None, region="us-east-1"):
    data = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, **({"AWS_SESSION_TOKEN": token} if token else {})}
    metadata = {"name": name, "namespace": "default"}
    it = estate.provider(name, endpoint, regions=[region]) | {"metadata": metadata}
    if endpoint is None:
        del it["spec"]["endpoint"]
    return [{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}, it]


@pytest.fixture(scope="module")
def world(trimtab, moto_session, ministack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    moto_session.reset()
    moto_session.make_group("web", desired=3, tags={"app": "web"})
    key, secret = moto_session.make_user(estate.AWS_ACTIONS)
    denied_key, denied_secret = moto_session.make_user(["sts:GetCallerIdentity"], "denied")
    moto_session.set_auth(True)
    servers = {name: bad_server.BadServer(behaviour) for name, (behaviour, _) in SERVERS.items()}
    servers["tls"] = bad_server.BadServer(bad_server.html, bad_server.self_signed(folder))
    documents = provider("good", moto_session.url, key, secret)
    for name, server in servers.items():
        documents += provider(name, server.url, token=TOKEN if name == "echo" else None)
    documents += provider("wrong-secret", moto_session.url, key, "not" + secret)
    documents += provider("unknown-key", ministack.url)
    documents += provider("denied", moto_session.url, denied_key, denied_secret)
    documents += provider("no-host", "http://no-such-host.invalid:80")
    documents += provider("no-region", None, region="eu-nowhere-9")
    documents += provider("refused", "http://127.0.0.1:9")  # Nobody listens on discard.
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "all.yaml").write_text(yaml.safe_dump_all(documents))
    socket = folder / "api.sock"
    (folder / "run").mkdir(mode=0o700)
    env = {"XDG_STATE_HOME": str(folder / "state"), "XDG_RUNTIME_DIR": str(folder / "run")}
    argv = [trimtab, "run", "--manifests", manifests, "--socket", socket, "--listen", "127.0.0.1:0", "--list-period", "2s"]
    argv += ["--status-interval", "1s", "--log-level", "debug"]
    process = procs.Process(argv, folder / "trimtab.log", env=env)
    runner = SimpleNamespace(process=process, servers=servers, socket=socket, env=env, folder=folder, secret=secret)
    try:
        yield runner
    finally:
        process.stop()
        for server in servers.values():
            server.stop()
        moto_session.set_auth(False)


def statuses(world, trimtab):
    argv = [str(trimtab), "get", "providers", "-A", "--local", str(world.socket), "-o", "json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, **world.env}, timeout=30)
    items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
    return {it["metadata"]["name"]: it for it in items}


def await_ready(world, trimtab, name, wanted, seconds=60):
    """The condition Ready of a Provider, once wanted(condition) is true."""
    seen = {}

    def look():
        found = statuses(world, trimtab)
        seen["last"] = estate.condition(found.get(name, {}), "Ready")
        return seen["last"] if wanted(seen["last"]) else None

    try:
        return world.process.wait_for(f"{name} says so", look, seconds, 0.3)
    except TimeoutError as error:
        raise AssertionError(f"{error}; it says {seen['last']}") from None


def is_told(condition):
    return condition["status"] == "False" and condition["reason"] not in ("Opening", "Listing")


def test_the_good_one_goes_on(world, trimtab):
    ready = await_ready(world, trimtab, "good", lambda c: c["status"] == "True")
    assert ready["reason"] == "Listed", ready


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_is_no_cloud(world, trimtab, name):
    condition = await_ready(world, trimtab, name, is_told)
    assert SERVERS[name][1] in condition["message"], condition


@pytest.mark.parametrize(
    "name, words",
    [
        ("tls", ["certificate"]),
        ("wrong-secret", ["AuthFailure|SignatureDoesNotMatch", "check the credentials"]),
        ("unknown-key", ["AuthFailure|InvalidClientTokenId|InvalidAccessKeyId", "check the credentials"]),
        ("denied", ["AccessDenied|UnauthorizedOperation", "autoscaling|permission"]),
        ("no-host", ["no-such-host.invalid"]),
        ("no-region", ["eu-nowhere-9.amazonaws.com"]),
        ("refused", ["connect"]),
    ],
)
def test_what_keeps_us_out_is_told(world, trimtab, name, words):
    message = await_ready(world, trimtab, name, is_told)["message"]
    for word in words:
        assert any(it.lower() in message.lower() for it in word.split("|")), message
    assert ("eu-nowhere-9" if name == "no-region" else "us-east-1") in message


def test_an_unknown_certificate_is_refused_and_nothing_is_sent(world, trimtab):
    await_ready(world, trimtab, "tls", is_told)
    assert world.servers["tls"].request_count == 0


def test_memory_stays_bounded_and_bodies_are_cut_off(world, trimtab):
    for name in ("bomb", "huge"):
        await_ready(world, trimtab, name, is_told)
    status = (Path("/proc") / str(world.process.pid) / "status").read_text()
    peak_mib = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    is_sanitized = "asan" in str(trimtab)
    assert peak_mib < (2000 if is_sanitized else 200), f"{peak_mib} MiB"
    assert world.servers["huge"].sent_size < bad_server.GIGABYTE * world.servers["huge"].request_count // 4


def test_failures_are_not_hammered(world, trimtab):
    """Two seconds between listings, doubled with each failure."""
    await_ready(world, trimtab, "failing", is_told)
    before = world.servers["failing"].request_count
    time.sleep(6)
    assert world.servers["failing"].request_count - before <= 12


def test_no_secret_is_told_to_anybody(world, trimtab):
    for name in SERVERS:
        await_ready(world, trimtab, name, is_told)
    told = [world.process.log(), json.dumps(statuses(world, trimtab))]
    told.append((Path("/proc") / str(world.process.pid) / "cmdline").read_bytes().decode(errors="replace"))
    for path in (world.folder / "state").rglob("*"):
        if path.is_file():
            told.append(path.read_bytes().decode(errors="replace"))
    assert len(told) > 3
    for text in told:
        for secret in (SECRET, TOKEN, world.secret):
            assert secret not in text


def test_new_credentials_are_taken_without_a_restart(world, trimtab):
    await_ready(world, trimtab, "wrong-secret", is_told)
    path = world.folder / "manifests" / "all.yaml"
    path.write_text(path.read_text().replace("not" + world.secret, world.secret))
    assert await_ready(world, trimtab, "wrong-secret", lambda c: c["status"] == "True", 90)["reason"] == "Listed"


def test_what_was_made_unusable_and_is_mended_is_no_longer_complained_of(world, trimtab):
    group = {"name": "web", "region": "us-east-1", "instanceType": "m5.xlarge", "count": 3, "max": 6}
    document = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "mended", "namespace": "default"},
                "spec": {"type": "simulated", "regions": ["us-east-1"], "simulated": {"prices": "aws", "groups": [group]}}}
    path = world.folder / "manifests" / "mended.yaml"
    for kind, told in [("m5.xlarge", "Listed"), ("m5.nothing", "CannotOpen"), ("m5.xlarge", "Listed")]:
        group["instanceType"] = kind
        path.write_text(yaml.safe_dump(document))
        ready = await_ready(world, trimtab, "mended", lambda c: c["reason"] == told)  # noqa: B023
        assert ("m5.nothing" in ready["message"]) == (told == "CannotOpen")
