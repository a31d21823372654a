"""A server that answers as no cloud should: HTML, bombs, endless and cut bodies, errors without end. One behaviour a
server, each on a free port of loopback, in threads of the test's own process.

SPDX-License-Identifier: Apache-2.0
"""

import gzip
import http.server
import ssl
import subprocess
import threading

GIGABYTE = 1 << 30


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.request_count += 1
        try:
            self.server.behaviour(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # The other side has had enough, as it should.

    do_GET = do_POST

    def log_message(self, *args):
        pass

    def begin(self, status, content_type, size, **headers):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(size))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def html(handler):
    body = b"<!doctype html><html><head><title>Sign in to the wireless network</title></head><body><p>Hello</body></html>"
    handler.begin(200, "text/html; charset=utf-8", len(body))
    handler.wfile.write(body)


_BOMB = gzip.compress(b"<a>" * (1 << 20) * 200, 9)  # 600 MiB in half a megabyte.


def gzip_bomb(handler):
    handler.begin(200, "text/xml", len(_BOMB), Content_Encoding="gzip")
    handler.wfile.write(_BOMB)


def huge(handler):
    handler.begin(200, "text/xml", GIGABYTE)
    piece = b"<x/>" * (1 << 18)
    for _ in range(GIGABYTE // len(piece)):
        handler.wfile.write(piece)
        handler.server.sent_size += len(piece)


def cut(handler):
    handler.begin(200, "text/xml", 5000)
    handler.wfile.write(b"<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult>")
    handler.close_connection = True


def failing(handler):
    body = b"<ErrorResponse><Error><Code>InternalFailure</Code><Message>try later</Message></Error></ErrorResponse>"
    handler.begin(500, "text/xml", len(body))
    handler.wfile.write(body)


def echo_secrets(handler):
    """Repeats what authenticates the request in its error, as careless gateways do."""
    told = " ".join(f"{k}: {v}" for k, v in handler.headers.items())
    body = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{told}</Message></Error></ErrorResponse>".encode()
    handler.begin(403, "text/xml", len(body))
    handler.wfile.write(body)


class BadServer:
    def __init__(self, behaviour, certificate=None):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.behaviour = behaviour
        self._server.request_count = self._server.sent_size = 0
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def request_count(self):
        return self._server.request_count

    @property
    def sent_size(self):
        return self._server.sent_size

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


def self_signed(folder):
    """(certificate, key) of a server that nobody vouches for."""
    certificate, key = folder / "server.pem", folder / "server.key"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key]
    subprocess.run(argv, check=True, capture_output=True)
    return certificate, key
