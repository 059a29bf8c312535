"""Flask-Migrate: migrations of the kit's models, on the kit's engine."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.flask_migrate.service import Order
from tests.readme import ROOT

FACTORIES = """
from flask import Flask
import modern_flask
from tests.extensions.flask_migrate import service

def create():
    app = modern_flask.create_app("factories", config={})
    service.extend(app)
    return app

def init():
    app = Flask("factories")
    service.extend(app)
    modern_flask.init_app(app)
    return app
"""
CONFIGURATION = 'DATABASE_ENGINE_URL = "sqlite:///shop.db"\n'
USE = """
import factories
answer = factories.create().test_client().post("/orders/tea")
assert answer.status_code == 201, answer.text
"""


def run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_migration(tmp_path: Path) -> None:
    """Its commands make the tables that the models say, whichever way the app is made.

    After that nothing is left to migrate.
    """
    (tmp_path / "factories.py").write_text(FACTORIES)
    (tmp_path / "config.py").write_text(CONFIGURATION)
    command = ("-m", "modern_flask.cli", "--app")

    run(tmp_path, *command, "factories:create", "db", "init")
    run(tmp_path, *command, "factories:init", "db", "migrate", "-m", "orders")
    run(tmp_path, *command, "factories:create", "db", "upgrade")

    (version,) = (tmp_path / "migrations" / "versions").glob("*.py")
    assert "create_table('orders'" in version.read_text()
    run(tmp_path, "-c", USE)
    run(tmp_path, *command, "factories:init", "db", "check")


def test_service(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """The service itself works as it does without the extension."""
    assert client.post("/orders/tea").status_code == 201

    assert committed(select(Order.product)) == ["tea"]
    check_observed(app, spans, "POST", "/orders/<product>", 201)
