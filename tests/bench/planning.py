#!/usr/bin/env python3
"""Buys machines for the same pods from the same real prices with `trimtab pack` and with Karpenter's own scheduler, checks
both plans, and prints cost, proven bound, gap, CPU seconds and memory.

    make bench BENCH=planning
    python3 tests/bench/planning.py --cases 500x50 --effort 5       a quick look

Karpenter's Scheduler.Solve is driven as a Go module (tests/bench/karpenter), with what a node keeps for itself and at most
110 pods a node for both. Prices are the catalogue's, of six regions in the east of the United States: no GPU, no bare metal,
no burstable types, up to 64 vCPU, 1.5 to 8.2 GiB a vCPU. "openb" are the real pods of tests/data/workloads, drawn as often
as needed; the others are made with a fixed seed, of so many sizes that few nodes are alike.

SPDX-License-Identifier: Apache-2.0
"""

import argparse
import collections
import csv
import gzip
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
CASES = ["500x50", "500x500", "500x2000", "5000x50", "5000x500", "5000x2000", "openb5000x500", "50000x500"]
REGIONS = {"aws:us-east-1", "aws:us-east-2", "azure:eastus", "azure:eastus2", "gcp:us-east1", "gcp:us-east4"}
SMALL = re.compile(r"^t[234]|^b[1ms]|^e2|Standard_B|^n1-|f1|g1")
OVERHEAD = 200, 512
PODS_MAX = 110
CLASSES = {500: 25, 5000: 98, 50000: 400}
COLUMNS = ["provider", "region", "instance_type", "vcpu", "memory_gib", "price_ondemand_usd_hr"]


def offers(count):
    """Always the same `count` offers of the catalogue."""
    with gzip.open(REPO / "adapters/catalogue/instance_prices.csv.gz", "rt") as lines:
        rows = [row for row in csv.DictReader(lines) if row["provider"] + ":" + row["region"] in REGIONS and is_plain(row)]
    rows.sort(key=lambda row: [row[name] for name in COLUMNS[:3]])
    random.Random(1).shuffle(rows)
    return [[row[name] for name in COLUMNS] for row in rows[:count]]


def is_plain(row):
    vcpu, memory, price = (float(row[name] or 0) for name in COLUMNS[3:])
    return (price > 0 and 0 < vcpu <= 64 and 1.5 <= memory / vcpu <= 8.2 and float(row["gpu_count"] or 0) == 0
            and (row["arch"] or "amd64") == "amd64" and "metal" not in row["instance_type"]
            and not SMALL.search(row["instance_type"]))


