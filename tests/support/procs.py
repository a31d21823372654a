"""Starting and stopping of the processes that the tests need: only what was started here is ever stopped.

SPDX-License-Identifier: Apache-2.0
"""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SUPPORT = REPO / "tests" / "support"


def cached(what):
    """The path of a part of the test infrastructure, built on first use (see cache.sh)."""
    done = subprocess.run(["bash", str(SUPPORT / "cache.sh"), what], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


def wait_until(what, check, seconds=30.0, pause=0.05):
    """Calls check until it is true and returns what it gave; a message of its own when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)


def http_get(url, seconds=5.0):
    """(status, body) of a plain GET; status 0 when nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=seconds) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError:
        return 0, ""


class Process:
    """A child with its output in a file; dies with this process even when that is killed."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.log_path = Path(log)
        self._log = open(self.log_path, "ab")
        self.child = subprocess.Popen(
            [str(a) for a in argv],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            preexec_fn=_die_with_parent,
        )

    @property
    def pid(self):
        return self.child.pid

    def is_alive(self):
        return self.child.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def kill(self):
        """As a crash would: no chance to tidy up."""
        if self.is_alive():
            self.child.kill()
        return self.child.wait()

    def stop(self, seconds=15.0):
        """SIGTERM, then the exit code; SIGKILL when it does not end in time."""
        if self.is_alive():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
        code = self.child.wait()
        self._log.close()
        return code

    def wait_for(self, what, check, seconds=30.0, pause=0.05):
        """wait_until, but a child that dies meanwhile is told at once, with the end of its log."""

        def still():
            if not self.is_alive():
                raise RuntimeError(f"{self.child.args[0]} exited with {self.child.returncode}:\n{self.log()[-3000:]}")
            return check()

        return wait_until(what, still, seconds, pause)


def _die_with_parent():
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
