#!/usr/bin/env python3
"""Checks the directions of includes (docs/architecture.md has the picture): who may include whom, which stage's headers
are nouns that the stages to its right may see, and which library stands behind which folder. Exits 1 with file:line for
each fault.

SPDX-License-Identifier: Apache-2.0
"""

import re
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]

# The headers of a stage that carry its noun. Everything else in the folder is a verb: for loop, cli and main only.
NOUNS = {
    "manifest": {"spec.h", "object.h", "recommendation.h", "schedule.h"},
    "history": {"series.h"},
    "observe": {"snapshot.h"},
    "forecast": {"forecast.h"},
    "plan": {"plan.h", "headroom.h"},
    "act": {"outcome.h"},
    "account": {"ledger.h"},
    "store": {"store.h"},
}
# For each folder, what it may include beside itself: a folder's name alone means all of its headers, "manifest:nouns"
# its nouns. adapters is adapters/adapter.h and cloud.h; adapters:cloud is cloud.h alone. loop, cli and main are the
# right end: they may call every verb.
STAGES = ["manifest", "history", "observe", "forecast", "plan", "act", "account", "store"]
EVERYTHING = ["base", "net", "kube", "adapters", "adapters/common", "adapters/wrap", *STAGES, "loop", "serve"]
MAY = {
    "base": [],
    "net": ["base"],
    "kube": ["base", "net"],
    "adapters": ["base"],
    "adapters/wrap": ["base", "adapters"],
    "adapters/kubernetes": ["base", "net", "kube", "adapters", "adapters/common"],
    "adapters/common": ["base", "net", "adapters"],
    "adapters/*": ["base", "net", "adapters", "adapters/common"],
    "manifest": ["base", "adapters:cloud"],
    "history": ["base", "adapters:cloud", "manifest:nouns"],
    "observe": ["base", "adapters", "adapters/wrap", "manifest:nouns", "history"],  # It fills the history with what it sees.
    "forecast": ["base", "adapters:cloud", "manifest:nouns", "history:nouns", "observe:nouns"],
    "plan": ["base", "adapters:cloud", "manifest:nouns", "history:nouns", "observe:nouns", "forecast:nouns"],
    "act": ["base", "adapters", "manifest:nouns", "history:nouns", "observe:nouns", "forecast:nouns", "plan:nouns",
            "store:nouns"],
    "account": ["base", "adapters:cloud", "manifest:nouns", "history:nouns", "observe:nouns", "forecast:nouns",
                "plan:nouns", "act:nouns"],
    # The port to the desired state: it decodes what it reads, so it may call manifest's verbs.
    "store": ["base", "net", "kube", "manifest"],
    # The API of a local run reads and writes the objects of its store as the user who asks.
    "serve": ["base", "adapters:cloud", *[f"{s}:nouns" for s in STAGES], "store"],
    "loop": EVERYTHING,
    "cli": EVERYTHING,
    "main": [*EVERYTHING, "cli"],
}
# Which folders may use a library. Replacing one touches these folders only.
LIBRARIES = {
    "uv.h": {"base", "net", "kube", "store", "serve", "loop", "cli", "main"},
    "curl/": {"net"},
    "json-c/": {"base"},
    "yaml.h": {"manifest", "kube"},  # Manifests, and a kubeconfig.
    "openssl/": {"adapters/common", "net"},
    "microhttpd.h": {"serve"},
    "sqlite3.h": {"history", "store", "account"},
    "expat.h": {"adapters/common"},
    "zlib.h": {"adapters/common", "net"},
    "Clp_C_Interface.h": {"plan"},
}
# The pure stages know no clock, no chance, no I/O and no log.
PURE = {"forecast", "plan"}
NOT_IN_PURE = {"base/runtime.h", "base/runtime_uv.h", "base/log.h", "base/metrics.h"}
# libuv in base stands behind its runtime alone.
UV_IN_BASE = re.compile(r"controller/base/runtime_uv\.[ch]$")

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def folder_of(path):
    """'plan' for controller/plan/x.c, 'adapters/aws' for adapters/aws/x.c, 'main' for controller/main.c."""
    parts = path.parts
    if parts[0] == "controller":
        return parts[1] if len(parts) > 2 else "main"
    return "adapters" if len(parts) == 2 else "/".join(parts[:2])


def target_of(name, source):
    """The folder and the header's own name of a quoted include; None if it is no header of ours."""
    beside = source.parent / name
    for candidate in (Path("controller") / name, Path(name), beside):
        if (REPO / candidate).exists():
            return folder_of(candidate), candidate.name
    return None


def allows(source_folder, folder, header):
    if folder == source_folder:
        return True
    rules = MAY.get(source_folder, MAY["adapters/*"] if source_folder.startswith("adapters/") else [])
    for rule in rules:
        base, _, part = rule.partition(":")
        whole = part == ""
        named = part == "nouns" and header in NOUNS.get(folder, ()) or part == "cloud" and header == "cloud.h"
        if base == folder and (whole or named):
            return True
    return False


def faults_of(path):
    here = folder_of(path)
    for number, line in enumerate((REPO / path).read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        quote, name = found.groups()
        at = f"{path}:{number}"
        if quote == "<":
            for library, folders in LIBRARIES.items():
                if name.startswith(library) and here not in folders:
                    yield f"{at}: <{name}> belongs behind {', '.join(sorted(folders))}, not in {here}"
            if name == "uv.h" and here == "base" and not UV_IN_BASE.search(str(path)):
                yield f"{at}: <uv.h> in base stands behind runtime_uv alone"
            continue
        target = target_of(name, path)
        if target is None:
            yield f"{at}: {name} is not found from the checkout's top, controller/ or the file's own folder"
            continue
        folder, header = target
        # adapter.c is the table of the clouds: it is the one that names them all.
        is_table = str(path) == "adapters/adapter.c" and folder.startswith("adapters/")
        if not allows(here, folder, header) and not is_table:
            yield f"{at}: {here} may not include {name}"
        if header.endswith("_internal.h") and folder != here:
            yield f"{at}: {name} is private to {folder}"
        if here in PURE and name in NOT_IN_PURE:
            yield f"{at}: {here} is pure and may not include {name}"


def main():
    sources = [p.relative_to(REPO) for top in ("controller", "adapters") for p in sorted((REPO / top).rglob("*.[ch]"))]
    unknown = {folder_of(p) for p in sources} - MAY.keys()
    faults = [f"{folder}: no rule; add it to MAY" for folder in sorted(unknown) if not folder.startswith("adapters/")]
    for path in sources:
        faults.extend(faults_of(path))
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"includes: {len(sources)} files, {len(faults)} faults", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
