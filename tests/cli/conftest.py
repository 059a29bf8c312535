"""Running ``modern-flask`` in the test's process, and services to run it for."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from modern_flask import cli

__all__ = ["WORKS", "Printed"]

SHOP = '''
import click
import modern_flask
from modern_flask import RedisDep, SessionDep, inject

def create_app():
    app = modern_flask.create_app(__name__)

    @app.route("/")
    @inject
    def index(session: SessionDep, redis: RedisDep): ...

    @app.cli.command("check")
    def check():
        """The shop's own."""
        click.echo("checked by the shop")

    @app.cli.command("restock")
    def restock():
        """Fill the shelves."""
        click.echo("restocked")

    return app
'''

WORKS = """\
DATABASE_ENGINE_URL = "sqlite+pysqlite:///:memory:"
REDIS_URL = "redis://shop:hunter2@127.0.0.1:1/0"
CELERY_BROKER_URL = "memory://"
STORAGE_VENDOR = "memory"
API_TOKEN = "hunter2"
UPLOAD_LIMIT = 1000
"""


class Printed(NamedTuple):
    """A command's exit code and output."""

    code: object
    out: str
    err: str


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """``write(text)``: write the file that ``CONFIG_SOURCE`` names."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.py"
    monkeypatch.setenv("CONFIG_SOURCE", str(file))
    return file.write_text


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """``run(*words)``: run ``modern-flask`` in this process."""
    # Flask's command line would set it until the process ends.
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")

    def run(*words: str, app: str = "example_service") -> Printed:
        command = ["modern-flask", *(["--app", app] if app else []), *words]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as exited:
            cli.main()
        return Printed(exited.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ``--app`` value of a service that has two commands."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    return "shop"


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ``--app`` value of a service that injects nothing."""
    text = "import modern_flask\n\ndef create_app():\n"
    text += "    return modern_flask.create_app(__name__)\n"
    (tmp_path / "plain_service.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plain_service", raising=False)
    return "plain_service"
