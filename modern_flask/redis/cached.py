"""``cached``: keeps the results of a function in Redis."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from functools import partial, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary, proxy

from redis import Redis

from .cache_key import CallKey, VariantKey
from .payload import Codec, NotStored
from .plain_function import check_plain_function

if TYPE_CHECKING:
    from .cache import Cache, PlainCache

__all__ = [
    "CachedDecorator",
    "CachedEntry",
    "CachedFunction",
    "Lookout",
    "RequestOptions",
    "Surroundings",
    "WebFramework",
    "make_cached",
]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class CachedEntry(Protocol):
    """The results of a cached function for requests that ``select`` has described."""

    def key(self, *args: Any, **kwargs: Any) -> str:
        """Return the key in Redis of a call with these arguments."""

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Delete the result for these arguments.

        Raises:
            redis.exceptions.RedisError: The result may stay until it expires.
        """


class CachedFunction(CachedEntry, Protocol[P, R_co]):
    """A function whose results are cached. Injected arguments may be left out.

    ``key`` and ``invalidate`` mean the result for a request without a query string and
    without the declared headers, and with the present result of ``by``.
    """

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Compute the result for these arguments now, store it and return it.

        A result that a call would not store is returned, and not stored.
        """

    def select(
        self,
        *,
        query: Mapping[str, object] | str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
        by: object = None,
    ) -> CachedEntry:
        """Select the results of a view for a certain request.

        ``show.select(query={"page": 2}).invalidate(order_id=7)`` deletes what
        ``GET /orders/7?page=2`` is answered with.

        Args:
            query: The query string, or its parameters; a list is several values.
            headers: The values of the declared headers; one that is left out was not
                sent.
            by: A result of ``by``; the present one by default.

        Raises:
            NotInKey: A part that is given does not belong to the key.
        """


class Surroundings(Protocol):
    """What the current request means for one call of a cached function."""

    shared: bool
    """Whether the cache may answer, and keep the answer."""

    query: str
    """The query string, if the function is the view of the request."""

    headers: Mapping[str, str | None]
    """The declared headers, by their names in lower case."""

    def run(self, create: Callable[[], Any]) -> Any:
        """Return the result of ``create``, as a ``NotStored`` if it must not be kept.

        That is so if it depends on a part of the request that is not in the key.
        """


class Lookout(Protocol):
    """Finds the surroundings of the calls of one function."""

    def look(self) -> Surroundings | None:
        """Return those of a call; None outside of a request."""

    def look_elsewhere(self) -> Surroundings | None:
        """The same for a call that computes an answer outside of its own request."""


class RequestOptions(NamedTuple):
    """The options of ``cached`` that are about requests.

    Args:
        vary: The headers that belong to the key.
        ignore: The headers that make no difference, among names of parameters.
        by_owner: Whether ``by`` says whom a result belongs to.
        plain: Whether results are stored as plain JSON.
    """

    vary: Collection[str]
    ignore: Collection[str]
    by_owner: bool
    plain: bool


class WebFramework(NamedTuple):
    """What ``cached`` knows of requests and responses.

    Args:
        make_lookout: Makes the lookout of a function.
        codec: Turns the answers of views into bytes and back.
    """

    make_lookout: Callable[[Callable[..., Any], RequestOptions], Lookout]
    codec: Codec


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
            by_arguments: ``False`` keeps one result for all arguments and queries under
                the key ``cache.a.b``, as plain JSON, as ``redis_cached(10, "a", "b")``
                did: no call waits for another one, and ``stale`` and ``lock_timeout``
                have no effect.

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
