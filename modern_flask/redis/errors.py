"""What can be wrong with Redis: its configuration, a cached value, a lock."""

from collections.abc import Callable
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

from ..errors import ConfigurationError, Fault


class BadRedisUrl(ConfigurationError):
    """The URL can't be read. It is not repeated: it may hold a password."""

    def __init__(self, key: str, origin: object) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} is no Redis URL.",
            ("set in", origin or ""),
            ("write", "redis://user:password@host:6379/0, rediss:// for TLS,"),
            ("or", "unix:///path/to/socket?db=0"),
            ("note", "in a password, @ is %40, : is %3A, / is %2F"),
        )


class SingleConnection(ConfigurationError):
    """``single_connection_client``: threads would read each other's answers."""

    def __init__(self, key: str, origin: object) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} = True gives all threads one connection, and they would read each "
            "other's answers.",
            ("set in", origin or ""),
            ("do", "remove it: the pool opens as few connections as are in use"),
        )


class NotCacheable(Fault, TypeError):
    """What was computed for a key is nothing that JSON can hold."""

    def __init__(self, key: str, value: object, reason: object) -> None:
        self.key, self.kind, self.reason = key, type(value).__name__, str(reason)
        super().__init__(
            f"{key} can't be cached: its value is of the type {self.kind}.",
            ("because", self.reason),
            ("return", "what JSON holds, or a tuple of it"),
        )


class NotKeyable(Fault, TypeError):
    """An argument of a cached function has no text that tells it from others."""

    def __init__(self, function: str, parameter: str, value: object) -> None:
        self.function, self.parameter = function, parameter
        self.kind = type(value).__name__
        super().__init__(
            f"{function} can't be cached by its argument `{parameter}`: "
            f"a {self.kind} can't be part of a key.",
            ("do", f'pass plain values, or leave it out: ignore=["{parameter}"]'),
        )


class RunsLater(Fault, TypeError):
    """A call of the function returns before it has run: it is async or a generator."""

    def __init__(self, decorator: str, function: str) -> None:
        self.decorator, self.function = decorator, function
        super().__init__(
            f"@{decorator} can't stand over {function}: a call returns before the "
            "function has run.",
            ("do", f"put @{decorator} over a plain function that it calls"),
        )


def check_runs_at_once(decorator: str, function: Callable[..., object]) -> None:
    """Refuse an async function and a generator.

    Raises:
        RunsLater: ``function`` is one.
    """
    for is_late in (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction):
        if is_late(function):
            raise RunsLater(decorator, f"{function.__module__}.{function.__qualname__}")


class UnknownPlaceholder(Fault):
    """A lock's name asks for an argument that the function does not have."""

    def __init__(self, name: str, placeholder: str, function: str) -> None:
        self.name, self.placeholder, self.function = name, placeholder, function
        super().__init__(
            f'The lock "{name}" is named after `{placeholder}`, '
            f"which is no parameter of {function}.",
            ("do", "name a parameter, or write {{ and }} for braces"),
        )


class LockTaken(Fault):
    """Somebody else holds the lock, and did so for as long as we waited."""

    def __init__(self, name: str, waited: float) -> None:
        self.name, self.waited = name, waited
        super().__init__(
            f'The lock "{name}" was not free within {waited:g} s.',
            ("do", "try again later, or wait longer: blocking_timeout"),
        )


class LockLost(Fault):
    """The lock was not ours to the end: somebody else may have worked meanwhile."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f'The lock "{name}" was lost before the work was done.',
            ("because", reason),
            ("do", "refuse writes with a lower fencing token than the last"),
        )


class NoLock(Fault):
    """A fencing token is asked for where no lock is held."""

    def __init__(self) -> None:
        super().__init__(
            "No lock is held here, so there is no fencing token.",
            ("do", "ask in a function below @synchronized, in its own thread"),
        )
