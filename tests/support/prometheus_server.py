"""Debian's Prometheus, with a past: its blocks are made from OpenMetrics text, and nothing is scraped.

SPDX-License-Identifier: Apache-2.0
"""

import subprocess

import ports
import procs


class PrometheusServer:
    """web: lines of --web.config.file (TLS, users); `scheme` is then how it is reached."""

    def __init__(self, folder, openmetrics, web=None, scheme="http"):
        (folder / "history.txt").write_text(openmetrics)
        # The text is read anew for each block; by default a block is two hours.
        subprocess.run(["promtool", "tsdb", "create-blocks-from", "--max-block-duration=486h", "openmetrics", "-q",
                        folder / "history.txt", folder / "tsdb"], check=True, stdout=subprocess.DEVNULL)
        (folder / "empty.yml").write_text("{}\n")
        address = f"127.0.0.1:{ports.claim_port()}"
        self.url = f"{scheme}://{address}"
        argv = ["prometheus", f"--config.file={folder / 'empty.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y", "--query.max-samples=50000000"]
        if web:
            (folder / "web.yml").write_text(web)
            argv.append(f"--web.config.file={folder / 'web.yml'}")
        self.process = procs.Process(argv, folder / "prometheus.log")
        self.process.wait_for("Prometheus is ready", lambda: "Server is ready to receive" in self.process.log())

    def stop(self):
        self.process.stop()
