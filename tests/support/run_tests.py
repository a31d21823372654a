#!/usr/bin/env python3
"""run_tests.py STAGE...: runs the stages in order and ends with one line, 'N passed, N failed'.

A stage is a folder of tests/. Its Criterion programs are what `make` built under $OUT/tests/STAGE, its Python tests are
run with pytest. A stage goes on after a failure, and so does the run. A program that ends badly without having named a
failed test counts as one failure, and so does a stage in which no test ran at all.

SUITE=unit/base runs one Criterion program alone. PYTEST_ARGS is passed on to pytest.

SPDX-License-Identifier: Apache-2.0
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
OUT = REPO / os.environ.get("OUT", "build/dev")
REPORTS = OUT / "reports"
PROGRAM_SECONDS_MAX = 300
PYTHON_STAGES = ("integration", "e2e")
# What a stage whose programs have a limit as a whole must find there: to build it on a new machine takes longer than that.
PARTS = {"contract": ("venv", "ministack", "cluster")}


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def read_report(path, exit_code):
    """Counts of a JUnit file as Criterion and pytest write it."""
    tally = Tally()
    if path.exists():
        for case in xml.parse(path).iter("testcase"):
            tags = {child.tag for child in case}
            if tags & {"failure", "error"}:
                tally.failed += 1
            elif "skipped" in tags:
                tally.skipped += 1
            else:
                tally.passed += 1
    if exit_code != 0 and tally.failed == 0:
        tally.failed += 1
    return tally


def run_criterion(program):
    name = str(program.parent.relative_to(OUT / "tests"))
    report = REPORTS / (name.replace("/", "-") + ".xml")
    report.unlink(missing_ok=True)
    print(f"== {name}", flush=True)
    argv = [program, "--jobs", "2", f"--xml={report}", "--timeout", "120"]
    if name == "contract":  # It speaks to emulated clouds and to a cluster.
        for beside in ("contract_clouds.py", "contract_cluster.py"):
            argv = [cached("venv") + "/bin/python3", REPO / "tests/support" / beside, *argv]
    # Criterion can wait for ever for a test that broke off inside a callback of its event loop, so the program as a
    # whole has a limit too. Its children are in its process group.
    process = subprocess.Popen(argv, cwd=REPO, start_new_session=True)
    try:
        code = process.wait(PROGRAM_SECONDS_MAX)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        print(f"== {name}: killed after {PROGRAM_SECONDS_MAX} s; run it with --verbose --jobs 1 to see where", flush=True)
    return read_report(report, code)


def run_pytest(stage):
    report = REPORTS / f"{stage}-pytest.xml"
    report.unlink(missing_ok=True)
    python = cached("venv") + "/bin/python3"
    argv = [python, "-m", "pytest", "-c", "tests/pytest.ini", "--rootdir", ".", "-q", f"--junitxml={report}"]
    argv += [f"tests/{stage}", *shlex.split(os.environ.get("PYTEST_ARGS", ""))]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "MINISTACK": cached("ministack") + "/bin/ministack"}
    for source in (REPO / "tests" / stage).glob("*.c"):
        # adapter_probe.c is a program that the tests find as $ADAPTER_PROBE, in this run's mode.
        env[source.stem.upper()] = str(OUT / "tests" / stage / source.stem)
    print(f"== {stage} (pytest)", flush=True)
    done = subprocess.run(argv, cwd=REPO, env=env)
    return read_report(report, done.returncode)


def run_replays():
    """Each fuzz target over its corpus: an input is a test."""
    tally = Tally()
    for source in sorted((REPO / "tests/fuzz").glob("fuzz_*.c")):
        corpus = REPO / "tests/fuzz/corpus" / source.stem.removeprefix("fuzz_")
        done = subprocess.run([OUT / "tests/fuzz" / source.stem, corpus], stdout=subprocess.PIPE, text=True, timeout=600)
        print(f"== fuzz/{source.stem}: {done.stdout.strip() or 'failed'}", flush=True)
        if done.returncode == 0:
            tally.passed += int(done.stdout.split()[0])
        else:
            tally.failed += 1
    return tally


def cached(what):
    argv = ["bash", str(REPO / "tests/support/cache.sh"), what]
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def prepare():
    """Builds what the later stages need while the first ones run; whoever needs it waits at the lock in cache.sh."""
    for what in ("ministack", "cluster", "rootfs"):
        subprocess.run(["bash", str(REPO / "tests/support/cache.sh"), what], stdout=subprocess.DEVNULL)


def run_stage(stage):
    if stage == "fuzz":
        return run_replays()
    for what in PARTS.get(stage, ()):
        cached(what)
    tally = Tally()
    one = os.environ.get("SUITE")
    programs = sorted((OUT / "tests" / stage).rglob("run"))
    if one:
        programs = [p for p in programs if str(p.parent.relative_to(OUT / "tests")) == one]
    for program in programs:
        # A suite whose sources are gone leaves its program behind in an old build folder.
        if any((REPO / "tests" / program.parent.relative_to(OUT / "tests")).glob("test_*.c")):
            tally.add(run_criterion(program))
    if not one and any((REPO / "tests" / stage).glob("test_*.py")):
        tally.add(run_pytest(stage))
    return tally


def main():
    stages = sys.argv[1:]
    if not stages:
        print(__doc__, file=sys.stderr)
        return 64
    REPORTS.mkdir(parents=True, exist_ok=True)
    if any(stage in PYTHON_STAGES for stage in stages):
        cached("venv")
        threading.Thread(target=prepare, daemon=True).start()
    total, lines = Tally(), []
    for stage in stages:
        started = time.monotonic()
        tally = run_stage(stage)
        if tally.passed + tally.failed == 0:
            print(f"== {stage}: no test ran", flush=True)
            tally.failed += 1
        total.add(tally)
        lines.append(f"{stage:12} {str(tally):36} {time.monotonic() - started:7.1f} s")
    print("\n" + "\n".join(lines) + f"\n\n{total}", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
