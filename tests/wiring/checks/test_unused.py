"""Keys without effect: warnings that name the key which has one."""

from typing import Any

import pytest

import modern_flask
from modern_flask.app import warnings


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("CELERY", {"broker_url": "redis://"}, "CELERY_BROKER_URL"),
        ("SQLALCHEMY_DATABASE_URI", "sqlite://", "DATABASE_ENGINE_URL"),
        ("SQLALCHEMY_ECHO", True, "DATABASE_ENGINE_ECHO"),
        ("REDIS_URI", "redis://", "REDIS_URL"),
    ],
)
def test_key_of_a_tutorial(
    key: str, value: Any, name: str, tmp_path: Any, monkeypatch: Any
) -> None:
    """A key that Flask's tutorials teach is answered with the key that works here."""
    monkeypatch.chdir(tmp_path)
    app = modern_flask.create_app("unused", config={key: value})

    found = [text for text in warnings(app) if text.startswith(f"{key} ")]

    assert len(found) == 1
    assert f"has no effect: set {name}" in found[0]


def test_key_that_an_extension_reads(tmp_path: Any, monkeypatch: Any) -> None:
    """Flask-SQLAlchemy reads its own keys: where it is set up, there is no warning."""
    monkeypatch.chdir(tmp_path)
    config = {"SQLALCHEMY_DATABASE_URI": "sqlite://"}
    app = modern_flask.create_app("unused", config=config)
    app.extensions["sqlalchemy"] = object()

    assert warnings(app) == []
