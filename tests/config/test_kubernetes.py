"""One key of a ConfigMap or a Secret, read by the real client over TLS."""

import sys
import threading
from pathlib import Path

import pytest

from modern_flask.config import kubernetes
from modern_flask.config.errors import (
    KubernetesForbidden,
    KubernetesKeyMissing,
    KubernetesMissing,
    KubernetesUnauthorized,
    SourceRefused,
)
from modern_flask.config.kubernetes import read_kubernetes
from modern_flask.config.source import KubernetesKey
from modern_flask.errors import MissingExtra
from modern_flask.testing.kubernetes import Rule

ORDERS = "kubernetes://shop/configmaps/orders/config.py"
SECRET = "kubernetes://shop/secrets/orders/config.py"


def test_config_map(read_key):
    """Text of a ConfigMap is read as UTF-8, under its full name."""
    content = read_key("kubernetes://configmaps/orders/config.py")

    assert content.body == "NAME = 'é'\n".encode()
    assert content.name == content.file == ORDERS


def test_binary_data(read_key):
    """Binary data of a ConfigMap is decoded from base64."""
    assert read_key("kubernetes://configmap/orders/latin.py").body == b"N = '\xe9'\n"


def test_secret(read_key):
    """The value of a Secret is decoded from base64, and no repr shows it."""
    content = read_key("kubernetes://secrets/orders/config.py")

    assert content.body == b"PASSWORD = 'hunter2'\n"
    assert "hunter2" not in repr(content)


def test_other_namespace(read_key, cluster):
    """The namespace in CONFIG_SOURCE is used."""
    cluster.put_config_map("stock", "orders", {"config.py": "A = 1\n"})

    assert read_key("kubernetes://stock/configmaps/orders/config.py").body == b"A = 1\n"


def test_one_get_of_one_name(read_key, cluster):
    """A Role that allows get on this one name is enough."""
    rule = Rule("configmaps", ("get",), "shop", ("orders",))
    token = cluster.user("system:serviceaccount:shop:orders", rule)

    read_key(ORDERS, token=token)

    assert cluster.requests == [
        (
            "/api/v1/namespaces/shop/configmaps/orders",
            "system:serviceaccount:shop:orders",
        )
    ]


def test_nothing_is_printed(read_key, capsys):
    """The library's loader prints to stdout; this one does not."""
    read_key(ORDERS)

    assert capsys.readouterr() == ("", "")


def test_missing_key(key_fault):
    """The error about a missing key lists the keys of the object."""
    error = key_fault(
        KubernetesKeyMissing, "kubernetes://shop/configmaps/orders/production.py"
    )

    assert str(error) == (
        "kubernetes://shop/configmaps/orders/production.py: "
        'there is no key "production.py".\n'
        "  fix      add the key, or name config.py or latin.py in CONFIG_SOURCE"
    )


def test_empty_secret(key_fault, cluster):
    """An object without data has no keys."""
    cluster.put_secret("shop", "empty", {})

    error = key_fault(KubernetesKeyMissing, "kubernetes://secrets/empty/config.py")

    assert str(error).endswith("\n  fix      add the key")


def test_unauthorized(key_fault, cluster, pauses):
    """A token that the cluster does not know is an error without a retry."""
    error = key_fault(KubernetesUnauthorized, ORDERS, token="unknown")

    assert str(error) == (
        f"The cluster {cluster.url} does not accept the credentials for {ORDERS}.\n"
        "  fix      renew the token: it has expired, or is for another cluster"
    )
    assert pauses == []


def test_forbidden(key_fault, cluster, pauses):
    """The error names the account, and the verb and the object that RBAC must allow."""
    token = cluster.user("system:serviceaccount:shop:orders", Rule("configmaps"))

    error = key_fault(KubernetesForbidden, SECRET, token=token)

    assert str(error) == (
        "The cluster does not allow system:serviceaccount:shop:orders "
        f"to read {SECRET}.\n"
        '  fix      allow get on secrets "orders" in namespace "shop" (RBAC Role)'
    )
    assert pauses == []


def test_not_found(key_fault, pauses):
    """The error about a missing object has its kind and its namespace."""
    error = key_fault(KubernetesMissing, "kubernetes://configmaps/nosuch/config.py")

    assert str(error) == (
        'There is no "nosuch" among the configmaps of namespace "shop".\n'
        "  in       kubernetes://shop/configmaps/nosuch/config.py\n"
        "  fix      create it, or use one of the names that "
        "kubectl get configmaps --namespace shop prints"
    )
    assert pauses == []


def test_another_status(key_fault, cluster, pauses):
    """Any other status is an error without a retry."""
    cluster.fail(418)

    error = key_fault(SourceRefused, ORDERS)

    assert str(error) == (
        f"{ORDERS} returned status 418.\n"
        f"  fix      check that {cluster.url} is an API server"
    )
    assert pauses == []


def test_missing_package(monkeypatch):
    """If the package is missing, the error names the extra that installs it."""
    monkeypatch.setitem(sys.modules, "kubernetes", None)

    with pytest.raises(MissingExtra) as caught:
        read_kubernetes(
            KubernetesKey("shop", "secrets", "orders", "config.py"), environ={}
        )

    assert str(caught.value) == (
        "CONFIG_SOURCE is configured, but the package kubernetes is not installed.\n"
        "  fix      pip install 'modern-flask[kubernetes]'"
    )


def test_no_thread_is_left(read_key):
    """Reading leaves no thread behind."""
    before = set(threading.enumerate())

    read_key(ORDERS)

    new = set(threading.enumerate()) - before
    assert "modern-flask-config" not in {thread.name for thread in new}


def test_defaults_of_production():
    """The numbers of production: 30 s in all, 2 s to connect, 5 s for bytes."""
    assert kubernetes.BACKOFF.budget == 30.0
    assert kubernetes.TIMEOUTS == (2.0, 5.0)
    assert Path("/var/run/secrets/kubernetes.io/serviceaccount") == (
        kubernetes.SERVICE_ACCOUNT
    )
