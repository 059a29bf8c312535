"""The server as a test holds it: objects, users, files for clients, faults."""

import base64
import json
import secrets
import shutil
import tempfile
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from .certificates import write_certificates
from .listener import KINDS, Listener, Object

__all__ = ["KubernetesServer", "Rule"]


@dataclass(frozen=True)
class Rule:
    """One rule of RBAC; an empty ``namespace`` or ``names`` means all.

    With ``names``, ``list`` and ``watch`` need the field selector
    ``metadata.name=NAME``, as in a cluster.
    """

    kind: str
    verbs: tuple[str, ...] = ("get", "list", "watch")
    namespace: str = ""
    names: tuple[str, ...] = ()

    def allows(self, verb: str, kind: str, namespace: str, name: str) -> bool:
        there = self.namespace in ("", namespace) and (name in (self.names or (name,)))
        return self.kind == kind and verb in self.verbs and there


class KubernetesServer:
    """An API server on a free port of 127.0.0.1, from ``with`` to its end.

    Attributes:
        admin_token: The token of a user who may read everything.
        requests: (path with query, user) of every request that was authenticated.
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

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="kubernetes-"))
        self._http = Listener(self, write_certificates(self._folder))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with self.changed:
            self.changed.notify_all()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        shutil.rmtree(self._folder)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_path(self) -> Path:
        return self._folder / "ca.crt"

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a pod finds the server."""
        host, port = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
        return {host: "127.0.0.1", port: str(self.port)}

    def user(self, name: str, *rules: Rule) -> str:
        """A token by which ``name`` may do what the rules say, and nothing else."""
        token = secrets.token_urlsafe(32)
        self.users[token] = (name, rules)
        return token

    def kubeconfig(self, path: Path, *, token: str = "", namespace: str = "") -> Path:
        """Write a kubeconfig; without a token it has the administrator's."""
        ca = base64.b64encode(self.ca_path.read_bytes()).decode()
        cluster = {"server": self.url, "certificate-authority-data": ca}
        user = {"token": token or self.admin_token}
        context = {"cluster": "test", "user": "test"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
            "contexts": [
                {
                    "name": "test",
                    "context": context
                    | ({"namespace": namespace} if namespace else {}),
                }
            ],
            "current-context": "test",
        }
        # JSON is YAML.
        path.write_text(json.dumps(config, indent=2))
        return path

    def service_account(
        self, folder: Path, *, namespace: str = "default", token: str = ""
    ) -> Path:
        """Write token, ca.crt and namespace as the kubelet mounts them into a pod."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(token or self.admin_token)
        (folder / "namespace").write_text(namespace)
        shutil.copyfile(self.ca_path, folder / "ca.crt")
        return folder

    def put_config_map(
        self,
        namespace: str,
        name: str,
        data: Mapping[str, str],
        binary: Mapping[str, bytes] | None = None,
    ) -> None:
        body = {"data": dict(data), "binaryData": _encoded(binary or {})}
        body = {field: content for field, content in body.items() if content}
        self._put("configmaps", namespace, name, body)

    def put_secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        body = {"data": _encoded(data), "type": "Opaque"}
        self._put("secrets", namespace, name, body)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        with self.changed:
            self._record("DELETED", kind, self.objects.pop((kind, namespace, name)))

    def bookmark(self, kind: str) -> None:
        """Send a bookmark to the watches of ``kind`` that asked for them."""
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
        """Accept the next connections and say nothing, not even of TLS."""
        self.faults += ["hang"] * times

    def drop(self, times: int = 1) -> None:
        """Close the next connections at once."""
        self.faults += ["drop"] * times

    def _put(self, kind: str, namespace: str, name: str, body: Object) -> None:
        place = (kind, namespace, name)
        with self.changed:
            before = self.objects.get(place)
            born = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            metadata = (
                before["metadata"]
                if before
                else {
                    "name": name,
                    "namespace": namespace,
                    "uid": str(uuid.uuid4()),
                    "creationTimestamp": born,
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


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}
