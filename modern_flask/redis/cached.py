"""``cached``: keeps the results of a function in Redis."""

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, proxy

from redis import Redis

from .cache_key import CallKey
from .plain_function import check_plain_function

if TYPE_CHECKING:
    from .cache import Cache

__all__ = ["CachedDecorator", "CachedFunction", "make_cached"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class CachedFunction(Protocol[P, R_co]):
    """A function whose results are cached. Injected arguments may be left out."""

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def key(self, *args: Any, **kwargs: Any) -> str:
        """Return the key in Redis of a call with these arguments."""

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Delete the result for these arguments.

        Raises:
            redis.exceptions.RedisError: The result may stay until it expires.
        """

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Compute the result for these arguments now, store it and return it."""


class CachedDecorator:
    """The decorator ``cached`` for the client that ``find_client`` returns."""

    def __init__(self, find_client: Callable[[], Redis]) -> None:
        self._find_client = find_client

    def __call__(
        self,
        ex: float | timedelta = 10,
        *keys: object,
        stale: float | timedelta | None = None,
        lock_timeout: float = 30,
        ignore: Collection[str] = (),
        by_arguments: bool = True,
    ) -> Callable[[Callable[P, R]], CachedFunction[P, R]]:
        """Keep the results of a function in Redis as JSON.

        While one call computes a result, the others wait for it or get the expired
        result. ``None`` is a result, too. Without Redis, every call runs the function.

        Args:
            ex: Seconds until a result expires.
            keys: The parts of the key's prefix, joined by dots; the name of the
                function by default. The arguments follow, without the injected ones.
            stale: Seconds for which calls get an expired result while another call
                computes; ``ex`` by default.
            lock_timeout: Seconds after which a waiting call computes the result itself.
            ignore: Parameters that make no difference to the result.
            by_arguments: ``False`` keeps one result for all arguments, as
                ``redis_cached(10, "a", "b")`` did.

        Raises:
            NotPlainFunction: The function is async or a generator function.
            NotCacheable: A call raises it if JSON can't hold the result.
            NotKeyable: A call raises it if an argument can't be part of a key.
        """
        kept = _to_seconds(ex)
        stale_for = None if stale is None else _to_seconds(stale)

        def decorate(function: Callable[P, R]) -> CachedFunction[P, R]:
            check_plain_function("cached", function)
            key = CallKey(function, keys, ignore, by_arguments)
            caches = _Caches(self._find_client, kept, stale_for, lock_timeout)
            return _make_cached_function(function, key, caches)

        return decorate


def make_cached(find_client: Callable[[], Redis]) -> CachedDecorator:
    """Make ``cached``; each call uses the client that ``find_client`` returns then."""
    return CachedDecorator(find_client)


def _to_seconds(duration: float | timedelta) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    return duration


class _Caches:
    """The caches of one function: one for each client, as long as the client exists."""

    def __init__(
        self,
        find_client: Callable[[], Redis],
        ex: float,
        stale: float | None,
        lock_timeout: float,
    ) -> None:
        self._find_client = find_client
        self._settings = (ex, stale, lock_timeout)
        self._caches: WeakKeyDictionary[Redis, Cache] = WeakKeyDictionary()

    def current(self) -> "tuple[Redis, Cache]":
        """The current client and its cache. Keep the client while you use the cache."""
        # Imported here: a module may decorate functions that nobody calls.
        from .cache import Cache

        client = self._find_client()
        cache = self._caches.get(client)
        if cache is None:
            # A weak proxy, because a strong reference would keep the client alive.
            cache = Cache(proxy(client), *self._settings)
            self._caches[client] = cache
        return client, cache


def _make_cached_function(
    function: Callable[P, R], key: CallKey, caches: _Caches
) -> CachedFunction[P, R]:
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        client, cache = caches.current()
        name = key(*args, **kwargs)
        hit = True

        def compute() -> R:
            nonlocal hit
            hit = False
            return function(*args, **kwargs)

        try:
            return cast(R, cache.get_or_create(name, compute))
        finally:
            # An observer of the client may have added this attribute.
            observe = getattr(client, "observe_lookup", None)
            if observe is not None:
                observe(key.function, hit)

    def refresh(*args: P.args, **kwargs: P.kwargs) -> R:
        _client, cache = caches.current()
        name = key(*args, **kwargs)
        return cast(R, cache.set(name, function(*args, **kwargs)))

    def invalidate(*args: Any, **kwargs: Any) -> None:
        _client, cache = caches.current()
        cache.delete(key(*args, **kwargs))

    cached: Any = call
    cached.key, cached.refresh, cached.invalidate = key, refresh, invalidate
    return cast(CachedFunction[P, R], cached)
