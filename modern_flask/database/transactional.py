"""Transactions in the session of the current request or task."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from ..wiring import find, note_lookup
from . import after_commit
from .errors import GeneratorTransaction, NoTransaction
from .session import in_transaction, transaction

__all__ = ["on_commit", "transactional"]

P = ParamSpec("P")
R = TypeVar("R")


def transactional(function: Callable[P, R]) -> Callable[P, R]:
    """Commit the session when ``function`` returns, and roll back when it raises.

    This uses the session of the current request or task. If the commit fails, the
    caller gets the error: a view answers with status 500. An inner ``transactional``
    function joins the outer transaction. Nothing else in the kit commits. An ``async``
    function is awaited inside the transaction.

    Raises:
        GeneratorTransaction: ``function`` is a generator function.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise GeneratorTransaction(function.__qualname__)
    if inspect.iscoroutinefunction(function):
        return cast(Callable[P, R], _wrap_coroutine(function))

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with transaction(find("session")):
            return function(*args, **kwargs)

    return note_lookup("session", call)


def _wrap_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with transaction(find("session")):
            return await function(*args, **kwargs)

    return note_lookup("session", call)


def on_commit(call: Callable[[], object]) -> None:
    """Call ``call`` after the current transaction commits, never after a rollback.

    Use it to send a task: a worker that reads the database at once finds the changes.
    If ``call`` raises an error, the commit stands, and the caller of the transaction
    gets the error.

    Raises:
        NoTransaction: No ``transactional`` function is running, so nothing commits.
    """
    session = find("session")
    if not in_transaction(session):
        function = getattr(call, "func", call)  # of a partial, without its arguments
        raise NoTransaction(getattr(function, "__qualname__", type(function).__name__))
    after_commit.on_commit(session, call)
