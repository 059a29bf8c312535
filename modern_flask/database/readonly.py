"""A session that reads, and refuses to write."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker

from ..errors import Fault

__all__ = ["ReadOnlySession", "open_readonly_session"]


class ReadOnlySession(Fault):
    """A flush, or a statement that writes, on the read-only session."""

    def __init__(self, what: str) -> None:
        self.what_it_did = what
        super().__init__(
            f"The read-only session was asked to write: {what}.",
            ("do", 'ask for Provide["session"], in a function under @transactional'),
        )


def open_readonly_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Open a session that only reads, for one request or task.

    Yields:
        A session that never flushes by itself. A flush with something to write, a
        commit of it, and an ``insert``, ``update`` or ``delete`` raise
        :class:`ReadOnlySession`; text of SQL is not looked into.
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
        raise ReadOnlySession(f"it holds a new {type(instance).__name__}")
    for instance in session.dirty:
        if session.is_modified(instance):
            raise ReadOnlySession(f"it holds a changed {type(instance).__name__}")
    for instance in session.deleted:
        raise ReadOnlySession(f"it holds a deleted {type(instance).__name__}")


def _refuse_statement(state: ORMExecuteState) -> None:
    for kind in ("insert", "update", "delete"):
        if getattr(state, f"is_{kind}"):
            raise ReadOnlySession(f"{kind} is no reading statement")
