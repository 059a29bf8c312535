"""``synchronized``: runs one call at a time, in all processes together."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from string import Formatter
from typing import Any, ParamSpec, TypeVar

from redis import Redis

from .errors import UnknownPlaceholder
from .lock import hold
from .plain_function import check_plain_function

__all__ = ["SynchronizedDecorator", "make_synchronized"]

P = ParamSpec("P")
R = TypeVar("R")

_TIMEOUT = 30.0  # seconds
_BLOCKING_TIMEOUT = 5.0  # seconds

_FENCING_TOKEN = "fencing_token"
"""A function with this parameter gets the fencing token of its lock."""


class SynchronizedDecorator:
    """The decorator ``synchronized`` for the client that ``find_client`` returns."""

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
        """Run a function under a lock in Redis, which is renewed while it runs.

        Args:
            name: The name of the lock. ``{order_id}`` in it is replaced by the argument
                of the call, so calls for different orders do not wait for each other.
            timeout: Seconds until the lock expires after its holder has died. ``None``
                means 30: a lock without expiry would stay for ever.
            sleep: Seconds between two attempts to get the lock.
            blocking: Whether to wait for the lock at all.
            blocking_timeout: The longest time to wait, in seconds; ``None`` means 5.

        Raises:
            NotPlainFunction: The function is async or a generator function.
            UnknownPlaceholder: ``name`` has a placeholder that is not a parameter.
            LockTaken: A call raises it if the lock was not free in time.
            LockLost: A call raises it if the function has run, but another holder may
                have had the lock.
        """

        expiry = _TIMEOUT if timeout is None else timeout
        longest = _BLOCKING_TIMEOUT if blocking_timeout is None else blocking_timeout
        waits = (expiry, sleep, blocking, longest)
        return lambda function: self._decorate(function, name, waits)

    def _decorate(
        self,
        function: Callable[P, R],
        name: str,
        waits: tuple[float, float, bool, float],
    ) -> Callable[P, R]:
        check_plain_function("synchronized", function)
        own_signature = signature(function)
        make_name = _make_namer(name, own_signature, function)
        takes_token = _FENCING_TOKEN in own_signature.parameters

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            lock = make_name(*args, **kwargs)
            with hold(self._find_client(), lock, *waits) as held:
                if takes_token:
                    kwargs[_FENCING_TOKEN] = held.fencing_token
                return function(*args, **kwargs)

        return call


def make_synchronized(find_client: Callable[[], Redis]) -> SynchronizedDecorator:
    """Make ``synchronized``; each call uses the client of ``find_client``."""
    return SynchronizedDecorator(find_client)


def _make_namer(
    name: str, called: Signature, function: Callable[..., Any]
) -> Callable[..., str]:
    """Make the function that names the lock of a call.

    Raises:
        UnknownPlaceholder: ``name`` has a placeholder that is not a parameter.
    """
    placeholders = {
        field.partition(".")[0].partition("[")[0]
        for _, field, _, _ in Formatter().parse(name)
        if field is not None
    }
    open_ended = any(
        p.kind is Parameter.VAR_KEYWORD for p in called.parameters.values()
    )
    for placeholder in sorted(placeholders):
        if placeholder not in called.parameters and not open_ended:
            qualified = f"{function.__module__}.{function.__qualname__}"
            raise UnknownPlaceholder(name, placeholder, qualified)

    def make_name(*args: Any, **kwargs: Any) -> str:
        if not placeholders:
            return name.format()
        bound = called.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        return name.format(**{**bound.kwargs, **bound.arguments})

    return make_name
