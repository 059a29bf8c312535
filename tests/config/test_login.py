"""Kubeconfigs whose login fails: the error is about the login, not a permission."""

import json
import logging
import traceback

import pytest

from modern_flask.config import login
from modern_flask.config.errors import LoginFailed
from modern_flask.config.kubernetes import read_kubernetes
from modern_flask.config.source import KubernetesKey

VERSION = "client.authentication.k8s.io/v1"
SOURCE = KubernetesKey("shop", "configmaps", "orders", "config.py")


def command(*words):
    """A user that logs in by a command."""
    return {"exec": {"apiVersion": VERSION, "command": words[0], "args": words[1:]}}


def printing(**status):
    answer = {"apiVersion": VERSION, "kind": "ExecCredential", "status": status}
    return command("echo", json.dumps(answer))


@pytest.fixture
def read_as(shop, tmp_path):
    """``read_as(user)``: read the ConfigMap with this user in the kubeconfig."""

    def read(user):
        path = shop.kubeconfig(tmp_path / "kubeconfig")
        config = json.loads(path.read_text())
        config["users"][0]["user"] = user
        path.write_text(json.dumps(config))
        return read_kubernetes(SOURCE, environ={"KUBECONFIG": str(path)})

    return read


@pytest.mark.parametrize(
    ("user", "way", "reason"),
    [
        (
            command("/nosuch/aws", "hunter2"),
            "the login command aws",
            "the command does not exist",
        ),
        (
            command("sh", "-c", "echo hunter2 >&2; exit 3"),
            "the login command sh",
            "it exited with code 3",
        ),
        (
            command("echo", "hunter2"),
            "the login command echo",
            "its output is not JSON",
        ),
        (
            command("echo", '{"kind": "hunter2"}'),
            "the login command echo",
            "its output has no credentials",
        ),
        (printing(), "the login command echo", "its output has no credentials"),
        (
            {"exec": {"command": "aws"}},
            "the login command aws",
            "its entry in the kubeconfig is not complete",
        ),
        (
            {"auth-provider": {"name": "azure"}},
            "the auth-provider azure",
            "it has no token and no certificate",
        ),
        ({}, "the user of the current context", "it has no token and no certificate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_failed_login(read_as, user, way, reason, capfd, tmp_path):
    """The error names the way to log in and why it failed, without any output of it."""
    with pytest.raises(LoginFailed) as caught:
        read_as(user)

    path = tmp_path / "kubeconfig"
    assert str(caught.value) == (
        f"{way[0].upper()}{way[1:]} gives no credentials for the cluster: {reason}.\n"
        f"  in       {path}\n"
        f"  fix      let kubectl --kubeconfig {path} auth whoami succeed"
    )
    shown = "".join(traceback.format_exception(caught.value))
    assert "anonymous" not in shown
    assert "hunter2" not in shown + "".join(capfd.readouterr())


def test_login_that_hangs(read_as, monkeypatch):
    """A command that waits for a person ends the wait, and the error names it."""
    monkeypatch.setattr(login, "DEADLINE", 0.2)

    with pytest.raises(LoginFailed) as caught:
        read_as(command("sleep", "1"))

    assert caught.value.reason == "no answer within 0.2 s"


def test_login_that_works(read_as, shop):
    """A command that prints a token is a login."""
    assert read_as(printing(token=shop.admin_token)).body


def test_cluster_that_needs_no_login(web, reply, tmp_path):
    """A failed login is no fault if the server, such as kubectl proxy, answers."""
    body = json.dumps({"kind": "ConfigMap", "data": {"config.py": "A = 1"}}).encode()
    web.on("/api/v1/namespaces/shop/configmaps/orders", reply(body))
    path = tmp_path / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": web.url("")}}],
                "users": [{"name": "u", "user": command("/nosuch/aws")}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )

    assert read_kubernetes(SOURCE, environ={"KUBECONFIG": str(path)}).body == b"A = 1"


def test_root_logger_is_left_alone(read_as, caplog):
    """The library's own line about the login does not configure or reach the log."""
    handlers, filters = logging.root.handlers[:], logging.root.filters[:]

    with pytest.raises(LoginFailed):
        read_as(command("sh", "-c", "echo hunter2 >&2; exit 3"))

    assert (logging.root.handlers, logging.root.filters) == (handlers, filters)
    assert caplog.records == []
