"""A stand-in for Prometheus with the past of a cluster's workloads: it answers the range queries that the Kubernetes
adapter asks, and refuses any other. What it tells does not change with what is done to the workloads: their past is over.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ports


class Prometheus:
    """add(namespace, name, end, demand, replicas): cores (of memory: bytes) in use at each step of step_s, the last of which
    begins at `end`, spread over that many pods."""

    def __init__(self, step_s):
        self.step_s = step_s
        self._series = {}
        self.queries, self.refused = [], []
        port = ports.claim_port()
        self.url = f"http://127.0.0.1:{port}"
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, namespace, name, end, demand, replicas):
        self._series[namespace, name] = (end, demand, replicas)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path, form):
        """(status, reply) to one request."""
        query = form.get("query", "")
        self.queries.append(query)
        metric = r"(?:avg by .*rate\(container_cpu_usage_seconds_total|max by .*max_over_time\(container_memory_working_set_bytes)"
        usage = re.search(metric + r'\{namespace="([^"]+)",.*pod=~"\(([^)]*)\)', query)
        ready = re.search(r'kube_\w+_status_replicas_ready\{namespace="([^"]+)",\w+=~"\(([^)]*)\)', query)
        found = usage or ready
        if path != "/api/v1/query_range" or not found or int(form["step"]) != self.step_s:
            self.refused.append((path, form))
            return 400, {"status": "error", "errorType": "bad_data", "error": "not a query of the test"}
        start, end = (int(datetime.datetime.fromisoformat(form[key].replace("Z", "+00:00")).timestamp()) for key in ("start", "end"))
        result = []
        for name in found[2].replace("\\", "").split("|"):
            if (found[1], name) not in self._series:
                continue
            last, demand, replicas = self._series[found[1], name]
            values = []
            for at in range(start, end + 1, self.step_s):  # What is said of the end of a step is of that step.
                index = len(demand) - 1 + (at - self.step_s - last) // self.step_s
                if 0 <= index < len(demand):
                    values.append([at, str(demand[index] / replicas if usage else replicas)])
            result.append({"metric": {"workload": name}, "values": values})
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = {key: value[0] for key, value in urllib.parse.parse_qs(body).items()}
                status, reply = outer.answer(self.path, form)
                data = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        return Handler
