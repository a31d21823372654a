"""The container image: builds from Debian's packages, and runs without root on a read-only root file system.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess

import ports
import procs
import pytest

pytestmark = pytest.mark.image
TAG = f"trimtab:test-{os.getpid()}"


@pytest.fixture(scope="module")
def podman(repo, tmp_path_factory):
    """Runs podman with our configuration and returns the finished process."""
    conf = tmp_path_factory.mktemp("podman") / "containers.conf"
    image_sh = str(repo / "tests/support/image.sh")
    conf.write_text(subprocess.run(["bash", image_sh, "--conf"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    env = {**os.environ, "CONTAINERS_CONF": str(conf)}

    def run(*args):
        return subprocess.run(["podman", *args], env=env, capture_output=True, text=True, timeout=300)

    built = subprocess.run(["bash", image_sh, TAG], env=env, capture_output=True, text=True, timeout=1200)
    assert built.returncode == 0, (built.stdout + built.stderr)[-4000:]
    run.env = env
    yield run
    run("rmi", "--force", TAG)


def test_it_tells_its_version(podman, repo):
    done = podman("run", "--rm", "--network=host", "--read-only", TAG, "version")
    assert done.returncode == 0, done.stderr
    assert (repo / "VERSION").read_text().strip() in done.stdout


def test_it_is_not_root_and_is_labelled(podman, repo):
    image = json.loads(podman("image", "inspect", TAG).stdout)[0]
    assert image["Config"]["User"] == "65532:65532"
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == (repo / "VERSION").read_text().strip()


def test_it_holds_what_runs_and_no_compiler(podman):
    script = (
        "ldd /usr/bin/trimtab | grep 'not found'; command -v gcc cc make; "
        "test -s /usr/share/trimtab/instance_prices.csv.gz && test -s /etc/ssl/certs/ca-certificates.* "
        "&& test -e /usr/share/zoneinfo/Asia/Shanghai && echo whole"
    )
    done = podman("run", "--rm", "--network=host", "--read-only", "--entrypoint", "/bin/sh", TAG, "-c", script)
    assert done.stdout == "whole\n", done.stdout + done.stderr


def test_it_runs_on_a_read_only_root_and_ends_on_sigterm(podman, repo, tmp_path):
    port = ports.claim_port()
    name = f"trimtab-test-{os.getpid()}"
    argv = ["podman", "run", "--rm", "--name", name, "--network=host", "--read-only", "--cap-drop=all"]
    argv += ["--security-opt=no-new-privileges", "-v", f"{repo}:/repo:ro"]
    # A local run keeps its state on disk: the one place that it may write to is given to it.
    argv += ["--tmpfs", "/state:mode=1777", "-e", "XDG_STATE_HOME=/state", "-e", "XDG_RUNTIME_DIR=/state", TAG]
    argv += ["run", "--manifests", "/repo/deploy/examples/local", "--listen", f"127.0.0.1:{port}"]
    process = procs.Process(argv, tmp_path / "podman.log", env=podman.env)
    try:
        process.wait_for("/readyz answers", lambda: procs.http_get(f"http://127.0.0.1:{port}/readyz")[0] == 200, 60)
        assert podman("stop", "--time", "20", name).returncode == 0
        assert process.child.wait(30) == 0, process.log()
    finally:
        podman("rm", "--force", "--ignore", name)
        process.stop()
