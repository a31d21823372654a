"""Free ports on loopback, safe beside another run of the tests on the same machine.

A block of eight is claimed by a lock on a file in the temporary folder, held for as long as this process lives, and
taken only if each port can be bound. The blocks lie below the range from which the kernel draws ports of its own, so
that no outgoing connection takes one in between.

SPDX-License-Identifier: Apache-2.0
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

BLOCK_SIZE = 8
FIRST, LAST = 20000, 31992

_held = []  # Open lock files: closing one gives the block back.


def _is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def claim_block():
    """The first of eight consecutive free ports, ours until this process ends."""
    folder = Path(tempfile.gettempdir()) / f"trimtab-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for _ in range(200):
        first = random.randrange(FIRST, LAST, BLOCK_SIZE)
        lock = open(folder / str(first), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if all(_is_free(first + i) for i in range(BLOCK_SIZE)):
            _held.append(lock)
            return first
        lock.close()
    raise RuntimeError("no block of eight free ports was found")


_single = []


def claim_port():
    """One free port, out of a claimed block."""
    if not _single:
        first = claim_block()
        _single.extend(range(first, first + BLOCK_SIZE))
    return _single.pop()
