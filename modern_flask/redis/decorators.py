"""``cached`` and ``synchronized`` on the current app's Redis."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from ..wiring import find, note_lookup
from .cached import make_cached
from .surroundings import WebFramework
from .synchronized import make_synchronized

__all__ = ["cached", "synchronized"]

F = TypeVar("F", bound=Callable[..., Any])


def _declare_redis(make: F) -> F:
    """Record for the check at start that functions under this decorator use Redis."""

    def make_decorator(*args: Any, **options: Any) -> Any:
        decorate = make(*args, **options)
        return lambda function: note_lookup("redis", decorate(function))

    return cast(F, make_decorator)


def _load_flask() -> WebFramework:
    # Imported here: a service without cached functions does not record its requests.
    from .views import FLASK

    return FLASK


cached = _declare_redis(make_cached(partial(find, "redis"), _load_flask))
synchronized = _declare_redis(make_synchronized(partial(find, "redis")))
