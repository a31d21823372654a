#!/usr/bin/env python3
"""Measures Trimtab against the least that a Go controller on controller-runtime can do, on one real API server, with one
load generator, on the same ResourcePolicy objects, in one run; and the API server's own floor, below which no controller
can get. Each controller starts with all specs changed since any status was written, so that what the one before it left
is out of date. Trimtab comes last: the bytes that others leave in the objects are its burden, not the rival's.

    make bench                              10,000 objects
    make bench BENCH_N="10000 50000"        both sizes
    python3 tests/bench/runtime.py --n 1000 --steps idle latency --only trimtab

Every figure is printed as it is measured, then a table with the ratios and the goals. It is no test: figures of a busy
machine mean little, and each line of the log bears the load at its time.

SPDX-License-Identifier: Apache-2.0
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO / "tests" / "support"))
import cluster as cluster_support  # noqa: E402
import ports  # noqa: E402
import procs  # noqa: E402

HERE = Path(__file__).resolve().parent
STEPS = ["coldsync", "idle", "colddrift", "burst", "latency"]

# What is compared: title, step, field, and the goal for trimtab / rival.
ROWS = [
    ("resident memory, empty (MiB)", "idle0", "later", 1 / 3),
    ("resident memory, idle (MiB)", "idle", "later", 1 / 3),
    ("start to all synced (s)", "coldsync", "median_s", None),
    ("CPU per 10,000 writes, burst (s)", "burst", "cpu_s_per_10k", 1 / 3),
    ("CPU per 10,000 writes, catching up (s)", "colddrift", "cpu_s_per_10k", 1 / 3),
    ("burst, status writes a second", "burst", "per_s", -1),
    ("catching up, status writes a second", "colddrift", "per_s", -1),
    ("change to status at 50/s, p50 (ms)", "latency", "p50", 1),
    ("change to status at 50/s, p99 (ms)", "latency", "p99", 1),
]


class Bench:
    def __init__(self, cluster, built):
        self.cluster, self.loadgen, self.found = cluster, built / "loadgen", {}

    def run(self, label, n, steps, command=None):
        argv = [self.loadgen, "--kubeconfig", self.cluster.kubeconfig, "--label", label, "--n", n,
                "--template", HERE / "policy.json"]
        if command:
            argv += ["--controller", " ".join(map(str, command))]
        with subprocess.Popen([str(a) for a in [*argv, *steps]], stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                step = line.split()[1]
                key = (label, "idle0" if step == "idle" and n == 0 else step, n)
                # The first of equal names counts: of latency's that is the time from the spec's write to the status.
                fields = {}
                for name, value in re.findall(r"(\w+)=([\d.]+|true|false)", line):
                    fields.setdefault(name, value)
                self.found[key] = fields
        if process.returncode != 0:
            print(f"{label}: the load generator ended with {process.returncode}", file=sys.stderr)
        return process.returncode == 0

    def value(self, label, step, n, field):
        found = self.found.get((label, step, n), {})
        if found.get("ok") == "false":
            return None
        return float(found[field]) if field in found else None


def stripped_mib(path):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stripped"
        subprocess.run(["strip", "-o", out, path], check=True)
        return out.stat().st_size / 2**20


def verdict(ratio, goal):
    if goal is None or ratio is None:
        return ""
    met = ratio >= 1 if goal == -1 else ratio <= goal
    return f"goal {'>= 1' if goal == -1 else f'<= {goal:.2f}'}: {'met' if met else 'MISSED'}"


def show(bench, n, binaries):
    print(f"\n{n} objects".ljust(42) + f"{'rival':>10} {'trimtab':>10} {'ratio':>7}")
    for title, step, field, goal in ROWS:
        at = 0 if step == "idle0" else n
        rival, ours = (bench.value(label, step, at, field) for label in ("rival", "trimtab"))
        ratio = ours / rival if rival and ours is not None else None
        cells = [f"{v:10.2f}" if v is not None else f"{'-':>10}" for v in (rival, ours)]
        print(f"{title:41}{cells[0]} {cells[1]} {f'{ratio:7.2f}' if ratio is not None else '      -'}  {verdict(ratio, goal)}")
    floor = bench.value("trimtab", "list-floor", n, "median_s")
    start = bench.value("trimtab", "coldsync", n, "median_s")
    if floor and start:
        met = "met" if start <= 2 * floor else "MISSED"
        print(f"{'start / one plain list (' + f'{floor:.3f} s)':41}{'':>10} {'':>10} {start / floor:7.2f}  goal <= 2: {met}")
    rival, ours = (stripped_mib(path) for path in binaries)
    print(f"{'binary, stripped (MiB)':41}{rival:10.2f} {ours:10.2f} {ours / rival:7.2f}  "
          f"goal < 3 MB: {'met' if ours * 2**20 < 3e6 else 'MISSED'}")
    per_s = bench.value("floor", "rawpatch-floor", n, "per_s")
    if per_s:
        print(f"{'the API server itself, status writes a second':46} {per_s:.0f}")
    soak = bench.found.get(("trimtab", "soak", n))
    if soak:
        print(f"soak of {soak['changes']} changes: {soak['rss_mib_before']} MiB before, {soak['rss_mib_after']} MiB after")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[10000])
    parser.add_argument("--steps", nargs="+", default=STEPS)
    parser.add_argument("--only", choices=["floor", "rival", "trimtab"])
    parser.add_argument("--soak", action="store_true", help="also change every object ten times over")
    parser.add_argument("--trimtab-args", default="", help="further arguments of `trimtab run`")
    options = parser.parse_args()

    built = procs.cached("bench")
    binary = Path(os.environ.get("TRIMTAB_BIN", REPO / "build" / "trimtab"))
    rival = [built / "controller", "--workers", "10", "--qps", "-1"]
    with tempfile.TemporaryDirectory(prefix="trimtab-bench-") as folder:
        ours = [binary, "run", "--kubeconfig", "$KUBECONFIG", "--listen", f"127.0.0.1:{ports.claim_port()}",
                options.trimtab_args, f"2>>{folder}/trimtab.log"]
        wanted = [options.only] if options.only else ["floor", "rival", "trimtab"]
        cluster = cluster_support.Cluster()
        try:
            bench = Bench(cluster, built)
            cluster.apply_crds()
            cluster.kubectl("create", "namespace", "trimtab-system")  # Where the Lease lives.
            good = True
            controllers = {label: argv for label, argv in (("rival", rival), ("trimtab", ours)) if label in wanted}
            for label, argv in controllers.items():
                good &= bench.run(label, 0, ["idle"], argv)
            for n in options.n:
                good &= bench.run("floor", n, ["create", *(["list", "rawpatch"] if "floor" in wanted else [])])
                for label, argv in controllers.items():
                    soak = ["soak"] if options.soak and label == "trimtab" else []
                    good &= bench.run(label, n, ["drift", "list", *options.steps, *soak], argv)  # The list it starts with.
                good &= bench.run("floor", n, ["delete"])
            for n in options.n:
                show(bench, n, (built / "controller", binary))
            if not good:
                log = Path(folder) / "trimtab.log"
                print(log.read_text(errors="replace")[-3000:] if log.exists() else "", file=sys.stderr)
            return 0 if good else 1
        finally:
            cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
