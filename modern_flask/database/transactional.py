"""Transactions of the current request or task."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from modern_flask.database import after_commit
from modern_flask.database.faults import NoTransaction
from modern_flask.database.session import in_transaction, transaction
from modern_flask.wiring import find, needing

__all__ = ["on_commit", "transactional"]

P = ParamSpec("P")
R = TypeVar("R")


def transactional(function: Callable[P, R]) -> Callable[P, R]:
    """Commit the request's session when ``function`` returns, roll back when it raises.

    A failed commit is raised to the caller: a view answers 500. One ``transactional``
    inside another joins it. Only here is anything committed.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction(find("session")):
            return function(*args, **kwargs)

    return needing("session", call)


def on_commit(call: Callable[[], object]) -> None:
    """Call ``call`` after the current transaction's commit, never after a rollback.

    Here a task is sent: a worker that reads at once finds what was written. When
    ``call`` raises, the commit stands and the error reaches the caller of the view.

    Raises:
        NoTransaction: Nothing ``transactional`` runs here, so no commit would come.
    """
    session = find("session")
    if not in_transaction(session):
        named = getattr(call, "func", call)  # of a partial, without its arguments
        raise NoTransaction(getattr(named, "__qualname__", type(named).__name__))
    after_commit.on_commit(session, call)
