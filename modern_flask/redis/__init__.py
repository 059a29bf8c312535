"""Redis: a client with bounded waits, ``cached`` and ``synchronized``."""

from typing import TYPE_CHECKING, Any

from modern_flask.redis.cached import CachedFunction, make_cached
from modern_flask.redis.client import open_redis, ping
from modern_flask.redis.faults import (
    BadRedisUrl,
    LockLost,
    LockTaken,
    NoLock,
    NotCacheable,
    NotKeyable,
    SingleConnection,
    UnknownPlaceholder,
)
from modern_flask.redis.lock import current_fencing_token, hold
from modern_flask.redis.retry import BudgetRetry
from modern_flask.redis.synchronized import make_synchronized

if TYPE_CHECKING:
    from modern_flask.redis.cache import Cache

__all__ = [
    "BadRedisUrl",
    "BudgetRetry",
    "Cache",
    "CachedFunction",
    "LockLost",
    "LockTaken",
    "NoLock",
    "NotCacheable",
    "NotKeyable",
    "SingleConnection",
    "UnknownPlaceholder",
    "current_fencing_token",
    "hold",
    "make_cached",
    "make_synchronized",
    "open_redis",
    "ping",
]


def __getattr__(name: str) -> Any:
    # dogpile.cache is imported by those who cache.
    if name == "Cache":
        from modern_flask.redis.cache import Cache

        return Cache
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
