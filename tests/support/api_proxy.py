"""A proxy in front of an API server: plain HTTP towards the client, TLS towards the server. On order it answers 429, and
it counts what comes in.

SPDX-License-Identifier: Apache-2.0
"""

import http.client
import http.server
import ssl
import threading
import time
import urllib.parse

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class ApiProxy:
    def __init__(self, upstream, ca_path):
        self.upstream = urllib.parse.urlsplit(upstream)
        self.tls = ssl.create_default_context(cafile=str(ca_path))
        self.throttling = False  # Every new request gets 429.
        self.retry_after_s = 1
        self.before = None  # Called with the method and the path of a request before it goes on.
        self.requests = []  # (time.monotonic(), method, path, status)
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._open = set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def drop_connections(self):
        """Breaks what is open, watches too, as a load balancer that restarts would."""
        for connection in list(self._open):
            try:
                connection.shutdown(2)
            except OSError:
                pass

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self.drop_connections()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def log_message(self, *_):
        pass

    def handle(self):
        self.owner._open.add(self.connection)
        try:
            super().handle()
        except OSError:
            pass  # The client is gone, or drop_connections() was called.
        finally:
            self.owner._open.discard(self.connection)

    def _note(self, status):
        self.owner.requests.append((time.monotonic(), self.command, self.path, status))

    def _throttle(self):
        status = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429}'
        self.send_response_only(429)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", str(self.owner.retry_after_s))
        self.send_header("Content-Length", str(len(status)))
        self.end_headers()
        self.wfile.write(status)
        self._note(429)

    def _stream(self, reply):
        """As it comes: a watch has no end."""
        self.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := reply.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")

    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.owner.throttling:
            self._throttle()
            return
        if self.owner.before:
            self.owner.before(self.command, self.path)
        upstream = self.owner.upstream
        connection = http.client.HTTPSConnection(upstream.hostname, upstream.port, context=self.owner.tls)
        try:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP | {"host"}}
            connection.request(self.command, self.path, body or None, headers)
            reply = connection.getresponse()
            self._note(reply.status)
            self._stream(reply)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
