"""The connections that a test did not give back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

import modern_flask
from modern_flask.testing.transactions import count_connections


@pytest.fixture
def app(tmp_path: Path) -> Iterator[modern_flask.App]:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    app = modern_flask.create_app(
        "shop", config={"DATABASE_ENGINE_URL": url}, root_path=str(tmp_path)
    )
    with app.running():
        yield app


def test_open_scope_counts_nothing(app: modern_flask.App) -> None:
    """Where a scope is open its connection is in use, and no one's fault."""
    engine = app.container.engine()

    with app.app_context():
        app.container.session().execute(text("select 1"))
        assert engine.pool.checkedout() == 1
        assert count_connections(app) == 0

    assert engine.pool.checkedout() == 0


def test_app_context_without_a_scope(app: modern_flask.App) -> None:
    """In an app context that opened nothing, what is kept is counted."""
    with app.app_context(), app.container.engine().connect():
        assert count_connections(app) == 1

    assert count_connections(app) == 0
