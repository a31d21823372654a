"""Fixtures of the integration and e2e tests. What is expensive is made once for a session and on first use.

SPDX-License-Identifier: Apache-2.0
"""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
import aws_proxy as aws_proxy_support  # noqa: E402
import clouds  # noqa: E402
import cluster as cluster_support  # noqa: E402
import ports  # noqa: E402
import procs  # noqa: E402

_numbers = itertools.count(1)


def pytest_configure(config):
    # SIGTERM must run the finalizers too, else the servers stay behind.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))


@pytest.fixture(scope="session")
def repo():
    return procs.REPO


@pytest.fixture(scope="session")
def trimtab(repo):
    """Path of the binary: $TRIMTAB_BIN, else build/trimtab, which `make` has built before it starts pytest."""
    path = Path(os.environ.get("TRIMTAB_BIN", repo / "build" / "trimtab"))
    assert path.exists(), f"{path} is missing: run `make` first"
    return path


@pytest.fixture(scope="session")
def cluster(repo):
    """etcd and kube-apiserver, with our CRDs: what the controller itself needs."""
    started = cluster_support.Cluster()
    try:
        started.apply_crds()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def full_cluster(repo):
    """With controller manager, scheduler, kwok and two nodes: for what Deployments and garbage collection do."""
    started = cluster_support.Cluster(full=True, nodes=2)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def namespace(cluster):
    """A namespace of the test's own in `cluster`."""
    name = f"t{os.getpid()}-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def moto_session(server_folder):
    server = clouds.Moto(server_folder)
    yield server
    server.stop()


@pytest.fixture
def moto(moto_session):
    """An empty moto that checks nothing until moto.set_auth(True)."""
    moto_session.reset()
    return moto_session


@pytest.fixture
def aws_proxy(moto):
    """A counting proxy in front of the test's moto, which can also disturb; see tests/support/aws_proxy.py."""
    proxy = aws_proxy_support.AwsProxy(moto.url)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def ministack(server_folder):
    server = clouds.Ministack(server_folder)
    yield server
    server.stop()


@pytest.fixture
def microburst(server_folder, moto):
    """A fault proxy in front of the test's moto."""
    server = clouds.Microburst(server_folder, moto.url)
    yield server
    server.stop()


@pytest.fixture
def free_port():
    return ports.claim_port


class Runner:
    """Starts `trimtab run` and stops at the end what still runs."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.started = binary, folder, []

    def run(self, *args, env=None, listen=True):
        """A controller in the background; with listen it is awaited until /livez answers, and has .url and .port."""
        port = ports.claim_port()
        argv = [self.binary, "run", *args]
        if listen:
            argv += ["--listen", f"127.0.0.1:{port}"]
        process = procs.Process(argv, self.folder / f"trimtab-{next(_numbers)}.log", env=env)
        process.port, process.url = port, f"http://127.0.0.1:{port}"
        self.started.append(process)
        if listen:
            process.wait_for("/livez answers", lambda: procs.http_get(process.url + "/livez")[0] == 200)
        return process

    def call(self, *args, env=None, stdin=None, seconds=60):
        """A verb that ends by itself: the finished process with returncode, stdout and stderr as text."""
        return subprocess.run(
            [str(self.binary), *map(str, args)],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=seconds,
            env={**os.environ, **(env or {})},
        )


@pytest.fixture
def runner(trimtab, tmp_path):
    made = Runner(trimtab, tmp_path)
    yield made
    for process in made.started:
        process.stop()
