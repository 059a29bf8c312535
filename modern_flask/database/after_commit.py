"""Runs callbacks after a commit, and only then."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

__all__ = ["drop_callbacks", "on_commit"]

logger = logging.getLogger(__name__)

_PENDING = "modern_flask.on_commit"
"""The key in ``Session.info`` of the callbacks that wait for a commit."""

_Callback = Callable[[], object]


@dataclass
class _Pending:
    """The callbacks, each with the transaction or savepoint that registered it.

    A callback that is registered outside of a transaction belongs to the next one.
    """

    callbacks: list[tuple[SessionTransaction | None, _Callback]] = field(
        default_factory=list
    )
    committed: SessionTransaction | None = None


def on_commit(session: Session, callback: _Callback) -> None:
    """Run ``callback`` after the current transaction of the session is committed.

    It never runs after a rollback of the transaction, or of the savepoint in which it
    was registered. Callbacks run in the order of registration, after the transaction
    has ended and its connection is back in the pool. If one raises an error, the commit
    stands and the others still run: each error is logged, and ``commit()`` raises the
    first one.
    """
    pending = session.info.get(_PENDING)
    if pending is None:
        pending = session.info[_PENDING] = _Pending()
        event.listen(session, "after_commit", _note_commit)
        event.listen(session, "after_transaction_end", _end_transaction)
    pending.callbacks.append((_current_transaction(session), callback))


def drop_callbacks(session: Session) -> None:
    """Drop the callbacks that wait for a commit of the session.

    A rollback drops those of a transaction that has begun. This also drops those that
    were registered before the first statement.
    """
    if pending := session.info.get(_PENDING):
        pending.callbacks.clear()


def _current_transaction(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _note_commit(session: Session) -> None:
    session.info[_PENDING].committed = _current_transaction(session)


def _end_transaction(session: Session, ended: SessionTransaction) -> None:
    """Run, pass on or drop the callbacks of the transaction that has ended."""
    pending: _Pending = session.info[_PENDING]
    committed = pending.committed is ended
    if ended.parent is not None:
        # The callbacks of a savepoint now wait for the transaction around it.
        pending.callbacks = [
            (ended.parent if owner is ended else owner, callback)
            for owner, callback in pending.callbacks
            if committed or owner is not ended
        ]
        return
    callbacks, pending.callbacks = pending.callbacks, []
    pending.committed = None
    if committed:
        _run([callback for _, callback in callbacks])


def _run(callbacks: list[_Callback]) -> None:
    errors = []
    for callback in callbacks:
        try:
            callback()
        except Exception as error:
            logger.exception("%r failed after the commit; the commit stands.", callback)
            errors.append(error)
    if errors:
        raise errors[0]
