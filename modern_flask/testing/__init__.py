"""Tools for a service's tests: overrides, doubles, fixtures, wire-faithful servers."""

from typing import TYPE_CHECKING, Any

from .overrides import overriding

if TYPE_CHECKING:
    from .memory_redis import MemoryRedis

__all__ = ["MemoryRedis", "overriding"]


def __getattr__(name: str) -> Any:
    # Only a test that needs it imports redis.
    if name == "MemoryRedis":
        from .memory_redis import MemoryRedis

        return MemoryRedis
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
