"""Servers that fail, hang, answer nonsense, or are not clusters."""

import base64
import json
import traceback

import pytest

from modern_flask.config.errors import (
    CHECK_ADDRESS,
    MalformedAnswer,
    SourceRefused,
    SourceUnreachable,
    TLSFailed,
    TooLarge,
    WrongEncoding,
)
from modern_flask.config.execute import execute_source
from modern_flask.config.kubernetes import read_kubernetes
from modern_flask.config.source import KubernetesKey
from modern_flask.testing.kubernetes import KubernetesServer

ORDERS = "kubernetes://shop/configmaps/orders/config.py"
SECRET = "kubernetes://shop/secrets/orders/config.py"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures(read_key, cluster, pauses, status):
    """429 and 5xx lead to another attempt."""
    cluster.fail(status, times=2)

    assert read_key(ORDERS).body
    assert pauses == pytest.approx([1.0, 1.1])


def test_dropped_connections(read_key, cluster, pauses):
    """A connection that is closed in the handshake leads to another attempt."""
    cluster.drop(times=2)

    assert read_key(ORDERS).body
    assert len(pauses) == 2


def test_lasting_failure(key_fault, cluster, pauses):
    """Each attempt is one request: the client's own retries are off."""
    cluster.fail(503, times=99)

    error = key_fault(SourceUnreachable, ORDERS)

    assert str(error) == (
        f"{ORDERS} can't be reached: status 503 (6 attempts).\n"
        f"  fix      {CHECK_ADDRESS}"
    )
    assert len(cluster.requests) == 6


def test_silent_server(key_fault, cluster, pauses):
    """A server that is silent in the handshake takes one timeout for each attempt."""
    cluster.hang(times=6)

    error = key_fault(SourceUnreachable, ORDERS, timeouts=(0.05, 0.05))

    assert error.reason == "timed out"
    assert error.attempts == 6


def test_total_deadline(key_fault, cluster):
    """The deadline for all attempts holds with any timeouts."""
    cluster.hang()

    error = key_fault(SourceUnreachable, ORDERS, timeouts=(60.0, 60.0), total=0.2)

    assert error.reason == "timed out"


def test_closed_port(closed_port, tmp_path, cluster, pauses):
    """The reason of a refused connection is one of the known words."""
    folder = cluster.service_account(tmp_path / "account")
    environ = {**cluster.environ, "KUBERNETES_SERVICE_PORT": str(closed_port)}

    with pytest.raises(SourceUnreachable) as caught:
        read_kubernetes(
            KubernetesKey("shop", "configmaps", "orders", "config.py"),
            environ=environ,
            service_account=folder,
            retries=pauses.retries(),
        )

    assert caught.value.reason == "connection refused"


def test_wrong_ca(tmp_path, cluster, pauses):
    """Nothing is sent to a cluster whose certificate the CA did not sign."""
    folder = cluster.service_account(tmp_path / "account")
    with KubernetesServer() as other:
        (folder / "ca.crt").write_bytes(other.ca_path.read_bytes())

    with pytest.raises(TLSFailed) as caught:
        read_kubernetes(
            KubernetesKey("shop", "configmaps", "orders", "config.py"),
            environ=cluster.environ,
            service_account=folder,
            retries=pauses.retries(),
        )

    # OpenSSL words it by version; a CA of the same name has a wrong signature.
    assert str(caught.value) == (
        f"The TLS connection for {ORDERS} failed: {caught.value.reason}.\n"
        "  fix      check the cluster's CA in the service account or the kubeconfig"
    )
    assert caught.value.reason
    assert cluster.requests == []
    assert pauses == []


