"""A configuration in a ConfigMap or a Secret.

The client library's loaders find the cluster, and one raw GET reads the object: its
typed models cost three times the start and print a Secret's data in their ``repr``.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Fault, MissingExtra
from .cluster import SERVICE_ACCOUNT, Cluster, find_cluster
from .content import Content
from .errors import (
    KubernetesForbidden,
    KubernetesKeyMissing,
    KubernetesMissing,
    KubernetesUnauthorized,
    MalformedAnswer,
    SourceRefused,
    TLSFailed,
)
from .network import (
    Patience,
    ReadTimeouts,
    Transient,
    persistently,
    read_body,
    tls_failure,
    why,
    worth_retrying,
)
from .source import KubernetesKey

__all__ = ["read_kubernetes"]

# An object has at most 1 MiB of data; base64 and the managed fields come on top.
_LARGEST = 4 * 1024 * 1024  # bytes
# Seconds. An API server that is being replaced is away for some of them.
PATIENCE = Patience(total=30.0)
TIMEOUTS: ReadTimeouts = (2.0, 5.0)


def read_kubernetes(
    source: KubernetesKey,
    *,
    environ: Mapping[str, str],
    service_account: Path = SERVICE_ACCOUNT,
    patience: Patience = PATIENCE,
    timeouts: ReadTimeouts = TIMEOUTS,
) -> Content:
    """Read one key of one object.

    Args:
        source: Which. Without a namespace: that of the service account, else that of
            the kubeconfig's context, else ``default``.
        environ: Holds ``KUBERNETES_SERVICE_HOST`` and ``_PORT`` in a pod,
            ``KUBECONFIG`` elsewhere.
        service_account: The folder with ``token``, ``ca.crt`` and ``namespace``.
        patience: Attempts and total time; only network failures, 429 and 5xx count as
            worth another attempt.
        timeouts: Seconds to connect and to wait for the next bytes.

    Raises:
        MissingExtra: The package ``kubernetes`` is not installed.
        NoClusterAccess, UnreadableFile: There is no usable way to a cluster.
        KubernetesUnauthorized, KubernetesForbidden, KubernetesMissing,
        KubernetesKeyMissing, SourceRefused: What the API server said.
        SourceUnreachable, TLSFailed, TooLarge, MalformedAnswer: What came instead.
    """
    try:
        import kubernetes  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "kubernetes":
            raise
        raise MissingExtra("CONFIG_SOURCE", "kubernetes", "kubernetes") from None

    def read() -> tuple[KubernetesKey, bytes]:
        cluster = find_cluster(source, environ, service_account)
        where = source.namespace or cluster.namespace
        full = KubernetesKey(where, source.kind, source.name, source.key)
        return full, get(full, cluster, timeouts)

    full, body = persistently(str(source), read, patience)
    name = str(full)
    return Content(_value_of(full, body), name, name)


def get(source: KubernetesKey, cluster: Cluster, timeouts: ReadTimeouts) -> bytes:
    """The object as JSON, in one attempt."""
    failure: Fault | Transient
    try:
        with cluster.open_client() as client:
            request = client.param_serialize(
                method="GET",
                resource_path="/api/v1/namespaces/{namespace}/{kind}/{name}",
                path_params={
                    "namespace": source.namespace,
                    "kind": source.kind,
                    "name": source.name,
                },
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            answer = client.call_api(*request, _request_timeout=timeouts).response
            try:
                return _taken(source, cluster, answer)
            finally:
                answer.close()
    except Exception as error:
        if isinstance(error, Fault | Transient):
            raise
        failure = _explained(source, error)
    # Raised outside of the handler: a library's text may hold a token.
    raise failure


def _taken(source: KubernetesKey, cluster: Cluster, answer: Any) -> bytes:
    status = answer.status
    if worth_retrying(status):
        raise Transient(f"status {status}")
    read = partial(
        read_body,
        str(source),
        answer,
        answer.headers.get("Content-Encoding"),
        answer.headers.get("Content-Length"),
        _LARGEST,
    )
    if status == 200:
        return read()
    where = str(source.namespace)
    match status:
        case 401:
            raise KubernetesUnauthorized(str(source), cluster.server)
        case 403:
            user = re.search(rb'User \\"([^"\\]+)\\"', read())
            raise KubernetesForbidden(
                str(source),
                source.kind,
                source.name,
                where,
                user[1].decode("utf-8", "replace") if user else "",
            )
        case 404:
            raise KubernetesMissing(str(source), source.kind, source.name, where)
    raise SourceRefused(
        str(source), status, f"check that {cluster.server} is a cluster"
    )


def _explained(source: KubernetesKey, error: Exception) -> Fault | Transient:
    if reason := tls_failure(error):
        remedy = "check the cluster's CA in the service account or the kubeconfig"
        return TLSFailed(str(source), reason, remedy)
    return Transient(why(error))


def _value_of(source: KubernetesKey, body: bytes) -> bytes:
    """The bytes behind the key; base64 in Secrets and in ``binaryData``.

    Raises:
        KubernetesKeyMissing: There are other keys, which are named.
        MalformedAnswer: No object of Kubernetes, or no base64.
    """
    found = _parsed(source, body)
    text, binary = dict(found.get("data") or {}), dict(found.get("binaryData") or {})
    if source.kind == "secrets":
        text, binary = {}, text
    if source.key in text:
        return str(text[source.key]).encode()
    if source.key not in binary:
        raise KubernetesKeyMissing(str(source), source.key, sorted([*text, *binary]))
    try:
        return base64.b64decode(str(binary[source.key]), validate=True)
    except (binascii.Error, ValueError):
        pass
    raise MalformedAnswer(
        str(source), "its value is not base64", "write the object with kubectl"
    )


def _parsed(source: KubernetesKey, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    kind = {"configmaps": "ConfigMap", "secrets": "Secret"}[source.kind]
    if isinstance(found, dict) and found.get("kind") == kind:
        return found
    raise MalformedAnswer(
        str(source),
        f"the answer is no {kind}",
        "check that the address is that of an API server, and not of a proxy",
    )
