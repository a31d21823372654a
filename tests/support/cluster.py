"""A real control plane for one test run: etcd and kube-apiserver, and where asked the controller manager, the scheduler
and kwok, built by tests/cluster/build.sh into the cache, started by up.sh in a temporary folder, stopped by pid file.

By hand: `python3 tests/support/cluster.py [--full]` starts one, prints the kubeconfig and stops it on Ctrl-C.

SPDX-License-Identifier: Apache-2.0
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import ports  # noqa: E402
import procs  # noqa: E402

RECIPE = procs.REPO / "tests" / "cluster"


class Cluster:
    """kubeconfig and kubectl are paths; port is the API server's. controllers: with the controller manager alone; full:
    with all parts. The API server writes down who changed what: see writes()."""

    def __init__(self, full=False, nodes=0, controllers=False, apiserver_flags=""):
        self._built = procs.cached("cluster")
        self.kubectl_path = self._built / "bin" / "kubectl"
        self.folder = None
        for attempt in range(5):
            self.port = ports.claim_block()
            self.folder = Path(tempfile.mkdtemp(prefix="trimtab-cluster-"))
            parts = "1" if full else "0"
            audit = "--audit-log-path=log/audit.log --audit-policy-file=" + str(RECIPE / "audit-policy.yaml")
            self._env = {
                **os.environ,
                "NAME": f"t{self.port}",
                "DIR": str(self.folder),
                "OUT": str(self._built),
                "PORT": str(self.port),
                "KCM": "1" if controllers else parts,
                "SCHED": parts,
                "KWOK": parts,
                "METRICS": "0",
                "NODES": str(nodes if full else 0),
                "APISERVER_FLAGS": f"{audit} {apiserver_flags}",
            }
            self._env.pop("KUBECONFIG", None)
            # Stopping is a helper's work that waits for our end of its pipe to close, so that the cluster goes when this
            # process does, however that ends.
            self._keeper = subprocess.Popen(
                ["bash", "-c", 'read -r _; exec bash "$0"', str(RECIPE / "down.sh")],
                env={**self._env, "WIPE": "1"},
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
            self._said = self.folder / "up.log"
            with open(self._said, "wb") as said:
                done = subprocess.run(
                    ["bash", str(RECIPE / "up.sh")], env=self._env, stdout=said, stderr=said, stdin=subprocess.DEVNULL
                )
            if done.returncode == 0:
                break
            text = self._said.read_text(errors="replace")
            in_use = "address already in use" in text + self.component_log("etcd") + self.component_log("kube-apiserver")
            self.stop()
            if not in_use or attempt == 4:
                raise RuntimeError(f"the cluster did not start:\n{text[-4000:]}")
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.token = (self.folder / "pki" / "admin.token").read_text().strip()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_path = self.folder / "pki" / "ca.crt"

    def component_log(self, name):
        path = self.folder / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def writes(self, user=None):
        """Every request that changed something, oldest first, as the API server's audit log has it; of one user where
        given. Each has stamp, user, verb, resource, namespace, name, subresource and code."""
        found = []
        for line in self.component_log("audit").splitlines():
            event = json.loads(line)
            target = event.get("objectRef", {})
            if user in (None, event["user"]["username"]):
                found.append(
                    {
                        "stamp": event["stageTimestamp"],
                        "user": event["user"]["username"],
                        "verb": event["verb"],
                        "code": event["responseStatus"].get("code"),
                        **{key: target.get(key, "") for key in ("resource", "namespace", "name", "subresource")},
                    }
                )
        return found

    def pid(self, name):
        return int((self.folder / "pid" / name).read_text())

    def kill_apiserver(self):
        """As a crash would; start_apiserver() starts it again with the same arguments and port."""
        pid = self.pid("kube-apiserver")
        self._apiserver_argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        os.kill(pid, signal.SIGKILL)
        procs.wait_until("the API server is gone", lambda: procs.http_get(f"http://127.0.0.1:{self.port}/")[0] == 0)

    def start_apiserver(self):
        """The new one belongs to down.sh as the old one did. It is not awaited."""
        with open(self.folder / "log" / "kube-apiserver.log", "ab") as log:
            child = subprocess.Popen(
                self._apiserver_argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / "pid" / "kube-apiserver").write_text(f"{child.pid}\n")
        threading.Thread(target=child.wait, daemon=True).start()  # Else down.sh waits for a zombie.

    def kubectl(self, *args, stdin=None, check=True):
        """Runs kubectl and returns its standard output; with check=False the finished process."""
        done = subprocess.run(
            [str(self.kubectl_path), f"--kubeconfig={self.kubeconfig}", *map(str, args)],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if not check:
            return done
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *args):
        """`kubectl get` as the decoded JSON."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, manifest, *args):
        """Applies text, or a path (a file or a folder)."""
        if isinstance(manifest, Path):
            return self.kubectl("apply", "-f", manifest, *args)
        return self.kubectl("apply", "-f", "-", *args, stdin=manifest)

    def apply_crds(self):
        self.kubectl("apply", "--server-side", "-k", procs.REPO / "crds")
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")

    def kubeconfig_of(self, account, namespace="trimtab-access"):
        """The text of a kubeconfig with a ServiceAccount's token, and nothing but what stands in it."""
        token = self.kubectl("-n", namespace, "create", "token", account).strip()
        ca = base64.b64encode(self.ca_path.read_bytes()).decode()
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "k", "cluster": {"server": self.url, "certificate-authority-data": ca}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}]})

    def stop(self):
        self._keeper.stdin.close()
        self._keeper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    cluster = Cluster(full="--full" in sys.argv, nodes=2)
    print(f"export KUBECONFIG={cluster.kubeconfig}\nalias kubectl={cluster.kubectl_path}", flush=True)
    try:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
