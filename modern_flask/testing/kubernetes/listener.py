"""The HTTPS listener. It reads requests and writes responses as kube-apiserver does."""

import json
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .cluster import KINDS, Cluster, Object, Rule

__all__ = ["Listener"]

_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}


class Listener(ThreadingHTTPServer):
    """Serves the API of a cluster over TLS."""

    daemon_threads = True

    def __init__(self, cluster: Cluster, context: ssl.SSLContext) -> None:
        self.cluster, self.context = cluster, context
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        connection, address = super().get_request()
        # The TLS handshake happens at the first read, in the connection's thread.
        wrapped = self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def handle_error(self, *_: object) -> None:
        """Log nothing: a client that refuses the certificate is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes. With Nagle's algorithm, the second waits 40 ms.
    disable_nagle_algorithm = True
    server: Listener

    def handle(self) -> None:
        faults = self.server.cluster.faults
        fault = faults.pop(0) if faults and isinstance(faults[0], str) else ""
        if fault == "hang":
            self.server.cluster.closing.wait()
        if not fault:
            super().handle()

    def log_message(self, *_: object) -> None:
        """Log nothing: tests read ``requests``."""

    def do_GET(self) -> None:
        cluster, parts = self.server.cluster, urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme and (scheme.lower() != "bearer" or token not in cluster.users):
            return self.send_status(401, "Unauthorized", "Unauthorized")
        user, rules = cluster.users.get(token, ("system:anonymous", ()))
        cluster.requests.append((self.path, user))
        if cluster.faults:
            status = int(cluster.faults.pop(0))
            return self.send_status(
                status, _REASONS.get(status, ""), "injected by the test"
            )
        match parts.path.strip("/").split("/"):
            case ["api", "v1", "namespaces", namespace, kind, name] if kind in KINDS:
                return self.read(user, rules, kind, namespace, name)
            case ["api", "v1", "namespaces", namespace, kind] if kind in KINDS:
                return self.browse(user, rules, kind, namespace)
            case ["api", "v1", kind] if kind in KINDS:
                return self.browse(user, rules, kind, "")
        return self.send(404, b"404 page not found\n", "text/plain; charset=utf-8")

    def read(
        self, user: str, rules: Sequence[Rule], kind: str, namespace: str, name: str
    ) -> None:
        if not any(rule.allows("get", kind, namespace, name) for rule in rules):
            return self.forbid(user, "get", kind, namespace, name)
        item = self.server.cluster.objects.get((kind, namespace, name))
        if item is None:
            details = {"name": name, "kind": kind}
            text = f'{kind} "{name}" not found'
            return self.send_status(404, "NotFound", text, details)
        return self.send_json(200, item)

    def browse(
        self, user: str, rules: Sequence[Rule], kind: str, namespace: str
    ) -> None:
        """Answer a list or a watch."""
        selector = self.query.get("fieldSelector", "").replace("==", "=")
        fields = dict(item.partition("=")[::2] for item in selector.split(",") if item)
        unknown = [
            f for f in fields if f not in ("metadata.name", "metadata.namespace")
        ]
        verb = "watch" if self.query.get("watch") in ("true", "1") else "list"
        name = fields.get("metadata.name", "")
        if not any(rule.allows(verb, kind, namespace, name) for rule in rules):
            return self.forbid(user, verb, kind, namespace, name)
        if unknown:
            known = 'only "metadata.name", "metadata.namespace"'
            text = f'"{unknown[0]}" is not a known field selector: {known}'
            return self.send_status(400, "BadRequest", text)

        def matches(item: Object) -> bool:
            found = item["metadata"]
            expected = {"name": name, "namespace": namespace}
            expected["namespace"] = fields.get("metadata.namespace", namespace)
            return all(found[key] == value for key, value in expected.items() if value)

        if verb == "watch":
            return self.watch(kind, matches)
        with self.server.cluster.changed:
            items = self.find_objects(kind, matches)
            version = str(self.server.cluster.version)
        bare = [
            {k: item[k] for k in item if k not in ("kind", "apiVersion")}
            for item in items
        ]
        head = {"kind": f"{KINDS[kind]}List", "apiVersion": "v1"}
        metadata = {"resourceVersion": version}
        return self.send_json(200, {**head, "metadata": metadata, "items": bare})

    def find_objects(
        self, kind: str, matches: Callable[[Object], bool]
    ) -> list[Object]:
        places = sorted(self.server.cluster.objects.items())
        return [item for place, item in places if place[0] == kind and matches(item)]

    def watch(self, kind: str, matches: Callable[[Object], bool]) -> None:
        cluster, start = self.server.cluster, self.query.get("resourceVersion") or "0"
        end = time.monotonic() + float(self.query.get("timeoutSeconds", 3600))
        bookmarks = self.query.get("allowWatchBookmarks") in ("true", "1")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with cluster.changed:
            seen = cluster.version if start == "0" else int(start)
            first = self.find_objects(kind, matches) if start == "0" else []
            expired = seen < cluster.compacted
        for item in first:
            self.send_event("ADDED", item)
        if expired:
            text = f"too old resource version: {seen} ({cluster.compacted})"
            self.send_event("ERROR", _make_status(410, "Expired", text))
        while not expired and not cluster.closing.is_set() and time.monotonic() < end:
            with cluster.changed:
                news = [event for event in cluster.events if event[0] > seen]
                if not news:
                    cluster.changed.wait(end - time.monotonic())
            for version, type_, of, item in news:
                seen = version
                expected = bookmarks if type_ == "BOOKMARK" else matches(item)
                if of == kind and expected:
                    self.send_event(type_, item)
        self.wfile.write(b"0\r\n\r\n")

    def send_event(self, type_: str, item: Object) -> None:
        line = json.dumps({"type": type_, "object": item}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def forbid(
        self, user: str, verb: str, kind: str, namespace: str, name: str
    ) -> None:
        what = f'{kind} "{name}"' if name else kind
        scope = (
            f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        )
        text = (
            f'{what} is forbidden: User "{user}" cannot {verb} resource "{kind}" '
            f'in API group "" {scope}'
        )
        details = {"name": name, "kind": kind} if name else {"kind": kind}
        self.send_status(403, "Forbidden", text, details)

    def send_status(
        self, code: int, reason: str, text: str, details: Object | None = None
    ) -> None:
        self.send_json(code, _make_status(code, reason, text, details))

    def send_json(self, code: int, body: Object) -> None:
        text = json.dumps(body, separators=(",", ":")) + "\n"
        self.send(code, text.encode(), "application/json")

    def send(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Audit-Id", str(uuid.uuid4()))
        self.send_header("Cache-Control", "no-cache, private")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _make_status(
    code: int, reason: str, text: str, details: Object | None = None
) -> Object:
    """Make a ``Status`` with its fields in the order of the real API server."""
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    text_fields = {"message": text, "reason": reason}
    return {
        **head,
        **text_fields,
        **({"details": details} if details else {}),
        "code": code,
    }
