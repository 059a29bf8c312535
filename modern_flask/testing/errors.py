"""The errors of a service's tests."""

from __future__ import annotations

from ..errors import Fault, find_nearest, join_names

__all__ = [
    "CLOSE_SESSION",
    "USE_REAL_REDIS",
    "ConnectionsLeft",
    "NoSuchProvider",
    "NotInMemory",
]

CLOSE_SESSION = "close the session, or use it in a request or an app context"

USE_REAL_REDIS = "set REDIS_URL to a redis-server that belongs to the tests alone"


class ConnectionsLeft(AssertionError):
    """A test ended with connections to the database still checked out."""

    def __init__(self, number: int) -> None:
        self.number = number
        noun = "connection is" if number == 1 else "connections are"
        super().__init__(
            f"{number} {noun} still checked out after the test.\n"
            f"  fix      {CLOSE_SESSION}"
        )


class NoSuchProvider(Fault):
    """An override names a provider that the container does not have."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.nearest = name, find_nearest(name, known)
        super().__init__(
            f"{name} can't be overridden: the container does not provide it.",
            ("did you mean", join_names(self.nearest, "or")),
        )


class NotInMemory(Fault, NotImplementedError):
    """A test needs more of Redis than ``MemoryRedis`` has.

    Args:
        wanted: A command, or commands.
    """

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(
            f"MemoryRedis does not have {wanted}: it serves cached and synchronized.",
            ("fix", USE_REAL_REDIS),
        )
