"""``transactional`` and ``on_commit`` on the current app's session."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import modern_flask
from modern_flask import SessionDep, inject, on_commit, transactional
from modern_flask.app import faults
from modern_flask.database import NoTransaction
from modern_flask.wiring.checks.requirements import InjectedUnconfigured

done: list[str] = []


@pytest.fixture
def app() -> Iterator[modern_flask.App]:
    app = modern_flask.create_app(
        "ledger", config={"DATABASE_ENGINE_URL": "sqlite+pysqlite:///:memory:"}
    )
    done.clear()
    with app.running():
        yield app


def test_runs_after_the_commit(app: modern_flask.App) -> None:
    """A callback runs after the view has returned."""

    @app.get("/")
    @transactional
    @inject
    def view(session: SessionDep) -> str:
        on_commit(partial(done.append, "sent"))
        return ",".join(done)

    answer = app.test_client().get("/").text

    assert (answer, done) == ("", ["sent"])


def test_outside_of_a_transaction(app: modern_flask.App) -> None:
    """A callback outside of a transaction is an error."""

    def send() -> None:
        done.append("sent")

    with app.app_context(), pytest.raises(NoTransaction) as raised:
        on_commit(partial(send))

    assert str(raised.value) == (
        "on_commit(test_outside_of_a_transaction.<locals>.send) is called outside "
        "of a transaction.\n"
        "  fix      put @transactional on the view or task that calls it"
    )
    assert done == []


def test_of_what_runs_after_a_commit(app: modern_flask.App) -> None:
    """A callback of a callback is an error, since no transaction is running then."""

    @transactional
    def work() -> None:
        on_commit(lambda: on_commit(partial(done.append, "late")))

    with app.app_context(), pytest.raises(NoTransaction):
        work()

    assert done == []


def test_check_sees_the_session(tmp_path: Path) -> None:
    """The check reports a missing session for a view without markers, too."""
    app = modern_flask.create_app("ledger", root_path=str(tmp_path))

    @app.get("/plain")
    @transactional
    def plain() -> str: ...

    @app.get("/awaited")
    @transactional
    async def awaited() -> str: ...

    (fault,) = faults(app)

    assert isinstance(fault, InjectedUnconfigured)
    assert fault.functions == ("View plain", "View awaited")
