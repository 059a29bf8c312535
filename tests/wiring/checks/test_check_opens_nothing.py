"""What each command opens: nothing of the service's own, and no connection."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import modern_flask
from modern_flask.app import faults, start
from modern_flask.cli import cli

SERVICE = """\
import modern_flask
from modern_flask import Opened, inject, section
from typing import Annotated, Any
from modern_flask import Provide

def open_mailer(settings):
    raise RuntimeError("opened the service's own")
    yield

class Container(modern_flask.Container):
    mailer = Opened(
        open_mailer, section(modern_flask.Container.config, "MAILER_", "URL")
    )

def create_app():
    app = modern_flask.create_app("opens_nothing", Container(), config={
        "MAILER_URL": "smtp://mail",
        "DATABASE_ENGINE_URL": "postgresql://app@192.0.2.1/app",
        "REDIS_URL": "redis://192.0.2.1",
    })

    @app.get("/")
    @inject
    def view(mailer: Annotated[Any, Provide["mailer"]]): ...

    return app
"""


@pytest.fixture
def no_connections(monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    (tmp_path / "opens_nothing.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    import sys

    yield __import__("opens_nothing")
    sys.modules.pop("opens_nothing")


@pytest.mark.usefixtures("service", "no_connections")
@pytest.mark.parametrize("command", ["check", "routes", "graph", "config"])
def test_command_opens_nothing_of_the_service(command: str, capsys: Any) -> None:
    """None of these runs an opener of the service or connects to anything."""
    with pytest.raises(SystemExit) as end:
        cli.main(["--app", "opens_nothing:create_app", command], prog_name="x")

    assert end.value.code in (0, None), capsys.readouterr().err


@pytest.mark.usefixtures("no_connections")
def test_start_reports_what_only_opening_shows(service: Any, caplog: Any) -> None:
    """At start the opener runs; why it failed is logged, and the app goes on."""
    app = service.create_app()
    assert faults(app) == []

    start(app)

    (text,) = [r.getMessage() for r in caplog.records if "mailer" in r.getMessage()]
    assert text.splitlines()[0] == (
        "mailer can't be opened: RuntimeError: opened the service's own."
    )
    app.lifecycle.close()


def test_mistake_of_configuration_keeps_the_app_from_starting(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """An opener that raises a ConfigurationError is a fault at start, not a warning."""
    monkeypatch.chdir(tmp_path)

    def open_mailer() -> Any:
        raise modern_flask.ConfigurationError("MAILER_URL is wrong.")

    class Own(modern_flask.Container):
        mailer = modern_flask.Opened(open_mailer)

    app = modern_flask.create_app("own", Own())
    view: Callable[..., Any] = modern_flask.inject(_use_mailer)
    app.add_url_rule("/", view_func=view)

    with pytest.raises(Exception, match="MAILER_URL is wrong"):
        start(app)


def _use_mailer(mailer: Any = modern_flask.Provide["mailer"]) -> str:
    return ""
