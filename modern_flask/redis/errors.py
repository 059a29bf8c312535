"""The errors of the Redis settings, of cached values and of locks."""

from ..errors import ESCAPE_PASSWORD, ConfigurationError, Fault

__all__ = [
    "CHECK_TOKEN",
    "READ_TOKEN_INSIDE",
    "REMOVE_SINGLE_CONNECTION",
    "RETURN_JSON",
    "USE_PARAMETER",
    "WAIT_LONGER",
    "WRITE_URL",
    "BadNumber",
    "BadRedisUrl",
    "LockLost",
    "LockTaken",
    "NoLock",
    "NotCacheable",
    "NotInKey",
    "NotKeyable",
    "NotPlainFunction",
    "SingleConnection",
    "UnknownPlaceholder",
]

CHECK_TOKEN = "refuse writes whose fencing token is lower than the last one"
READ_TOKEN_INSIDE = "read it in a function under @synchronized, in the same thread"
REMOVE_SINGLE_CONNECTION = "remove it: the pool opens no more connections than it needs"
RETURN_JSON = "return what JSON can hold, bytes, a response, or a tuple of these"
USE_PARAMETER = "use the name of a parameter, or write {{ and }} for braces"
WAIT_LONGER = "try again later, or wait longer with blocking_timeout"
WRITE_URL = (
    "use redis://user:password@host:6379/0, rediss:// for TLS, or "
    f"unix:///path/to/socket?db=0; {ESCAPE_PASSWORD}"
)


class BadRedisUrl(ConfigurationError):
    """The URL can't be parsed. The error leaves it out: it may hold a password."""

    def __init__(self, key: str, origin: object) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} is not a Redis URL.", ("set in", origin or ""), ("fix", WRITE_URL)
        )


class BadNumber(ConfigurationError):
    """The value of a key must be a number in a certain range, but is not.

    Args:
        number: The name of the number, such as ``a number of seconds``.
        example: A correct value.
    """

    def __init__(self, key: str, origin: object, number: str, example: str) -> None:
        self.key, self.origin = key, origin
        self.number, self.example = number, example
        super().__init__(
            f"{key} is not {number}.",
            ("set in", origin or ""),
            ("fix", f"use a number such as {example}, or remove the key"),
        )


class SingleConnection(ConfigurationError):
    """``single_connection_client`` is on: threads would read each other's answers."""

    def __init__(self, key: str, origin: object) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} = True makes all threads share one connection, so they would read "
            "each other's answers.",
            ("set in", origin or ""),
            ("fix", REMOVE_SINGLE_CONNECTION),
        )


class NotCacheable(Fault, TypeError):
    """JSON can't hold the value that a cached function has returned.

    Args:
        key: The key of the value in Redis.
        value: The value; only its type is kept.
        reason: The error of the JSON encoder.
    """

    def __init__(self, key: str, value: object, reason: object) -> None:
        self.key, self.kind, self.reason = key, type(value).__name__, str(reason)
        super().__init__(
            f"{key} can't be cached, its value is of the type {self.kind}: "
            f"{self.reason}.",
            ("fix", RETURN_JSON),
        )


class NotKeyable(Fault, TypeError):
    """An argument of a cached function can't be part of a cache key.

    No text distinguishes the argument from other values of its type.
    """

    def __init__(self, function: str, parameter: str, value: object) -> None:
        self.function, self.parameter = function, parameter
        self.kind = type(value).__name__
        super().__init__(
            f"{function} can't be cached by its argument `{parameter}`: a value of the "
            f"type {self.kind} can't be part of a key.",
            ("fix", f'pass plain values, or leave it out with ignore=["{parameter}"]'),
        )


class NotInKey(Fault, TypeError):
    """``select`` names a part that does not belong to the key of the function.

    Args:
        part: What is named, at the beginning of a sentence.
        option: The option of ``cached`` that makes it a part of the key.
    """

    def __init__(self, function: str, part: str, option: str) -> None:
        self.function, self.part, self.option = function, part, option
        super().__init__(
            f"{part} does not belong to the key of {function}.",
            ("fix", f"declare it with cached(..., {option}), or leave it out"),
        )


class NotPlainFunction(Fault, TypeError):
    """An async function or a generator function returns before its body has run."""

    def __init__(self, decorator: str, function: str) -> None:
        self.decorator, self.function = decorator, function
        super().__init__(
            f"@{decorator} can't decorate {function}: a call returns before the body "
            "of the function has run.",
            ("fix", f"put @{decorator} on a plain function that it calls"),
        )


class UnknownPlaceholder(Fault):
    """The name of a lock has a placeholder that is not a parameter of the function."""

    def __init__(self, name: str, placeholder: str, function: str) -> None:
        self.name, self.placeholder, self.function = name, placeholder, function
        super().__init__(
            f'The name of the lock "{name}" has the placeholder `{placeholder}`, '
            f"which is not a parameter of {function}.",
            ("fix", USE_PARAMETER),
        )


class LockTaken(Fault):
    """The caller waited, but another holder did not release the lock in this time.

    Args:
        name: The name of the lock.
        waited: Seconds.
    """

    def __init__(self, name: str, waited: float) -> None:
        self.name, self.waited = name, waited
        super().__init__(
            f'The lock "{name}" was not free within {waited:g} s.', ("fix", WAIT_LONGER)
        )


class LockLost(Fault):
    """The lock was lost before the work was done: another holder may have worked too.

    Args:
        name: The name of the lock.
        reason: How it was lost.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(
            f'The lock "{name}" was lost before the work was done: {reason}.',
            ("fix", CHECK_TOKEN),
        )


class NoLock(Fault):
    """There is no fencing token, since this context holds no lock."""

    def __init__(self) -> None:
        super().__init__(
            "No lock is held here, so there is no fencing token.",
            ("fix", READ_TOKEN_INSIDE),
        )