def answering(web, reply, tmp_path, body, kind="secrets", **headers):
    """A kubeconfig for a plain server that is not a cluster."""
    path = f"/api/v1/namespaces/shop/{kind}/orders"
    web.on(path, reply(body, **headers))
    config = {
        "clusters": [{"name": "c", "cluster": {"server": web.url("")}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "current-context": "x",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    return {"KUBECONFIG": str(tmp_path / "kubeconfig")}


def secret(value: str) -> bytes:
    return json.dumps({"kind": "Secret", "data": {"config.py": value}}).encode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            b"<html>hunter2</html>",
            f"{SECRET}: the answer is not a Secret.\n  fix      "
            "check that the address is an API server, and not a proxy",
        ),
        (
            b'{"kind": "ConfigMap"}',
            f"{SECRET}: the answer is not a Secret.\n  fix      "
            "check that the address is an API server, and not a proxy",
        ),
        (
            secret("hunter2!"),
            f"{SECRET}: its value is not base64.\n"
            "  fix      create the object with kubectl",
        ),
        (
            b'{"kind": "Secret", "data": "hunter2"}',
            f"{SECRET}: its data is not a mapping of keys.\n"
            "  fix      create the object with kubectl",
        ),
        (
            b'{"kind": "Secret", "data": ["hunter2"]}',
            f"{SECRET}: its data is not a mapping of keys.\n"
            "  fix      create the object with kubectl",
        ),
        (
            b'{"kind": "Secret", "data": {"config.py": {"hunter2": 1}}}',
            f"{SECRET}: its value is not a text.\n"
            "  fix      create the object with kubectl",
        ),
        (
            b'{"kind": "Secret", "data": {"config.py": null}}',
            f"{SECRET}: its value is not a text.\n"
            "  fix      create the object with kubectl",
        ),
        (
            secret("hunter2\u00e9"),
            f"{SECRET}: its value is not base64.\n"
            "  fix      create the object with kubectl",
        ),
        (
            b'{"kind": "Secret", "data": ' + b"[" * 100_000,
            f"{SECRET}: the answer is not a Secret.\n  fix      "
            "check that the address is an API server, and not a proxy",
        ),
    ],
)
def test_malformed_answers(web, reply, tmp_path, body, text):
    """The error about an answer that is not a Kubernetes object leaves out its text."""
    environ = answering(web, reply, tmp_path, body)

    with pytest.raises(MalformedAnswer) as caught:
        read_kubernetes(
            KubernetesKey("shop", "secrets", "orders", "config.py"), environ=environ
        )

    assert str(caught.value) == text
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_config_map_that_is_not_unicode(web, reply, tmp_path):
    """Half of a surrogate pair is not a text; Python's error would hold the value."""
    body = b'{"kind": "ConfigMap", "data": {"config.py": "hunter2\\ud800"}}'
    environ = answering(web, reply, tmp_path, body, kind="configmaps")

    with pytest.raises(MalformedAnswer, match="its value is not Unicode") as caught:
        read_kubernetes(
            KubernetesKey("shop", "configmaps", "orders", "config.py"), environ=environ
        )

    assert caught.value.__context__ is None


def test_secret_of_other_bytes(web, reply, tmp_path):
    """A Secret whose bytes are not UTF-8 is a fault with the line, not the bytes."""
    body = secret(base64.b64encode(b"A = 1\nB = 'hunter2\xff'").decode())
    environ = answering(web, reply, tmp_path, body)
    key = KubernetesKey("shop", "secrets", "orders", "config.py")

    content = read_kubernetes(key, environ=environ)
    with pytest.raises(WrongEncoding) as caught:
        execute_source(content.body, content.file, content.name)

    assert str(caught.value).startswith("The configuration is not encoded in UTF-8.")
    assert "line 2" in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_too_large(web, reply, tmp_path):
    """An answer that is too large for an object is not read."""
    environ = answering(web, reply, tmp_path, b"x", content_length="5000000")

    with pytest.raises(TooLarge):
        read_kubernetes(
            KubernetesKey("shop", "secrets", "orders", "config.py"), environ=environ
        )


def test_redirects_are_not_followed(web, reply, tmp_path):
    """A redirect could carry the token to another host."""
    environ = answering(web, reply, tmp_path, b"", status=302, location="/other")

    with pytest.raises(SourceRefused) as caught:
        read_kubernetes(
            KubernetesKey("shop", "secrets", "orders", "config.py"), environ=environ
        )

    assert caught.value.status == 302
    assert len(web.requests) == 1
