"""The API server as a test that watches closely needs it: without a kubectl process for each request.

    api = KubeApi(cluster)
    watch = KubeWatch(api, f"{API}/namespaces/ns/recommendations")
    watch.events()                                      # [Event(time, "ADDED", {...}), ...], nothing left out

SPDX-License-Identifier: Apache-2.0
"""

import dataclasses
import http.client
import json
import ssl
import threading
import time
import urllib.parse

API = "/apis/trimtab.dev/v1alpha1"


class KubeApi:
    def __init__(self, cluster):
        self._host = urllib.parse.urlsplit(cluster.url)
        self._tls = ssl.create_default_context(cafile=str(cluster.ca_path))
        self._token = cluster.token
        self._local = threading.local()

    def connect(self, seconds=30.0):
        return http.client.HTTPSConnection(self._host.hostname, self._host.port, context=self._tls, timeout=seconds)

    def headers(self, **more):
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **more}

    def request(self, method, path, body=None, content_type="application/json"):
        """The decoded reply; each thread has a connection of its own. Where the server says later, it is asked later, and
        again on a new connection where it has closed the old one: what is asked here may come twice."""
        data = json.dumps(body).encode() if body is not None else None
        headers = self.headers(**({"Content-Type": content_type} if data else {}))
        for _ in range(20):
            try:
                status, text = self._exchange(method, path, data, headers)
            except (OSError, http.client.HTTPException) as error:
                status, text = 0, str(error).encode()
            if status not in (0, 429):
                break
            time.sleep(0.5 if status else 0.05)
        if status == 0:
            raise ConnectionError(f"{method} {path}: {text.decode()}")
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {text[:500]!r}")
        return json.loads(text)

    def _exchange(self, method, path, data, headers):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.connect()
        try:
            connection.request(method, path, data, headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            self._local.connection = None
            connection.close()
            raise

    def get(self, path):
        return self.request("GET", path)

    def patch(self, path, body):
        return self.request("PATCH", path, body, "application/merge-patch+json")


@dataclasses.dataclass
class Event:
    time: float  # time.monotonic() when it was read
    type: str
    object: dict


class KubeWatch:
    """Every event of a collection from now on, on a thread of its own. A gap (410) is an error, which events() raises.
    on_event(event) is called on that thread."""

    def __init__(self, api, path, on_event=None):
        self._api, self._path, self._on_event = api, path, on_event
        self._lock = threading.Lock()
        self._events, self._error, self._stopping = [], None, False
        listed = api.get(path)
        self._version = listed["metadata"]["resourceVersion"]
        for item in listed["items"]:
            self._take("ADDED", item)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def events(self):
        with self._lock:
            if self._error:
                raise self._error
            return list(self._events)

    def stop(self):
        self._stopping = True

    def _take(self, kind, item):
        event = Event(time.monotonic(), kind, item)
        with self._lock:
            self._events.append(event)
        if self._on_event:
            self._on_event(event)

    def _stream(self):
        connection = self._api.connect(seconds=30.0)
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds=20&resourceVersion={self._version}"
        try:
            connection.request("GET", self._path + query, headers=self._api.headers())
            reply = connection.getresponse()
            if reply.status == 429:
                raise ConnectionError("later")
            if reply.status != 200:
                raise RuntimeError(f"watch {self._path}: {reply.status} {reply.read()[:500]!r}")
            while line := reply.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RuntimeError(f"watch {self._path}: {event['object']}")
                self._version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._take(event["type"], event["object"])
        finally:
            connection.close()

    def _run(self):
        while not self._stopping:
            try:
                self._stream()
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)  # From the last version that was read: nothing is lost.
            except Exception as error:  # noqa: BLE001 — events() tells.
                with self._lock:
                    self._error = error
                return
