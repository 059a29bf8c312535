"""``cached`` and ``synchronized`` on the current app's Redis."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from ..wiring import find, note_lookup
from .cached import make_cached
from .synchronized import make_synchronized

__all__ = ["cached", "synchronized"]

F = TypeVar("F", bound=Callable[..., Any])


def _needing_redis(make: F) -> F:
    """The same decorator, for the check at start to know what stands on Redis."""

    def made(*args: Any, **options: Any) -> Any:
        decorate = make(*args, **options)
        return lambda function: note_lookup("redis", decorate(function))

    return cast(F, made)


cached = _needing_redis(make_cached(partial(find, "redis")))
synchronized = _needing_redis(make_synchronized(partial(find, "redis")))