def made_pods(count):
    chance, sizes = random.Random(1), CLASSES[count]
    shares = [chance.paretovariate(1.2) for _ in range(sizes)]
    total, left, rows = sum(shares), count, []
    for i, share in enumerate(shares):
        n = min(max(1, round(count * share / total)), left - (sizes - 1 - i)) if i < sizes - 1 else left
        left -= n
        cpu = chance.choice([50, 100, 150, 200, 250, 400, 500, 750, 1000, 1500, 2000, 3000, 4000, 8000])
        cpu = int(cpu * chance.uniform(0.8, 1.25)) // 10 * 10
        ratio = chance.choice([0.5, 1, 2, 3, 4, 4, 6, 8, 12])  # GiB a core
        rows.append([f"w{i:04}", cpu, max(64, int(cpu / 1000 * ratio * 1024 * chance.uniform(0.8, 1.25)) // 16 * 16), n])
    return rows


def real_pods(count):
    with open(REPO / "tests/data/workloads/openb_pods.csv") as lines:
        rows = [[row["name"], int(row["cpu_millis"]), int(row["memory_mib"]), int(row["count"])] for row in csv.DictReader(lines)]
    drawn = collections.Counter(random.Random(1).choices([row[0] for row in rows], [row[3] for row in rows], k=count))
    return [[*row[:3], drawn[row[0]]] for row in rows if drawn[row[0]]]


def write(path, header, rows):
    with open(path, "w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return path


def run(command):
    """(output, CPU seconds, MiB at the peak)"""
    read, ends = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(ends, 1)
        os.close(read)
        os.execv(command[0], [str(word) for word in command])
    os.close(ends)
    with os.fdopen(read) as pipe:
        output = pipe.read()
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{command[0]} ended with status {status}")
    return output, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def checked_cost(plan, pods, catalogue):
    """The cost of a plan as CSV, or an error: every pod placed once, no node over what it has."""
    needs = {name: (cpu, memory) for name, cpu, memory, _ in pods}
    has = {tuple(row[:3]): (round(float(row[3]) * 1000), round(float(row[4]) * 1024), float(row[5])) for row in catalogue}
    nodes, used, placed = {}, collections.defaultdict(lambda: [*OVERHEAD, 0]), collections.Counter()
    for row in csv.DictReader(plan.splitlines()):
        kind, count = (row["provider"], row["region"], row["instance_type"]), int(row["count"])
        if nodes.setdefault(row["node"], kind) != kind:
            raise SystemExit(f"node {row['node']} has two types")
        for d, more in enumerate((*needs[row["workload"]], 1)):
            used[row["node"]][d] += more * count
        placed[row["workload"]] += count
    for node, kind in nodes.items():
        if used[node][0] > has[kind][0] or used[node][1] > has[kind][1] or used[node][2] > PODS_MAX:
            raise SystemExit(f"node {node} holds more than it has")
    missing = sum(count for *_, count in pods) - sum(placed.values())
    if any(placed[name] > count for name, *_, count in pods):
        raise SystemExit("a pod is placed twice")
    return sum(has[kind][2] for kind in nodes.values()), missing


def measure(case, folder, karpenter, timeout, effort):
    kind, count, types = re.fullmatch(r"([a-z]*)(\d+)x(\d+)", case).groups()
    pods, catalogue = (real_pods if kind else made_pods)(int(count)), offers(int(types))
    workloads = write(folder / "w.csv", ["name", "cpu_millis", "memory_mib", "count"], pods)
    prices = write(folder / "p.csv", COLUMNS, catalogue)
    pack = [REPO / "build/trimtab", "pack", "--workloads", workloads, "--prices", prices, "--max-per-node", PODS_MAX,
            "--overhead", f"cpu={OVERHEAD[0]}m,memory={OVERHEAD[1]}Mi"]
    first, first_seconds, _ = run([*pack, "--effort", 0, "-o", "csv"])
    plan, seconds, memory = run([*pack, "--effort", effort, "-o", "csv"])
    bound = json.loads(run([*pack, "--effort", effort, "-o", "json"])[0])["lowerBound"]
    first_cost, cost = (checked_cost(text, pods, catalogue)[0] for text in (first, plan))
    _, rival_seconds, rival_memory = run([karpenter, "-workloads", workloads, "-catalog", prices, "-overhead-millis", OVERHEAD[0],
                                          "-overhead-mib", OVERHEAD[1], "-timeout", timeout, "-plan", folder / "k.csv"])
    rival_cost, missing = checked_cost((folder / "k.csv").read_text(), pods, catalogue)
    rival = f"{rival_cost:.2f}" + (f" ({missing} pods not placed)" if missing else "")
    return [case, len(pods), rival, f"{rival_seconds:.2f}", f"{rival_memory:.0f}", f"{first_cost:.2f}", f"{first_seconds:.2f}",
            f"{cost:.2f}", f"{bound:.2f}", f"{100 * (cost / bound - 1):.2f}", f"{seconds:.1f}", f"{memory:.0f}",
            "-" if missing else f"{cost / rival_cost:.3f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="[openb]PODSxTYPES")
    parser.add_argument("--effort", type=int, default=20)
    parser.add_argument("--karpenter-timeout", default="1m", help="of its Solve (default: its own, %(default)s)")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    made = subprocess.run(["bash", REPO / "tests/support/cache.sh", "karpenter"], check=True, stdout=subprocess.PIPE, text=True)
    karpenter = Path(made.stdout.strip()) / "karpenter"
    heads = ["pods x types", "sizes", "Karpenter, $/h", "CPU s", "MiB", "first plan, $/h", "CPU s", "plan, $/h", "proven bound",
             "gap, %", "CPU s", "MiB", "ours / Karpenter's"]
    print("| " + " | ".join(heads) + " |\n|---|" + "---:|" * (len(heads) - 1), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for case in args.cases:
            print(f"measuring {case}", file=sys.stderr)
            print("| " + " | ".join(map(str, measure(case, Path(folder), karpenter, args.karpenter_timeout, args.effort))) + " |",
                  flush=True)


if __name__ == "__main__":
    main()
