"""``cached``: keeps the results of a function in Redis."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary, proxy

from redis import Redis

from .cache_key import CallKey, VariantKey
from .cached_function import CachedFunction
from .payload import Codec, NotStored
from .plain_function import check_plain_function
from .surroundings import Lookout, RequestOptions, Surroundings, WebFramework

if TYPE_CHECKING:
    from .cache import Cache, PlainCache

__all__ = ["CachedDecorator", "make_cached"]

P = ParamSpec("P")
R = TypeVar("R")


class CachedDecorator:
    """The decorator ``cached`` for the client that ``find_client`` returns."""

    def __init__(
        self,
        find_client: Callable[[], Redis],
        load_framework: Callable[[], WebFramework] | None = None,
    ) -> None:
        self._find_client, self._load_framework = find_client, load_framework

    def __call__(
        self,
        ex: float | timedelta = 10,
        *keys: object,
        stale: float | timedelta | None = None,
        lock_timeout: float = 30,
        ignore: Collection[str] = (),
        vary: Collection[str] = (),
        by: Callable[[], object] | None = None,
        by_arguments: bool = True,
    ) -> Callable[[Callable[P, R]], CachedFunction[P, R]]:
        """Keep the results of a function in Redis.

        While one call computes a result, the others wait for it or get the expired
        result. ``None`` is a result, too. Without Redis, every call runs the function.
        Results are what JSON can hold, ``bytes``, responses, and tuples of these.

        The query string belongs to the key of a view. A view answers from the cache
        only to GET, and keeps only an answer with the status 200, without
        ``Set-Cookie``, ``Cache-Control: no-store`` or ``private``, or a ``Vary`` that
        is not declared, and with a body that is not streamed.

        A result is not kept if the session, a cookie, ``Authorization`` or another
        header that the key does not have was read for it, or the client's address; so
        no user gets the page of another one. For a view this includes what hooks have
        read of session and cookies, and a request with ``Authorization`` is never
        answered from the cache. The first such call logs a warning. A function that is
        not a view must not read the query string either. What is read from
        ``request.environ``, and headers that hooks read, are not noticed: declare
        those, and ``Host`` if the answer has absolute URLs.

        Args:
            ex: Seconds until a result expires.
            keys: The parts of the key's prefix, joined by dots; the name of the
                function by default. The arguments follow, without the injected ones.
            stale: Seconds for which calls get an expired result while another call
                computes; ``ex`` by default.
            lock_timeout: Seconds after which a waiting call computes the result itself.
            ignore: Parameters, and request headers, that make no difference to the
                result. ``Cookie`` and ``Authorization`` are never ignored.
            vary: Request headers that belong to the key. ``Cookie`` stands for the
                session, too.
            by: Returns what else belongs to the key, such as the id of the user or
                tenant: ``by=lambda: current_user.id``. It stands for the session,
                cookies, ``Authorization`` and the values that hooks take from the URL.
            by_arguments: ``False`` keeps one result for all arguments under the key
                ``cache.a.b``, as plain JSON, as ``redis_cached(10, "a", "b")`` did: no
                call waits for another one, ``stale`` and ``lock_timeout`` have no
                effect, and an answer to which the query string matters is not kept.

        Raises:
            NotPlainFunction: The function is async or a generator function.
            NotCacheable: A call raises it if the result can't be kept.
            NotKeyable: A call raises it if an argument can't be part of a key.
        """
        kept = _to_seconds(ex)
        stale_for = None if stale is None else _to_seconds(stale)
        declared, ignored = _to_names(vary), _to_names(ignore)
        options = RequestOptions(declared, ignored, by is not None, not by_arguments)

        def decorate(function: Callable[P, R]) -> CachedFunction[P, R]:
            check_plain_function("cached", function)
            key = CallKey(function, keys, ignored, by_arguments)
            variant = VariantKey(key.function, declared, by, by_arguments)
            framework = self._load_framework() if self._load_framework else None
            codec = framework.codec if framework else Codec()
            make_cache = _plan_cache(codec, by_arguments, kept, stale_for, lock_timeout)
            lookout = None
            if framework is not None:
                lookout = framework.make_lookout(function, options)
            caches = _Caches(self._find_client, make_cache)
            return _Calls(function, key, variant, caches, lookout).decorate()

        return decorate


def make_cached(
    find_client: Callable[[], Redis],
    load_framework: Callable[[], WebFramework] | None = None,
) -> CachedDecorator:
    """Make ``cached``; each call uses the client that ``find_client`` returns then.

    Args:
        find_client: Returns the client.
        load_framework: Returns what is known of requests and responses; called when a
            function is decorated. Without it, a function is cached as a plain function.
    """
    return CachedDecorator(find_client, load_framework)


def _to_seconds(duration: float | timedelta) -> float:
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    return duration


def _to_names(names: Collection[str]) -> Collection[str]:
    return (names,) if isinstance(names, str) else names


def _plan_cache(
    codec: Codec,
    by_arguments: bool,
    ex: float,
    stale: float | None,
    lock_timeout: float,
) -> "Callable[[Redis], Cache | PlainCache]":
    def make(client: Redis) -> "Cache | PlainCache":
        # Imported here: a module may decorate functions that nobody calls.
        from .cache import Cache, PlainCache

        if not by_arguments:
            return PlainCache(client, ex)
        return Cache(client, ex, stale, lock_timeout, codec)

    return make


class _Caches:
    """The caches of one function: one for each client, as long as the client exists."""

    def __init__(
        self,
        find_client: Callable[[], Redis],
        make: "Callable[[Redis], Cache | PlainCache]",
    ) -> None:
        self._find_client, self._make = find_client, make
        self._caches: WeakKeyDictionary[Redis, Any] = WeakKeyDictionary()

    def current(self) -> "tuple[Redis, Cache | PlainCache]":
        """The current client and its cache. Keep the client while you use the cache."""
        client = self._find_client()
        cache = self._caches.get(client)
        if cache is None:
            # A weak proxy, because a strong reference would keep the client alive.
            cache = self._caches[client] = self._make(proxy(client))
        return client, cache


class _Calls:
    """The calls of one cached function."""

    def __init__(
        self,
        function: Callable[..., Any],
        key: CallKey,
        variant: VariantKey,
        caches: _Caches,
        lookout: Lookout | None,
    ) -> None:
        self._function, self._key, self._variant = function, key, variant
        self._caches, self._lookout = caches, lookout

    def decorate(self) -> CachedFunction[Any, Any]:
        @wraps(self._function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(args, kwargs)

        plain = _Entry(self._key, self._caches, lambda: self._variant("", {}))
        cached: Any = call
        cached.key, cached.invalidate = plain.key, plain.invalidate
        cached.refresh, cached.select = self._refresh, self._select
        return cast(CachedFunction[Any, Any], cached)

    def _call(self, args: Any, kwargs: Any) -> Any:
        client, cache = self._caches.current()
        around = self._lookout.look() if self._lookout is not None else None
        hit = around is None or around.shared

        def compute() -> Any:
            nonlocal hit
            hit = False
            create = partial(self._function, *args, **kwargs)
            return create() if around is None else around.run(create)

        try:
            if not hit:
                return self._function(*args, **kwargs)
            name = self._key(*args, **kwargs) + self._vary(around)
            return cache.get_or_create(name, compute)
        finally:
            # An observer of the client may have added this attribute.
            observe = getattr(client, "observe_lookup", None)
            if observe is not None:
                observe(self._key.function, hit)

    def _vary(self, around: Surroundings | None) -> str:
        if around is None:
            return self._variant("", {})
        return self._variant(around.query, around.headers)

    def _refresh(self, *args: Any, **kwargs: Any) -> Any:
        _client, cache = self._caches.current()
        around = self._lookout.look_elsewhere() if self._lookout is not None else None
        create = partial(self._function, *args, **kwargs)
        value = create() if around is None else around.run(create)
        if isinstance(value, NotStored):
            return value.value
        return cache.set(self._key(*args, **kwargs) + self._vary(around), value)

    def _select(
        self,
        *,
        query: Mapping[str, object] | str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        by: object = None,
    ) -> "_Entry":
        chosen = self._variant.select(query, headers, by)
        return _Entry(self._key, self._caches, lambda: chosen)


class _Entry:
    """The results of a function in one variant."""

    def __init__(
        self, key: CallKey, caches: _Caches, find_variant: Callable[[], str]
    ) -> None:
        self._key, self._caches, self._find_variant = key, caches, find_variant

    def key(self, *args: Any, **kwargs: Any) -> str:
        return self._key(*args, **kwargs) + self._find_variant()

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        _client, cache = self._caches.current()
        cache.delete(self.key(*args, **kwargs))
