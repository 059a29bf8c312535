"""The command line: which command runs, its help, and mistakes in its use."""

from importlib.metadata import version

import pytest

import modern_flask
from tests.cli.conftest import WORKS


def test_command_of_the_service_wins(run, write, shop):
    """A service's command replaces the kit's of the same name, beside the others."""
    write(WORKS)

    assert run("check", app=shop).out == "checked by the shop\n"
    assert run("restock", app=shop).out == "restocked\n"
    assert "index" in run("routes", app=shop).out


def test_help_names_all_commands(run, write, shop):
    """The help lists the commands of the kit, of Flask and of the service."""
    write(WORKS)

    printed = run("--help", app=shop)

    assert printed.code == 0
    for name in ("config", "create-tables", "dev", "serve", "worker", "restock", "run"):
        assert f"\n  {name} " in printed.out
    assert "The shop's own." in printed.out


@pytest.mark.parametrize("text", ["PORT = (1 +\n", WORKS + "REDIS_HOTS = 1\n"])
@pytest.mark.parametrize("command", [(), ("serve",), ("dev",), ("worker",), ("run",)])
def test_help_needs_no_configuration(run, write, command, text):
    """The help is printed even if the configuration is wrong."""
    write(text)

    printed = run(*command, "--help")

    assert printed.code == 0
    assert printed.out.startswith("Usage: modern-flask")
    assert "Traceback" not in printed.out + printed.err


def test_unknown_command_is_reported(run, write):
    """An unknown command is a mistake in the call: exit code 2."""
    write(WORKS)

    printed = run("sreve")

    assert printed.code == 2
    assert "No such command 'sreve'" in printed.err


def test_missing_app_is_reported(run, tmp_path, monkeypatch):
    """Without ``--app`` and without an app.py, Flask says what it looked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLASK_APP", raising=False)

    printed = run("check", app="")

    assert printed.code == 2
    assert "Could not locate a Flask application" in printed.err
    assert "Traceback" not in printed.err


def test_app_without_container_is_reported(run, tmp_path, monkeypatch):
    """The error for an app without a container says how to add one."""
    (tmp_path / "plain.py").write_text("from flask import Flask\napp = Flask('plain')")
    monkeypatch.syspath_prepend(tmp_path)

    printed = run("check", app="plain")

    assert printed.code == 1
    assert printed.err == (
        "The Flask app plain has no container.\n"
        "  fix      modern_flask.init_app(app), or make it with create_app(...)\n"
    )


def test_version_is_printed(run):
    """``--version`` prints the version of the kit; the package has the same."""
    printed = run("--version", app="")

    assert printed.code == 0
    assert printed.out == f"modern-flask {version('modern-flask')}\n"
    assert modern_flask.__version__ == version("modern-flask")
