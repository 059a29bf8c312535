"""What is done after a commit, and only then."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

logger = logging.getLogger(__name__)

_WAITING = "modern_flask.on_commit"
"""Where a session keeps what waits for its commit, in ``Session.info``."""

_Callback = Callable[[], object]


@dataclass
class _Waiting:
    """Callbacks, each with the transaction or savepoint that it was registered in.

    One that was registered before a transaction began belongs to the next.
    """

    callbacks: list[tuple[SessionTransaction | None, _Callback]] = field(
        default_factory=list
    )
    committed: SessionTransaction | None = None


def on_commit(session: Session, callback: _Callback) -> None:
    """Run ``callback`` once what the session does now is committed.

    It is never run after a rollback, nor after that of the savepoint in which it was
    registered. It runs when the transaction is over and its connection back in the
    pool, in the order of registration. When one raises, the commit stands: the others
    run too, each error is logged, and the first is raised out of ``commit()``.
    """
    waiting = session.info.get(_WAITING)
    if waiting is None:
        waiting = session.info[_WAITING] = _Waiting()
        event.listen(session, "after_commit", _note_commit)
        event.listen(session, "after_transaction_end", _settle)
    waiting.callbacks.append((_current_transaction(session), callback))


def _current_transaction(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


def _note_commit(session: Session) -> None:
    session.info[_WAITING].committed = _current_transaction(session)


def _settle(session: Session, ended: SessionTransaction) -> None:
    """Run, hand on or drop what waited for the transaction that has ended."""
    waiting: _Waiting = session.info[_WAITING]
    committed = waiting.committed is ended
    if ended.parent is not None:
        # A savepoint's callbacks now wait for what it was in.
        waiting.callbacks = [
            (ended.parent if owner is ended else owner, callback)
            for owner, callback in waiting.callbacks
            if committed or owner is not ended
        ]
        return
    callbacks, waiting.callbacks = waiting.callbacks, []
    waiting.committed = None
    if committed:
        _run([callback for _, callback in callbacks])


def _run(callbacks: list[_Callback]) -> None:
    errors = []
    for callback in callbacks:
        try:
            callback()
        except Exception as error:
            logger.exception("%r failed after a commit, which stands.", callback)
            errors.append(error)
    if errors:
        raise errors[0]
