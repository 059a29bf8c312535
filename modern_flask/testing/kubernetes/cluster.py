"""The state of a cluster: objects and their changes, users and rules, faults."""

import base64
import secrets
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

__all__ = ["KINDS", "Cluster", "Object", "Rule"]

KINDS = {"configmaps": "ConfigMap", "secrets": "Secret"}
Object: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """A rule of RBAC; an empty ``namespace`` or ``names`` means all.

    With ``names``, ``list`` and ``watch`` need the field selector
    ``metadata.name=NAME``, as in a cluster.
    """

    kind: str
    verbs: tuple[str, ...] = ("get", "list", "watch")
    namespace: str = ""
    names: tuple[str, ...] = ()

    def allows(self, verb: str, kind: str, namespace: str, name: str) -> bool:
        covered = self.namespace in ("", namespace) and (
            name in (self.names or (name,))
        )
        return self.kind == kind and verb in self.verbs and covered


class Cluster:
    """ConfigMaps and Secrets in memory, with the users who may read them.

    Attributes:
        admin_token: The token of a user who may read everything.
        users: The name and the rules of the user of each token.
        requests: (path with query, user) of every request that was authenticated.
        objects: Each object by its kind, namespace and name.
        events: (version, type, kind, object) of every change since ``compacted``.
        version: The version of the last change.
        compacted: The version up to which changes are forgotten.
        changed: Notified at each change; it also locks the objects and events.
        closing: Set when the server closes.
        faults: A status, ``hang`` or ``drop`` for each of the next requests.
    """

    def __init__(self) -> None:
        self.users: dict[str, tuple[str, tuple[Rule, ...]]] = {}
        self.admin_token = self.user("kubernetes-admin", *map(Rule, KINDS))
        self.requests: list[tuple[str, str]] = []
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.events: list[tuple[int, str, str, Object]] = []
        self.version = self.compacted = 1
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.faults: list[int | str] = []

    def user(self, name: str, *rules: Rule) -> str:
        """Add a user with these rules, and return the user's token."""
        token = secrets.token_urlsafe(32)
        self.users[token] = (name, rules)
        return token

    def put_config_map(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, str],
        binary: Mapping[str, bytes] | None = None,
    ) -> None:
        body = {"data": dict(data), "binaryData": _encode(binary or {})}
        body = {field: content for field, content in body.items() if content}
        self._store("configmaps", namespace, name, body)

    def put_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        body = {"data": _encode(data), "type": "Opaque"}
        self._store("secrets", namespace, name, body)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        with self.changed:
            self._record("DELETED", kind, self.objects.pop((kind, namespace, name)))

    def bookmark(self, kind: str) -> None:
        """Send a bookmark to the watches of ``kind`` that requested bookmarks."""
        with self.changed:
            item = {"kind": KINDS[kind], "apiVersion": "v1"}
            metadata = {"creationTimestamp": None}
            self._record("BOOKMARK", kind, {**item, "metadata": metadata})

    def compact(self) -> None:
        """Forget all changes: a watch from an older version gets 410."""
        with self.changed:
            self.compacted = self.version
            self.events.clear()

    def fail(self, status: int, times: int = 1) -> None:
        """Answer the next requests with ``status``."""
        self.faults += [status] * times

    def hang(self, times: int = 1) -> None:
        """Accept the next connections and send nothing, not even a TLS handshake."""
        self.faults += ["hang"] * times

    def drop(self, times: int = 1) -> None:
        """Close the next connections at once."""
        self.faults += ["drop"] * times

    def _store(self, kind: str, namespace: str, name: str, body: Object) -> None:
        place = (kind, namespace, name)
        with self.changed:
            before = self.objects.get(place)
            created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata = (
                before["metadata"]
                if before
                else {
                    "name": name,
                    "namespace": namespace,
                    "uid": str(uuid.uuid4()),
                    "creationTimestamp": created,
                }
            )
            head = {"kind": KINDS[kind], "apiVersion": "v1", "metadata": metadata}
            type_ = "MODIFIED" if before else "ADDED"
            self.objects[place] = self._record(type_, kind, {**head, **body})

    def _record(self, type_: str, kind: str, item: Object) -> Object:
        self.version += 1
        metadata = {**item["metadata"], "resourceVersion": str(self.version)}
        item = {**item, "metadata": metadata}
        self.events.append((self.version, type_, kind, item))
        self.changed.notify_all()
        return item


def _encode(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}
