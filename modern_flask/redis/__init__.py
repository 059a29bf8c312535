"""Redis: a client with a limit on every wait, ``cached`` and ``synchronized``."""

from typing import TYPE_CHECKING, Any

from .cached import make_cached
from .cached_function import CachedEntry, CachedFunction
from .client import open_redis, ping
from .errors import (
    BadNumber,
    BadRedisUrl,
    LockLost,
    LockTaken,
    NoLock,
    NotCacheable,
    NotInKey,
    NotKeyable,
    NotPlainFunction,
    SingleConnection,
    UnknownPlaceholder,
)
from .lock import current_fencing_token, hold
from .retry import BudgetRetry
from .synchronized import make_synchronized

if TYPE_CHECKING:
    from .cache import Cache

__all__ = [
    "BadNumber",
    "BadRedisUrl",
    "BudgetRetry",
    "Cache",
    "CachedEntry",
    "CachedFunction",
    "LockLost",
    "LockTaken",
    "NoLock",
    "NotCacheable",
    "NotInKey",
    "NotKeyable",
    "NotPlainFunction",
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
    # Only a service that caches imports dogpile.cache.
    if name == "Cache":
        from .cache import Cache

        return Cache
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
