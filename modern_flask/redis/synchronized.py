"""``synchronized``: one call at a time, wherever it runs."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from string import Formatter
from typing import Any, ParamSpec, TypeVar

from redis import Redis

from .errors import UnknownPlaceholder, check_runs_at_once
from .lock import hold

P = ParamSpec("P")
R = TypeVar("R")

_TIMEOUT = 30.0  # seconds
_BLOCKING_TIMEOUT = 5.0  # seconds

_FENCING_TOKEN = "fencing_token"
"""A function with a parameter of this name is given the token of its lock."""


class Synchronizing:
    """The decorator ``synchronized``, bound to whatever finds the current client."""

    def __init__(self, find_client: Callable[[], Redis]) -> None:
        self._find_client = find_client

    def __call__(
        self,
        name: str,
        timeout: float | None = _TIMEOUT,
        sleep: float = 0.1,
        blocking: bool = True,
        blocking_timeout: float | None = _BLOCKING_TIMEOUT,
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Run a function under a lock in Redis, renewed for as long as it runs.

        Args:
            name: The lock's name. ``{order_id}`` in it is the call's argument, so that
                calls for different orders don't wait for each other.
            timeout: Seconds after which the lock of a holder that died is free; 30 for
                ``None``, since a lock that never expires outlives its holder.
            sleep: Seconds between two attempts to get it.
            blocking: Whether to wait for it at all.
            blocking_timeout: Seconds to wait at most; 5 for ``None``.

        Raises:
            RunsLater: The function is async or a generator.
            UnknownPlaceholder: ``name`` asks for what is no parameter.
            LockTaken: From the call: the lock was not free in time.
            LockLost: From the call: it is done, and was not alone for certain.
        """

        kept = _TIMEOUT if timeout is None else timeout
        patience = _BLOCKING_TIMEOUT if blocking_timeout is None else blocking_timeout
        waits = (kept, sleep, blocking, patience)
        return lambda function: self._guarded(function, name, waits)

    def _guarded(
        self,
        function: Callable[P, R],
        name: str,
        waits: tuple[float, float, bool, float],
    ) -> Callable[P, R]:
        check_runs_at_once("synchronized", function)
        called = signature(function)
        named = _name_of(name, called, function)
        takes_token = _FENCING_TOKEN in called.parameters

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            lock = named(*args, **kwargs)
            with hold(self._find_client(), lock, *waits) as held:
                if takes_token:
                    kwargs[_FENCING_TOKEN] = held.fencing_token
                return function(*args, **kwargs)

        return call


def make_synchronized(find_client: Callable[[], Redis]) -> Synchronizing:
    """Make ``synchronized`` for the clients that ``find_client`` finds at each call."""
    return Synchronizing(find_client)


def _name_of(
    name: str, called: Signature, function: Callable[..., Any]
) -> Callable[..., str]:
    """What names the lock of a call; ``name`` is checked against the parameters."""
    asked = {
        field.partition(".")[0].partition("[")[0]
        for _, field, _, _ in Formatter().parse(name)
        if field is not None
    }
    open_ended = any(
        p.kind is Parameter.VAR_KEYWORD for p in called.parameters.values()
    )
    for placeholder in sorted(asked):
        if placeholder not in called.parameters and not open_ended:
            qualified = f"{function.__module__}.{function.__qualname__}"
            raise UnknownPlaceholder(name, placeholder, qualified)

    def named(*args: Any, **kwargs: Any) -> str:
        if not asked:
            return name.format()
        bound = called.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        return name.format(**{**bound.kwargs, **bound.arguments})

    return named
