"""A cache in Redis: one caller at a time computes a value. Outages stop no caller."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE, CacheMutex
from dogpile.cache.proxy import ProxyBackend
from redis import Redis
from redis.exceptions import RedisError

from ..failures import describe
from ..waiting import Deadline
from .errors import NotCacheable

__all__ = ["PAUSE", "Cache"]

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds without a request to Redis after a failure: each attempt may take 3 s."""

_LOCK_SLEEP = 0.02
"""Seconds between two attempts to lock a value that another caller computes."""

_TUPLE = b"("
"""Marks a tuple, which JSON does not have: a view's ``body, status`` must stay one."""


class Cache:
    """Caches values in Redis. One caller at a time computes each value.

    Meanwhile the other callers get the expired value, or wait if there is none. Without
    Redis, every caller computes the value itself.

    Args:
        client: The cache uses its connections.
        ex: Seconds until a value expires.
        stale: Seconds for which callers get an expired value while another caller
            computes; ``ex`` by default.
        lock_timeout: Seconds after which a waiting caller computes the value itself:
            the caller that computes it may have died.
    """

    def __init__(
        self,
        client: Redis,
        ex: float = 10,
        stale: float | None = None,
        lock_timeout: float = 30,
    ) -> None:
        kept = ex + (ex if stale is None else stale)
        self._region = make_region(
            serializer=_keep_bytes, deserializer=_keep_bytes
        ).configure(
            "dogpile.cache.redis",
            expiration_time=ex,
            arguments={
                "connection_pool": client.connection_pool,
                "distributed_lock": True,
                "thread_local_lock": False,
                "lock_prefix": "lock:",
                "lock_timeout": lock_timeout,
                "lock_blocking_timeout": lock_timeout,
                "lock_sleep": _LOCK_SLEEP,
            },
            wrap=[_FailOpen(client, kept)],
        )
        # Use this client and not a second client on its pool: only this one is traced.
        backend: Any = self._region.actual_backend
        backend.reader_client = backend.writer_client = client

    def get_or_create(self, key: str, create: Callable[[], Any]) -> Any:
        """Return the value of ``key``, or call ``create`` and store its result.

        A new value, too, is returned as it is decoded from JSON.

        Raises:
            NotCacheable: JSON can't hold the result of ``create``.
        """

        def compute() -> bytes:
            return _dump(key, create())

        return _load(self._region.get_or_create(key, compute))

    def set(self, key: str, value: Any) -> Any:
        """Store ``value`` under ``key``, and return it as later calls get it."""
        payload = _dump(key, value)
        self._region.set(key, payload)
        return _load(payload)

    def delete(self, key: str) -> None:
        """Delete the value.

        Raises:
            redis.exceptions.RedisError: The value may still exist.
        """
        self._region.delete(key)


def _keep_bytes(payload: bytes) -> bytes:
    return payload


def _dump(key: str, value: Any) -> bytes:
    try:
        payload = json.dumps(value, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise NotCacheable(key, value, error) from None
    return _TUPLE + payload if isinstance(value, tuple) else payload


def _load(payload: bytes) -> Any:
    if payload.startswith(_TUPLE):
        return tuple(json.loads(payload[len(_TUPLE) :]))
    return json.loads(payload)


class _FailOpen(ProxyBackend):
    """A back end that is empty and stores nothing while Redis is away.

    Args:
        client: It writes the values; dogpile.cache would use SETEX, which is
            deprecated.
        kept: Seconds for which Redis keeps a value.
    """

    def __init__(self, client: Redis, kept: float) -> None:
        self._client, self._milliseconds = client, max(1, round(kept * 1000))
        self._retry: Deadline | None = None

    def get_serialized(self, key: str) -> Any:
        value = self._attempt(lambda: self.proxied.get_serialized(key), NO_VALUE)
        # A client with decode_responses returns text.
        return value.encode() if isinstance(value, str) else value

    def set_serialized(self, key: str, value: bytes) -> None:
        self._attempt(lambda: self._client.set(key, value, px=self._milliseconds), None)

    def get_mutex(self, key: str) -> "_Mutex":
        return _Mutex(lambda: self.proxied.get_mutex(key), self._attempt)

    def _attempt(self, call: Callable[[], Any], default: Any) -> Any:
        if self._retry is not None:
            if not self._retry.passed:
                return default
            # This caller tries. The other callers get the default until it succeeds.
            self._retry = Deadline(PAUSE)
        try:
            answer = call()
        except RedisError as error:
            self._retry = Deadline(PAUSE)
            logger.warning(
                "The cache works without Redis for %g s: %s.", PAUSE, describe(error)
            )
            return default
        self._retry = None
        return answer


class _Mutex(CacheMutex):
    """The lock of one key for dogpile.cache; without Redis it locks nothing.

    dogpile.cache shares it between threads, so each acquisition makes a new lock.
    """

    def __init__(
        self,
        make_lock: Callable[[], Any],
        attempt: Callable[[Callable[[], Any], Any], Any],
    ) -> None:
        self._make_lock, self._attempt = make_lock, attempt
        self._thread = threading.local()

    def acquire(self, wait: bool = True) -> bool:
        lock = self._make_lock()
        held = self._attempt(lambda: lock.acquire(wait), None)
        self._thread.lock = lock if held else None
        return held is not False

    def release(self) -> None:
        lock, self._thread.lock = self._thread.lock, None
        if lock is None:
            return
        try:
            lock.release()
        except RedisError as error:
            # The lock has expired or will expire. The value is already computed.
            logger.debug("The lock of a cached value stays: %s.", describe(error))

    def locked(self) -> bool:
        return bool(self._attempt(lambda: self._make_lock().locked(), False))
