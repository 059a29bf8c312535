"""``on_commit``: after a commit, and only then."""

import gc
import logging
import weakref
from collections.abc import Callable

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from modern_flask.database import (
    make_session_factory,
    on_commit,
    open_session,
    transaction,
)
from tests.database.orders import Order

Stored = Callable[[], int]


@pytest.fixture
def done() -> list[str]:
    """The calls of the callbacks, in order."""
    return []


def test_runs_after_the_commit(
    session: Session, stored: Stored, done: list[object]
) -> None:
    """A callback runs once, in order, and another connection sees the rows by then."""
    with transaction(session):
        session.add(Order(name="tea"))
        on_commit(session, lambda: done.append(stored()))
        on_commit(session, lambda: done.append("second"))
        done.append("block ends")

    session.commit()
    assert done == ["block ends", 1, "second"]


def test_runs_after_a_plain_commit(session: Session, done: list[str]) -> None:
    """``session.commit()`` runs callbacks, too, even those from before the writes."""
    on_commit(session, lambda: done.append("before"))
    session.add(Order(name="tea"))
    session.flush()
    on_commit(session, lambda: done.append("after"))

    session.commit()

    assert done == ["before", "after"]


def test_never_runs_after_a_rollback(session: Session, done: list[str]) -> None:
    """A rolled back transaction drops its callbacks, and a later commit has none."""

    def order() -> None:
        with transaction(session):
            session.add(Order(name="tea"))
            on_commit(session, lambda: done.append("done"))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        order()
    session.add(Order(name="coffee"))
    session.commit()

    assert done == []


def test_never_runs_after_close(engine: Engine, done: list[str]) -> None:
    """A session that closes without a commit drops its callbacks."""
    opened = open_session(make_session_factory(engine, {}))
    session = next(opened)
    session.add(Order(name="tea"))
    session.flush()
    on_commit(session, lambda: done.append("done"))

    opened.close()

    assert done == []


def test_never_runs_when_the_commit_fails(session: Session, done: list[str]) -> None:
    """A commit that the database refuses is not a commit."""
    session.add_all([Order(id=1, name="tea"), Order(id=1, name="tea again")])
    on_commit(session, lambda: done.append("done"))

    with pytest.raises(Exception, match="duplicate key"):
        session.commit()
    session.rollback()
    session.commit()

    assert done == []


def test_savepoint_that_is_kept_waits_for_the_commit(
    session: Session, done: list[str]
) -> None:
    """A callback of a released savepoint runs after the real commit, in order."""
    with transaction(session):
        on_commit(session, lambda: done.append("outer"))
        with session.begin_nested():
            on_commit(session, lambda: done.append("savepoint"))
            with session.begin_nested():
                on_commit(session, lambda: done.append("inner savepoint"))
        on_commit(session, lambda: done.append("outer again"))
        assert done == []

    assert done == ["outer", "savepoint", "inner savepoint", "outer again"]


def test_savepoint_that_is_undone_drops_its_own(
    session: Session, done: list[str]
) -> None:
    """A rolled back savepoint drops its callbacks and those inside it, no others."""

    def try_coffee() -> None:
        with session.begin_nested():
            on_commit(session, lambda: done.append("savepoint"))
            with session.begin_nested():
                on_commit(session, lambda: done.append("inner savepoint"))
            raise ValueError("no")

    with transaction(session):
        on_commit(session, lambda: done.append("outer"))
        with pytest.raises(ValueError, match="no"):
            try_coffee()

    assert done == ["outer"]


def test_joined_transaction_waits_for_the_outermost(
    session: Session, done: list[str]
) -> None:
    """A joined block's end is not a commit."""
    with transaction(session):
        with transaction(session):
            on_commit(session, lambda: done.append("done"))
        done.append("inner block ends")

    assert done == ["inner block ends", "done"]


def test_flush_is_not_a_commit(session: Session, done: list[str]) -> None:
    """The inner steps of a flush neither run nor drop a callback."""
    on_commit(session, lambda: done.append("done"))
    session.add(Order(name="tea"))
    session.flush()
    assert done == []

    session.commit()

    assert done == ["done"]


def test_callback_may_use_the_session(session: Session, stored: Stored) -> None:
    """The transaction is over when a callback runs, so it may begin the next one."""

    def thank() -> None:
        assert not session.in_transaction()
        with transaction(session):
            session.add(Order(name="a biscuit"))

    with transaction(session):
        session.add(Order(name="tea"))
        on_commit(session, thank)

    assert stored() == 2


def test_callback_registered_by_a_callback(session: Session, done: list[str]) -> None:
    """A callback that another callback registers waits for the next commit."""
    on_commit(session, lambda: on_commit(session, lambda: done.append("later")))
    session.commit()
    assert done == []

    session.commit()

    assert done == ["later"]


def test_failing_callback_hides_nothing(
    session: Session,
    stored: Stored,
    done: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The commit stands, the others run, errors are logged, and the first is raised."""

    def fail(reason: str) -> None:
        raise ConnectionError(reason)

    def order() -> None:
        with transaction(session):
            session.add(Order(name="tea"))
            on_commit(session, lambda: fail("queue is down"))
            on_commit(session, lambda: done.append("done"))
            on_commit(session, lambda: fail("mail is down"))

    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(ConnectionError, match="queue is down"),
    ):
        order()

    assert stored() == 1
    assert done == ["done"]
    assert [
        str(record.exc_info[1]) for record in caplog.records if record.exc_info
    ] == [
        "queue is down",
        "mail is down",
    ]
    session.add(Order(name="coffee"))
    session.commit()
    assert stored() == 2


def test_keeps_no_transaction(done: list[str]) -> None:
    """A session that lives on does not keep the transaction that was committed."""
    with Session() as session:
        kept = weakref.ref(session.begin())
        on_commit(session, lambda: done.append("done"))
        session.commit()
        gc.collect()

        assert done == ["done"]
        assert kept() is None
