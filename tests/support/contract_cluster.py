#!/usr/bin/env python3
"""contract_cluster.py PROGRAM ARGUMENT...: runs a program of the contract suite with a real cluster beside it, which it
finds through its environment:

CONTRACT_KUBECONFIG       a cluster with controller manager, scheduler, kwok and two nodes
CONTRACT_KUBECONFIG_SLOW  the same through a proxy that takes its time for every PATCH
CONTRACT_KUBECTL          the program

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cluster as cluster_support  # noqa: E402
from api_proxy import ApiProxy  # noqa: E402

SLOW_SECONDS = 8


def slow(method, _path):
    if method == "PATCH":
        time.sleep(SLOW_SECONDS)


def main():
    cluster = cluster_support.Cluster(full=True, nodes=2)
    try:
        proxy = ApiProxy(cluster.url, cluster.ca_path)
        proxy.before = slow
        slow_config = cluster.folder / "slow.kubeconfig"
        slow_config.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": proxy.url}}],
            "users": [{"name": "c", "user": {"token": cluster.token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}))
        env = {**os.environ, "CONTRACT_KUBECONFIG": str(cluster.kubeconfig), "CONTRACT_KUBECONFIG_SLOW": str(slow_config),
               "CONTRACT_KUBECTL": str(cluster.kubectl_path)}
        return subprocess.run(sys.argv[1:], env=env).returncode
    finally:
        cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
