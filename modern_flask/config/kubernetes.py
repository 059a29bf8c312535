"""A configuration in a ConfigMap or a Secret.

The loaders of the client library find the cluster, and one plain GET reads the object:
the typed models of the library take three times as long to start, and their ``repr``
prints the data of a Secret.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Fault, make_import_fault
from ..failures import tls_reason
from ..waiting import Retries
from .cluster import SERVICE_ACCOUNT, Cluster, find_cluster
from .content import Content
from .errors import (
    KubernetesForbidden,
    KubernetesKeyMissing,
    KubernetesMissing,
    KubernetesUnauthorized,
    MalformedAnswer,
    SourceRefused,
    TemporaryFailure,
    TLSFailed,
)
from .network import (
    ReadTimeouts,
    describe_failure,
    is_retryable,
    make_backoff,
    read_body,
    read_with_retries,
)
from .source import KubernetesKey

__all__ = ["BACKOFF", "TIMEOUTS", "read_kubernetes"]

_LARGEST = 4 * 1024 * 1024
"""Bytes: an object has 1 MiB of data at most; base64 and managed fields add to it."""

BACKOFF = make_backoff(30.0)
"""30 seconds for all attempts: replacing an API server takes some seconds."""

TIMEOUTS: ReadTimeouts = (2.0, 5.0)
"""Seconds to connect, and seconds to wait for the next bytes."""


def read_kubernetes(
    source: KubernetesKey,
    *,
    environ: Mapping[str, str],
    service_account: Path = SERVICE_ACCOUNT,
    retries: Retries | None = None,
    timeouts: ReadTimeouts = TIMEOUTS,
) -> Content:
    """Read one key of one object.

    Args:
        source: The key. If it has no namespace, the namespace of the service account
            counts, then that of the kubeconfig's context, then ``default``.
        environ: Holds ``KUBERNETES_SERVICE_HOST`` and ``KUBERNETES_SERVICE_PORT`` in a
            pod, and ``KUBECONFIG`` elsewhere.
        service_account: The folder with ``token``, ``ca.crt`` and ``namespace``.
        retries: The attempts and the time for all of them, ``BACKOFF`` by default. Only
            network failures, 429 and 5xx lead to another attempt.
        timeouts: Seconds to connect, and seconds to wait for the next bytes.

    Raises:
        MissingExtra, BrokenPackage: The package ``kubernetes`` is not installed, or
            can't be imported.
        NoClusterAccess, UnreadableFile: No service account or kubeconfig can be used.
        LoginFailed: The login that the kubeconfig names gives no credentials.
        KubernetesUnauthorized, KubernetesForbidden, KubernetesMissing,
        KubernetesKeyMissing, SourceRefused: The API server does not return the key.
        SourceUnreachable, TLSFailed, TooLarge, MalformedAnswer: See each.
    """
    try:
        import kubernetes  # noqa: F401
    except ImportError as error:
        raise make_import_fault(
            error, "kubernetes", "CONFIG_SOURCE", "kubernetes", "kubernetes"
        ) from error

    def read() -> tuple[KubernetesKey, bytes]:
        cluster = find_cluster(source, environ, service_account)
        where = source.namespace or cluster.namespace
        full = KubernetesKey(where, source.kind, source.name, source.key)
        return full, _get_object(full, cluster, timeouts)

    full, body = read_with_retries(str(source), read, retries or Retries(BACKOFF))
    name = str(full)
    return Content(_extract_value(full, body), name, name)


def _get_object(
    source: KubernetesKey, cluster: Cluster, timeouts: ReadTimeouts
) -> bytes:
    """Request the object as JSON, once."""
    failure: Fault | TemporaryFailure
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
                return _read_answer(source, cluster, answer)
            finally:
                answer.close()
    except Exception as error:
        if isinstance(error, Fault | TemporaryFailure):
            raise
        failure = _explain(source, error)
    # Raised outside of the handler: the text of the library's error may hold a token.
    raise failure


def _read_answer(source: KubernetesKey, cluster: Cluster, answer: Any) -> bytes:
    status = answer.status
    if is_retryable(status):
        raise TemporaryFailure(f"status {status}")
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
    if status in (401, 403) and cluster.no_login is not None:
        raise cluster.no_login
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
        str(source), status, f"check that {cluster.server} is an API server"
    )


def _explain(source: KubernetesKey, error: Exception) -> Fault | TemporaryFailure:
    if reason := tls_reason(error):
        remedy = "check the cluster's CA in the service account or the kubeconfig"
        return TLSFailed(str(source), reason, remedy)
    return TemporaryFailure(describe_failure(error))


def _extract_value(source: KubernetesKey, body: bytes) -> bytes:
    """Return the bytes of the key; Secrets and ``binaryData`` encode them as base64.

    Raises:
        KubernetesKeyMissing: The object lacks the key; the error lists its keys.
        MalformedAnswer: The answer is not a Kubernetes object, or its data are wrong.
    """
    found = _parse_object(source, body)
    text = _get_mapping(source, found, "data")
    binary = _get_mapping(source, found, "binaryData")
    if source.kind == "secrets":
        text, binary = {}, text
    if source.key not in {**text, **binary}:
        raise KubernetesKeyMissing(str(source), source.key, sorted([*text, *binary]))
    value = text.get(source.key, binary.get(source.key))
    if not isinstance(value, str):
        raise _make_malformed(source, "its value is not a text")
    try:
        if source.key in text:
            return value.encode()
        return base64.b64decode(value, validate=True)
    except UnicodeEncodeError:
        reason = "its value is not Unicode"
    except (binascii.Error, ValueError):
        reason = "its value is not base64"
    # Raised outside of the handler: an error about the encoding holds the value.
    raise _make_malformed(source, reason)


def _get_mapping(
    source: KubernetesKey, found: Mapping[str, Any], field: str
) -> dict[str, Any]:
    mapping = found.get(field)
    if mapping is not None and not isinstance(mapping, dict):
        raise _make_malformed(source, f"its {field} is not a mapping of keys")
    return mapping or {}


def _make_malformed(source: KubernetesKey, reason: str) -> MalformedAnswer:
    return MalformedAnswer(str(source), reason, "create the object with kubectl")


def _parse_object(source: KubernetesKey, body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    kind = {"configmaps": "ConfigMap", "secrets": "Secret"}[source.kind]
    if isinstance(found, dict) and found.get("kind") == kind:
        return found
    raise MalformedAnswer(
        str(source),
        f"the answer is not a {kind}",
        "check that the address is an API server, and not a proxy",
    )
