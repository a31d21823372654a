"""`trimtab forecast` and `trimtab backtest` with the history of a Prometheus-compatible server: Debian's own with a month
of demand, asked in windows; the same numbers give the same result as from a file; and what goes wrong is said.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json
import subprocess
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ports
import pytest
from prometheus_server import PrometheusServer

MINUTE, HOUR, DAY = 60, 3600, 86400
START = int(datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc).timestamp())
DAYS = 30
END = START + DAYS * DAY
GAP = range(START + 20 * DAY, START + 20 * DAY + 3 * HOUR)  # Nothing was recorded.
PASSWORD_HASH = "$2b$04$abcdefghijklmnopqrstuugIEnm3ZbWF6xb2GcoE3L1CoGJFMKtu."  # bcrypt of "swordfish"
POLICY = """\
apiVersion: trimtab.dev/v1alpha1
kind: ResourcePolicy
metadata: {name: web, namespace: platform}
spec:
  selector: {providers: [aws-prod], kinds: [InstanceGroup]}
  mode: Observe
  sla: {targetUtilization: 65, maxViolationPerMille: 10, leadTime: 10m}
  capacity: {min: 2, max: 60}
"""


def stamp(second):
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def demand(second):
    """A day's triangle and a roughness that is always the same."""
    of_day = abs(second % DAY - DAY // 2) / DAY
    return round(100 + 200 * of_day + (second // MINUTE * 7919 % 101) / 10, 3)


def openmetrics():
    """demand: two series, a sample a minute; moved: first one series, a week later another;
    broken: what is no number, and what is infinite."""
    lines = ["# TYPE demand gauge"]
    for job, factor in (("web", 1), ("api", 0.5)):
        lines += [f'demand{{job="{job}"}} {demand(at) * factor} {at}' for at in range(START, END, MINUTE) if at not in GAP]
    lines.append("# TYPE moved gauge")
    for pod, of_day in (("a", 1), ("b", 8)):
        lines += [f'moved{{pod="{pod}"}} 5 {START + of_day * DAY + i * MINUTE}' for i in range(60)]
    lines.append("# TYPE broken gauge")
    lines += [f"broken {value} {START + i * MINUTE}" for i, value in enumerate([1, "NaN", "+Inf", 2])]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = PrometheusServer(tmp_path_factory.mktemp("prometheus"), openmetrics())
    yield started
    started.stop()


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / f"{name}.key",
                    "-out", folder / f"{name}.pem"], check=True, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with TLS and a password; .folder has its certificate, that of another, and files of credentials."""
    folder = tmp_path_factory.mktemp("guarded")
    certificate(folder, "server")
    certificate(folder, "other")
    (folder / "right").write_text("ops:swordfish\n")
    (folder / "wrong").write_text("ops:trout-of-mine\n")
    web = (f"tls_server_config: {{cert_file: '{folder / 'server.pem'}', key_file: '{folder / 'server.key'}'}}\n"
           f"basic_auth_users: {{ops: '{PASSWORD_HASH}'}}\n")
    text = "\n".join(["# TYPE demand gauge", *(f"demand {i} {START + i * MINUTE}" for i in range(180)), "# EOF", ""])
    started = PrometheusServer(folder, text, web=web, scheme="https")
    started.folder = folder
    yield started
    started.stop()


class Odd:
    """Answers every request with `reply` (status, content type, body, more headers) and keeps what was asked."""

    def __init__(self):
        self.reply, self.asked = None, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.asked.append((self.path, dict(self.headers), {key: value[0] for key, value in form.items()}))
                status, kind, body, *headers = outer.reply
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        port = ports.claim_port()
        self.url = f"http://127.0.0.1:{port}"
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def odd():
    started = Odd()
    yield started
    started.stop()


def asked(url, query, since, until, step, *more):
    """The arguments for a history from `url`."""
    return ["--history", url, "--query", query, "--since", stamp(since), "--until", stamp(until), "--step", step, *more]


def rows(values):
    return "timestamp,value\n" + "".join(f"{stamp(at)},{value}\n" for at, value in values)


def exported(server, query, since, until, step):
    """What the server itself tells, a day at a time, as a file would have it: a row for each step."""
    told = {}
    for at in range(since, until + 1, DAY):
        form = urllib.parse.urlencode({"query": query, "start": at, "end": min(at + DAY, until), "step": step})
        with urllib.request.urlopen(f"{server.url}/api/v1/query_range?{form}") as reply:
            for series in json.load(reply)["data"]["result"]:
                told.update(series["values"])
    return rows((at, told.get(at, "")) for at in range(since, until + 1, step))


def test_a_month_in_windows_forecasts_as_the_same_numbers_from_a_file(runner, server, tmp_path):
    """43,200 points, where the server refuses more than 11,000: each is there, and each at its time. (The last sample
    before a gap counts for five minutes: that is how the server answers.)"""
    path = tmp_path / "series.csv"
    path.write_text(exported(server, 'demand{job="web"}', START, END - MINUTE, MINUTE))
    args = ["forecast", "--horizon", "60", "--quantiles", "0.1,0.5,0.99"]
    from_file = runner.call(*args, path)
    from_server = runner.call(*args, *asked(server.url + "/", 'demand{job="web"}', START, END - MINUTE, "1m"))
    assert from_server.returncode == from_file.returncode == 0, from_server.stderr
    assert from_server.stdout == from_file.stdout and len(from_server.stdout.splitlines()) == 61
    assert from_server.stderr == from_file.stderr and f"{DAYS * DAY // MINUTE - len(GAP) // MINUTE + 5} samples" in from_file.stderr


def test_origins_count_the_steps_and_what_is_missing_is_a_gap(runner, server, tmp_path):
    """The gap in the middle, and the hours behind the last sample: the forecast begins where the history was said to end."""
    until = END + 6 * HOUR
    path = tmp_path / "series.csv"
    path.write_text(exported(server, 'demand{job="web"}', START + 14 * DAY, until, 300))
    assert path.read_text().count(",\n") > 36 + 72 - 4
    args = ["forecast", "--horizon", "12", "--origins", f"288,{20 * 288 // 2},{(until - START) // 300 - 14 * 288 + 1}"]
    from_file = runner.call(*args, path)
    from_server = runner.call(*args, *asked(server.url, 'demand{job="web"}', START + 14 * DAY, until, "5m"))
    assert from_file.returncode == 0 and from_server.returncode == 0, from_server.stderr
    assert from_server.stdout == from_file.stdout and len(from_server.stdout.splitlines()) == 37


def test_a_backtest_replays_the_servers_history_as_that_of_a_file(runner, server, tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)
    path = tmp_path / "series.csv"
    path.write_text(exported(server, "sum(demand)", START + 20 * DAY, END - 10 * MINUTE, 600))
    args = ["backtest", "-f", tmp_path / "policy.yaml", "-o", "json"]
    from_file = runner.call(*args, "--demand", path)
    asks = asked(server.url, "sum(demand)", START + 20 * DAY, END - 10 * MINUTE, "10m")
    from_server = runner.call(*args, *asks)
    assert from_server.returncode == from_file.returncode == 0, from_server.stderr
    assert from_server.stdout == from_file.stdout and json.loads(from_server.stdout)["steps"] > 400
    text = runner.call(*args[:-2], *asks, "--plot", tmp_path / "f.svg")
    assert "policy platform/web on sum(demand): " in text.stdout and "sum(demand)" in (tmp_path / "f.svg").read_text()


@pytest.mark.parametrize(
    "query, code, said",
    [
        ("demand", 1, "--query: 2 series, one is expected: add them up, as in sum(...)"),
        ("nothing", 1, f"--query: no value from {stamp(START)} to {stamp(START + 10 * DAY)}"),
        ("moved", 1, "two series, one after the other"),
        ("sum(", 1, "unclosed left parenthesis"),
        ("demand * on(job) group_left nothing{", 1, "parse error"),
        ("broken", 1, f"at {stamp(START + 2 * MINUTE)}: the value is infinite"),
        ('"text"', 1, "invalid expression type"),
        ("vector(1)", 0, ""),
        ("7", 0, ""),
    ],
)
def test_what_a_query_gives_that_is_no_history_is_said(runner, server, query, code, said):
    """In windows of which the first alone would not tell: ten days of minutes."""
    done = runner.call("forecast", "--horizon", "3", *asked(server.url, query, START, START + 10 * DAY, "1m"))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    if code:
        assert done.stdout == "" and f"trimtab: {server.url}: --query: " in done.stderr
    else:
        assert len(done.stdout.splitlines()) == 4


def test_a_password_and_an_authority_are_taken_from_files(runner, guarded):
    folder = guarded.folder

    def call(*more):
        done = runner.call("forecast", "--horizon", "1", *asked(guarded.url, "demand", START, START + HOUR, "1m", *more))
        assert "trout" not in done.stderr and "swordfish" not in done.stderr
        return done

    trusted = ["--ca-file", folder / "server.pem"]
    done = call(*trusted, "--basic-auth-file", folder / "right")
    assert done.returncode == 0 and "61 samples" in done.stderr, done.stderr
    for more, said in (
        ([*trusted, "--basic-auth-file", folder / "wrong"], "HTTP status 401 (text/plain; charset=utf-8): the credential is refused"),
        (trusted, "see --token-file and --basic-auth-file"),
        (["--basic-auth-file", folder / "right"], "certificate"),
        (["--ca-file", folder / "other.pem", "--basic-auth-file", folder / "right"], "certificate"),
        (["--ca-file", folder / "right"], "holds no certificate in PEM"),
        (["--ca-file", folder / "none.pem"], "none.pem: No such file"),
        ([*trusted, "--basic-auth-file", folder / "server.pem"], "server.pem: one line is expected"),
        ([*trusted, "--token-file", folder / "none"], "none: No such file"),
    ):
        done = call(*more)
        assert done.returncode == 2 and said in done.stderr and done.stdout == "", (more, done.stderr)


def result(*series, **more):
    body = {"status": "success", "data": {"resultType": "matrix", "result": list(series)}, **more}
    return 200, "application/json", json.dumps(body).encode()


def test_a_token_is_sent_and_never_told(runner, odd, tmp_path):
    (tmp_path / "token").write_text("s3cret-token\n")
    args = ["forecast", "--horizon", "1", *asked(odd.url, "x", START, START + HOUR, "5m"), "--token-file", tmp_path / "token"]
    odd.reply = result({"metric": {}, "values": [[START, "1"], [START + 300, "2"]]})
    assert runner.call(*args).returncode == 0
    path, headers, form = odd.asked[0]
    assert path == "/api/v1/query_range" and headers["authorization"] == "Bearer s3cret-token"
    assert form == {"query": "x", "start": stamp(START), "end": stamp(START + HOUR), "step": "300"}
    odd.reply = 403, "application/json", b'{"status": "error", "error": "s3cret-token may not read"}'
    done = runner.call(*args)
    assert done.returncode == 2 and "HTTP status 403 ((text withheld))" in done.stderr and "s3cret" not in done.stderr


@pytest.mark.parametrize(
    "reply, code, said",
    [
        ((200, "text/html", b"<html>Sign in</html>"), 2, "the reply is text/html"),
        ((302, "text/html", b"", ("Location", "/login")), 2, "HTTP status 302 (text/html)"),
        ((502, "text/html", b"<html>Bad gateway</html>"), 2, "HTTP status 502 (text/html)"),
        ((503, "application/json", b'{"status": "error", "errorType": "timeout", "error": "query timed out"}'), 2, "query timed out"),
        ((422, "application/json", b'{"status": "error", "error": "many-to-many\\nmatching"}'), 1, "--query: many-to-many matching"),
        ((200, "application/json", b'{"status": "success", "data": {"result": {}}}'), 2, "no result of Prometheus"),
        ((200, "application/json", b'{"status": "succ'), 2, "JSON"),
        ((200, "application/json", b""), 2, "JSON"),
        ((200, "application/json", b" " * (17 << 20)), 1, "the reply is larger than 16 MiB: too many series"),
        (result({"metric": {"a": "b"}, "histograms": [[START, {}]]}), 1, '{"a":"b"}: has no numbers'),
        (result({"metric": {}, "values": [[START + 7, "1"]]}), 2, "a time that was not asked for"),
        (result({"metric": {}, "values": [[START - 300, "1"]]}), 2, "a time that was not asked for"),
        (result({"metric": {}, "values": [[START + DAY, "1"]]}), 2, "a time that was not asked for"),
        (result({"metric": {}, "values": [[START, "x"]]}), 2, "a point that is none"),
        (result({"metric": {}, "values": [[-1e300, "1"]]}), 2, "a point that is none"),
        (result({"metric": {}, "values": [[START, "1e39"]]}), 1, "the value is infinite or too large"),
        (result({"metric": {}, "values": [[START, "NaN"]]}), 1, "no value from"),
    ],
)
def test_an_answer_that_is_none_is_said(runner, odd, reply, code, said):
    odd.reply = reply
    done = runner.call("forecast", *asked(odd.url, "x", START, START + HOUR, "5m"))
    assert done.returncode == code and said in done.stderr and odd.url in done.stderr, done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1


def test_warnings_are_shown_once_and_one_point_keeps_its_step(runner, odd):
    """Of 25,000 points in three windows one is there. Its step is the one that was asked for."""
    odd.reply = result({"metric": {}, "values": []}, warnings=["store-2: no answer\x1b[31m", "store-2: no answer\x1b[31m"])
    args = asked(odd.url, "x", START, START + 24999 * 10, "10s")
    assert runner.call("forecast", *args).stderr.count("the server warns: store-2: no answer [31m\n") == 1
    windows = [(form["start"], form["end"]) for _, _, form in odd.asked]
    assert windows == [(stamp(START + a * 10), stamp(START + b * 10)) for a, b in ((0, 9999), (10000, 19999), (20000, 24999))]
    odd.reply = result({"metric": {}, "values": [[START, "3"]]})
    done = runner.call("forecast", *asked(odd.url, "x", START, START + 599, "10m"))
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1 + 144


def test_nothing_listens(runner):
    done = runner.call("forecast", *asked(f"http://127.0.0.1:{ports.claim_port()}", "x", START, END, "5m"))
    assert done.returncode == 2 and "connect" in done.stderr


def test_usage(runner, tmp_path):
    (tmp_path / "token").write_text("t\n")
    url = ["--history", "https://prometheus:9090"]
    good = [*url, "--query", "x"]
    for args, said in (
        (url, "--query is missing"),
        (["--query", "x"], "--history is missing"),
        ([*good, "series.csv"], "not both"),
        (["--history", "prometheus:9090", "--query", "x"], "http or https address"),
        (["--history", "https://user:pw@prometheus", "--query", "x"], "without user"),
        ([*good, "--step", "500ms"], "--step 500ms"),
        ([*good, "--step", "0s"], "--step 0s"),
        ([*good, "--since", "yesterday"], "--since yesterday"),
        ([*good, "--since", "1900-01-01T00:00:00Z"], "before 1970"),
        ([*good, "--until", "14d"], "--until 14d"),
        ([*good, "--since", "2026-03-02T00:00:00Z", "--until", "2026-03-01T00:00:00Z"], "no step of 5m"),
        ([*good, "--since", "365d", "--step", "1s"], "longer --step"),
        ([*good, "--token-file", tmp_path / "token", "--basic-auth-file", tmp_path / "token"], "not both"),
        (["--history", "http://prometheus:9090", "--query", "x", "--token-file", tmp_path / "token"], "https only"),
    ):
        done = runner.call("forecast", *args)
        assert done.returncode == 64 and said in done.stderr and "Traceback" not in done.stderr, (args, done.stderr)
        assert "user:pw" not in done.stderr
