"""A proxy in front of an emulated AWS: what the controller sends goes through it, is written down, and can be disturbed.

    proxy = AwsProxy(moto.url)
    proxy.name_sender(process.pid, "leader")                       # else senders are told apart by process id
    proxy.add_rule("SetDesiredCapacity", drop_reply=True, times=1) # forwarded, but the sender never hears of it
    proxy.mutations()                                              # [Request(action="SetDesiredCapacity", ...)]

A request is forwarded byte for byte with the Host that the sender signed, on a connection of its own, and never sent
twice: so what the log shows as forwarded is what the cloud was asked.

SPDX-License-Identifier: Apache-2.0
"""

import dataclasses
import http.client
import http.server
import os
import re
import threading
import time
import urllib.parse

READS = ("Describe", "Get", "List", "AssumeRole", "Estimate", "Search", "GET ", "HEAD ")  # S3 has no words but the method.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclasses.dataclass
class Request:
    """One request as it came in; status 0: not answered (yet, or the cloud never was asked)."""

    time: float  # time.monotonic()
    sender: str
    action: str
    params: dict
    region: str = ""  # Of the signature.
    status: int = 0
    forwarded: bool = False
    replied: bool = False  # The sender got the answer.

    @property
    def mutates(self):
        return not self.action.startswith(READS)


class Rule:
    """What happens to requests of these actions; see AwsProxy.add_rule. fired counts them."""

    def __init__(self, actions, times=None, delay=0.0, delay_reply=0.0, refuse=False, drop_reply=False, answer=None, before=None, after=None):
        self.actions = {actions} if isinstance(actions, str) else set(actions)
        self.left, self.fired = times, 0
        self.delay, self.delay_reply, self.refuse, self.drop_reply = delay, delay_reply, refuse, drop_reply
        self.answer, self.before, self.after = answer, before, after


class AwsProxy:
    """on_request(request) is called on the proxy's thread for each request before anything is done with it. A judge may
    answer in the cloud's place: judge.answer(request) gives (status, body), or None to forward; of what was forwarded
    judge.amend(request, status, body) gives the (status, body) that the sender gets. See tests/clouds/aws_strict.py."""

    def __init__(self, upstream, on_request=None, judge=None):
        self.upstream = urllib.parse.urlsplit(upstream)
        self.on_request = on_request
        self.judge = judge
        self._lock = threading.Lock()
        self._log, self._rules, self._names = [], [], {}
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    # ---- the log ----

    def requests(self, action=None):
        """What came in, oldest first; of one action where it is given."""
        with self._lock:
            return [r for r in self._log if action is None or r.action == action]

    def mutations(self):
        return [r for r in self.requests() if r.mutates]

    def forget(self):
        with self._lock:
            self._log.clear()

    def name_sender(self, pid, name):
        with self._lock:
            self._names[pid] = name

    # ---- disturbances ----

    def add_rule(self, actions, **what):
        """For requests of these actions ("*": every one): wait `delay` seconds before and `delay_reply` after forwarding;
        `refuse` closes the connection instead of forwarding, `drop_reply` closes it instead of answering, `answer` =
        (status, [(header, value)], body) is said instead of forwarding; before(request)
        and after(request) are called on the proxy's thread. Only the first `times` of them, where given. Returns the rule;
        the first that matches a request is the one."""
        rule = Rule(actions, **what)
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove_rule(self, rule):
        with self._lock:
            self._rules.remove(rule)

    def clear_rules(self):
        with self._lock:
            self._rules.clear()

    # ---- for the handler ----

    def _begin(self, request):
        with self._lock:
            self._log.append(request)
            for rule in self._rules:
                if rule.left != 0 and (request.action in rule.actions or "*" in rule.actions):
                    rule.fired += 1
                    if rule.left is not None:
                        rule.left -= 1
                    return rule
        return Rule("*")

    def _sender_of(self, port):
        with self._lock:
            names = dict(self._names)
        inode = _inode_of(port, self.port)
        for pid, name in names.items():
            if inode and _holds(pid, inode):
                return name
        return "?"


def _inode_of(local_port, remote_port):
    """Of the socket on this machine that is connected from local_port to remote_port."""
    with open("/proc/net/tcp") as table:
        next(table)
        for line in table:
            fields = line.split()
            if int(fields[1][-4:], 16) == local_port and int(fields[2][-4:], 16) == remote_port:
                return fields[9]
    return None


def _holds(pid, inode):
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                return True
    except OSError:
        pass  # It ended meanwhile, or the file was closed between the two calls.
    return False


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None
    sender = None

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        self.sender = self.owner._sender_of(self.client_address[1])  # Before it sends, for it may end meanwhile.

    def _forward(self, body):
        upstream = self.owner.upstream
        connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        finally:
            connection.close()

    def _ask(self, request, body):
        judge = self.owner.judge
        verdict = judge.answer(request) if judge else None
        if verdict:
            return verdict[0], [("Content-Type", "text/xml;charset=UTF-8")], verdict[1]
        request.forwarded = True
        status, headers, answer = self._forward(body)
        if judge:
            status, answer = judge.amend(request, status, answer)
        return status, headers, answer

    def _answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = body.decode(errors="replace") or urllib.parse.urlsplit(self.path).query
        params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if self.sender in (None, "?"):
            self.sender = self.owner._sender_of(self.client_address[1])
        scope = re.search(r"Credential=[^/]*/\d+/([^/]+)/", self.headers.get("Authorization") or "")
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        action = params.get("Action") or target or f"{self.command} {self.path}"
        request = Request(time.monotonic(), self.sender, action, params, scope[1] if scope else "")
        if self.owner.on_request:
            self.owner.on_request(request)
        rule = self.owner._begin(request)
        if rule.before:
            rule.before(request)
        time.sleep(rule.delay)
        if rule.refuse:
            self.close_connection = True
            return
        if rule.answer:
            request.status = rule.answer[0]
            self._answer(*rule.answer)
            return
        status, headers, answer = self._ask(request, body)
        request.status = status
        if rule.after:
            rule.after(request)
        time.sleep(rule.delay_reply)
        if rule.drop_reply:
            self.close_connection = True
            return
        try:
            self._answer(status, headers, answer)
            request.replied = True
        except OSError:  # The sender is gone: that is what some tests are about.
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve
