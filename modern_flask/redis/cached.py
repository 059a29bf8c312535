"""``cached``: a function's answers, kept in Redis."""

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, proxy

from redis import Redis

from .cache_key import CallKey
from .errors import check_runs_at_once

if TYPE_CHECKING:
    from .cache import Cache

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class CachedFunction(Protocol[P, R_co]):
    """A function whose answers are cached. Injected arguments may be left out."""

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def key(self, *args: Any, **kwargs: Any) -> str:
        """The key in Redis of a call with these arguments."""

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Forget the answer to these arguments.

        Raises:
            redis.exceptions.RedisError: It may still be there, until it expires.
        """

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Compute the answer to these arguments now, keep it and return it."""


class Caching:
    """The decorator ``cached``, bound to whatever finds the current client."""

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
        """Keep a function's answers in Redis as JSON.

        One call computes while others wait for it, or get the stale answer. ``None`` is
        an answer too. Without Redis the function is simply called.

        Args:
            ex: Seconds until an answer is expired.
            keys: The prefix of the key, joined by dots; the function's name where there
                are none. The arguments follow it, but for those that are injected.
            stale: Seconds for which an expired answer may be served while another call
                computes; as many as ``ex`` where it is not given.
            lock_timeout: Seconds after which a call that waits computes for itself.
            ignore: Parameters that make no difference to the answer.
            by_arguments: ``False`` keeps one answer for all arguments, as
                ``redis_cached(10, "a", "b")`` did.

        Raises:
            RunsLater: The function is async or a generator.
            NotCacheable: From the call: JSON can't hold the answer.
            NotKeyable: From the call: an argument can't be part of a key.
        """
        kept = _seconds(ex)
        stale_for = None if stale is None else _seconds(stale)

        def decorate(function: Callable[P, R]) -> CachedFunction[P, R]:
            check_runs_at_once("cached", function)
            key = CallKey(function, keys, ignore, by_arguments)
            caches = _Caches(self._find_client, kept, stale_for, lock_timeout)
            return _cached_function(function, key, caches)

        return decorate


def make_cached(find_client: Callable[[], Redis]) -> Caching:
    """Make ``cached`` for the clients that ``find_client`` finds at each call."""
    return Caching(find_client)


def _seconds(duration: float | timedelta) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    return duration


class _Caches:
    """One function's cache in each client that it meets, for as long as that lives."""

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
        """The client, to be held while the cache is used, and its cache."""
        # What imports this module may never call what it decorates.
        from .cache import Cache

        client = self._find_client()
        cache = self._caches.get(client)
        if cache is None:
            # A cache that held its client would keep itself in this dictionary.
            cache = Cache(proxy(client), *self._settings)
            self._caches[client] = cache
        return client, cache


def _cached_function(
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
            # Whoever watches the client may have left this on it.
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

    answers: Any = call
    answers.key, answers.refresh, answers.invalidate = key, refresh, invalidate
    return cast(CachedFunction[P, R], answers)
