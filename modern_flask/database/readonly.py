"""A session that reads and refuses to write."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker

from .errors import ReadOnlyViolation

__all__ = ["open_readonly_session"]


def open_readonly_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Open a session for one request or task that only reads.

    Yields:
        A session without autoflush. A flush or commit of a change, and an ``insert``,
        ``update`` or ``delete`` statement, raise :class:`ReadOnlyViolation`. SQL in a
        text is not checked.
    """
    session = factory(autoflush=False)
    event.listen(session, "before_flush", _refuse_flush)
    event.listen(session, "do_orm_execute", _refuse_statement)
    try:
        yield session
    finally:
        session.close()


def _refuse_flush(session: Session, *_: Any) -> None:
    for instance in session.new:
        raise ReadOnlyViolation(f"it holds a new {type(instance).__name__}")
    for instance in session.dirty:
        if session.is_modified(instance):
            raise ReadOnlyViolation(f"it holds a changed {type(instance).__name__}")
    for instance in session.deleted:
        raise ReadOnlyViolation(f"it holds a deleted {type(instance).__name__}")


def _refuse_statement(state: ORMExecuteState) -> None:
    for kind in ("insert", "update", "delete"):
        if getattr(state, f"is_{kind}"):
            raise ReadOnlyViolation(f"it executes the statement {kind}")
