"""Requests and answers, in kube-apiserver's words."""

import json
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from .server import KubernetesServer, Rule

__all__ = ["KINDS", "Listener", "Object", "status_body"]

KINDS = {"configmaps": "ConfigMap", "secrets": "Secret"}
_REASONS = {429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
Object = dict[str, Any]


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: "KubernetesServer", context: ssl.SSLContext) -> None:
        self.api, self.context = api, context
        super().__init__(("127.0.0.1", 0), _Answer)

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        connection, address = super().get_request()
        # The handshake happens at the first read, in the connection's own thread.
        wrapped = self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that refuses the certificate is an error here."""


class _Answer(BaseHTTPRequestHandler):
    """The answers to one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; with Nagle's algorithm the second one waits 40 ms.
    disable_nagle_algorithm = True
    server: Listener

    def handle(self) -> None:
        faults = self.server.api.faults
        fault = faults.pop(0) if faults and isinstance(faults[0], str) else ""
        if fault == "hang":
            self.server.api.closing.wait()
        if not fault:
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        api, parts = self.server.api, urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme and (scheme.lower() != "bearer" or token not in api.users):
            return self.status(401, "Unauthorized", "Unauthorized")
        user, rules = api.users.get(token, ("system:anonymous", ()))
        api.requests.append((self.path, user))
        if api.faults:
            status = int(api.faults.pop(0))
            return self.status(status, _REASONS.get(status, ""), "injected by the test")
        match parts.path.strip("/").split("/"):
            case ["api", "v1", "namespaces", namespace, kind, name] if kind in KINDS:
                return self.read(user, rules, kind, namespace, name)
            case ["api", "v1", "namespaces", namespace, kind] if kind in KINDS:
                return self.browse(user, rules, kind, namespace)
            case ["api", "v1", kind] if kind in KINDS:
                return self.browse(user, rules, kind, "")
        return self.send(404, b"404 page not found\n", "text/plain; charset=utf-8")

    def read(
        self, user: str, rules: Sequence["Rule"], kind: str, namespace: str, name: str
    ) -> None:
        if not any(rule.allows("get", kind, namespace, name) for rule in rules):
            return self.forbid(user, "get", kind, namespace, name)
        item = self.server.api.objects.get((kind, namespace, name))
        if item is None:
            details = {"name": name, "kind": kind}
            text = f'{kind} "{name}" not found'
            return self.status(404, "NotFound", text, details)
        return self.send_json(200, item)

    def browse(
        self, user: str, rules: Sequence["Rule"], kind: str, namespace: str
    ) -> None:
        """A list or a watch."""
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
            return self.status(400, "BadRequest", text)

        def matches(item: Object) -> bool:
            found = item["metadata"]
            wanted = {"name": name, "namespace": namespace}
            wanted["namespace"] = fields.get("metadata.namespace", namespace)
            return all(found[key] == value for key, value in wanted.items() if value)

        if verb == "watch":
            return self.watch(kind, matches)
        with self.server.api.changed:
            items = self.present(kind, matches)
            version = str(self.server.api.version)
        bare = [
            {k: item[k] for k in item if k not in ("kind", "apiVersion")}
            for item in items
        ]
        head = {"kind": f"{KINDS[kind]}List", "apiVersion": "v1"}
        metadata = {"resourceVersion": version}
        return self.send_json(200, {**head, "metadata": metadata, "items": bare})

    def present(self, kind: str, matches: Callable[[Object], bool]) -> list[Object]:
        places = sorted(self.server.api.objects.items())
        return [item for place, item in places if place[0] == kind and matches(item)]

    def watch(self, kind: str, matches: Callable[[Object], bool]) -> None:
        api, start = self.server.api, self.query.get("resourceVersion") or "0"
        end = time.monotonic() + float(self.query.get("timeoutSeconds", 3600))
        bookmarks = self.query.get("allowWatchBookmarks") in ("true", "1")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with api.changed:
            seen = api.version if start == "0" else int(start)
            first = self.present(kind, matches) if start == "0" else []
            expired = seen < api.compacted
        for item in first:
            self.event("ADDED", item)
        if expired:
            text = f"too old resource version: {seen} ({api.compacted})"
            self.event("ERROR", status_body(410, "Expired", text))
        while not expired and not api.closing.is_set() and time.monotonic() < end:
            with api.changed:
                news = [event for event in api.events if event[0] > seen]
                if not news:
                    api.changed.wait(end - time.monotonic())
            for version, type_, of, item in news:
                seen = version
                wanted = bookmarks if type_ == "BOOKMARK" else matches(item)
                if of == kind and wanted:
                    self.event(type_, item)
        self.wfile.write(b"0\r\n\r\n")

    def event(self, type_: str, item: Object) -> None:
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
        self.status(403, "Forbidden", text, details)

    def status(
        self, code: int, reason: str, text: str, details: Object | None = None
    ) -> None:
        self.send_json(code, status_body(code, reason, text, details))

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


def status_body(
    code: int, reason: str, text: str, details: Object | None = None
) -> Object:
    """A ``Status``, its fields in the order in which the API server writes them."""
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    told = {"message": text, "reason": reason}
    return {**head, **told, **({"details": details} if details else {}), "code": code}
