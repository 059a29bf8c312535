"""The address of the cluster and the credentials for it."""

import json
import traceback

import pytest
from kubernetes.client import Configuration

from modern_flask.config.cluster import find_cluster
from modern_flask.config.errors import NoClusterAccess, UnreadableFile
from modern_flask.config.source import KubernetesKey

SOURCE = KubernetesKey(None, "configmaps", "orders", "config.py")
TOKEN = "hunter2"


@pytest.fixture
def account(cluster, tmp_path):
    return cluster.service_account(tmp_path / "account", namespace="shop", token=TOKEN)


def find(environ, folder):
    return find_cluster(SOURCE, environ, folder)


def fault(kind, environ, folder):
    with pytest.raises(kind) as caught:
        find(environ, folder)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    return caught.value


def bearer(found) -> str:
    return found.configuration.api_key["BearerToken"]


def test_pod(cluster, account):
    """In a pod the service account and its namespace are used."""
    found = find(cluster.environ, account)

    assert found.server == cluster.url
    assert found.namespace == "shop"
    assert bearer(found) == f"bearer {TOKEN}"
    assert TOKEN not in repr(found)


def test_pod_comes_before_the_kubeconfig(cluster, account, tmp_path):
    """A kubeconfig in a pod changes nothing."""
    path = cluster.kubeconfig(tmp_path / "kubeconfig", namespace="other")

    found = find({**cluster.environ, "KUBECONFIG": str(path)}, account)

    assert found.namespace == "shop"


def test_kubeconfig(cluster, tmp_path):
    """Outside of a pod the current context of the kubeconfig is used."""
    path = cluster.kubeconfig(tmp_path / "kubeconfig", namespace="stock", token=TOKEN)

    found = find({"KUBECONFIG": str(path)}, tmp_path / "nosuch")

    assert found.server == cluster.url
    assert found.namespace == "stock"
    assert bearer(found) == f"Bearer {TOKEN}"


def test_kubeconfig_at_home(cluster, tmp_path, monkeypatch):
    """Without KUBECONFIG the file in the home folder is read."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    cluster.kubeconfig(tmp_path / ".kube" / "config", token=TOKEN)

    assert find({}, tmp_path / "nosuch").server == cluster.url


def test_merged_kubeconfigs(cluster, tmp_path):
    """KUBECONFIG may name several files."""
    path = cluster.kubeconfig(tmp_path / "kubeconfig", namespace="stock")

    found = find({"KUBECONFIG": f"{tmp_path}/nosuch:{path}"}, tmp_path / "nosuch")

    assert found.namespace == "stock"


def test_default_namespace(cluster, tmp_path, account):
    """If nothing names a namespace, it is default."""
    path = cluster.kubeconfig(tmp_path / "kubeconfig")
    (account / "namespace").unlink()

    assert find({"KUBECONFIG": str(path)}, tmp_path / "nosuch").namespace == "default"
    assert find(cluster.environ, account).namespace == "default"


def test_process_wide_default_is_left_alone(cluster, account):
    """The default configuration of the client library does not change."""
    before = Configuration.get_default_copy().host

    find(cluster.environ, account)

    assert Configuration.get_default_copy().host == before != cluster.url


def test_token_with_a_line_break(cluster, account):
    """An editor's line break at the end of the token file does no harm."""
    (account / "token").write_text(f"{TOKEN}\n")

    found = find(cluster.environ, account)

    assert bearer(found) == f"bearer {TOKEN}"


def test_token_of_two_lines(cluster, account):
    """The error about a token that can't be a header does not show the token."""
    (account / "token").write_text(f"{TOKEN}\n{TOKEN}\n")

    error = fault(UnreadableFile, cluster.environ, account)

    assert str(error) == (
        f"{account}/token can't be read: its token is not one line of ASCII.\n"
        "  fix      write the token as one line"
    )


def test_token_of_other_bytes(cluster, account):
    """The error about a token file that is not text does not show its bytes."""
    (account / "token").write_bytes(b"\xffhunter2")

    error = fault(UnreadableFile, cluster.environ, account)

    assert str(error) == (
        f"{account} can't be read: UnicodeDecodeError.\n"
        "  fix      let the user of this process read the token and ca.crt"
    )


def test_no_access(tmp_path):
    """The error names the missing service account and the missing kubeconfig."""
    path = tmp_path / "nosuch"

    error = fault(NoClusterAccess, {"KUBECONFIG": str(path)}, tmp_path)

    assert str(error) == (
        "kubernetes://configmaps/orders/config.py needs a cluster, "
        "but no access to one was found.\n"
        "  looked in  the pod (service host/port is not set) and the kubeconfig "
        f"({path} does not exist)\n"
        "  fix      mount a service account token, or set KUBECONFIG"
    )


def test_pod_without_a_token(cluster, tmp_path):
    """A pod without a mounted token says so."""
    environ = {**cluster.environ, "KUBECONFIG": str(tmp_path / "nosuch")}

    error = fault(NoClusterAccess, environ, tmp_path)

    assert error.in_cluster == "service token file does not exist"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('token: "hunter2', "ScannerError"),
        ("hunter2", "TypeError"),
        (
            json.dumps(
                {
                    "users": [{"name": "u", "token": TOKEN}],
                    "clusters": [{"name": "c", "cluster": {"server": "https://h"}}],
                    "contexts": [
                        {"name": "x", "context": {"user": "u", "cluster": "c"}}
                    ],
                    "current-context": "x",
                }
            ),
            "ConfigException",
        ),
    ],
    ids=["yaml", "text", "entry"],
)
def test_malformed_kubeconfig(tmp_path, text, kind):
    """The library's error about a malformed entry has the token; the kit's has not."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    error = fault(UnreadableFile, {"KUBECONFIG": str(path)}, tmp_path)

    assert str(error) == (
        f"{path} can't be read: it is not a usable kubeconfig ({kind}).\n"
        f"  fix      correct what kubectl --kubeconfig {path} config view reports"
    )
