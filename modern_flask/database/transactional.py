"""Transactions of the current request or task."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from ..wiring import find, note_lookup
from . import after_commit
from .faults import GeneratorTransaction, NoTransaction
from .session import in_transaction, transaction

__all__ = ["on_commit", "transactional"]

P = ParamSpec("P")
R = TypeVar("R")


def transactional(function: Callable[P, R]) -> Callable[P, R]:
    """Commit the request's session when ``function`` returns, roll back when it raises.

    A failed commit is raised to the caller: a view answers 500. One ``transactional``
    inside another joins it. Only here is anything committed. An ``async`` function is
    awaited inside the transaction.

    Raises:
        GeneratorTransaction: ``function`` is a generator function.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise GeneratorTransaction(function.__qualname__)
    if inspect.iscoroutinefunction(function):
        return cast(Callable[P, R], _awaited(function))

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction(find("session")):
            return function(*args, **kwargs)

    return note_lookup("session", call)


def _awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with transaction(find("session")):
            return await function(*args, **kwargs)

    return note_lookup("session", call)


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
