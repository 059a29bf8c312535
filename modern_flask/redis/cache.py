"""A cache in Redis: one caller at a time computes a value. Outages stop no caller."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE, CacheMutex
from dogpile.cache.proxy import ProxyBackend
from redis import Redis
from redis.exceptions import LockError

from ..failures import describe
from .outage import Outage, find_outage
from .payload import NOT_STORED, Codec, NotStored

__all__ = ["Cache", "PlainCache"]

logger = logging.getLogger(__name__)

_LOCK_SLEEP = 0.02
"""Seconds between two attempts to lock a value that another caller computes."""


class Cache:
    """Caches values in Redis. One caller at a time computes each value.

    Meanwhile the other callers get the expired value, or wait if there is none. Without
    Redis, every caller computes the value itself. All caches on one client together
    remember that Redis is away, for 5 s.

    Args:
        client: The cache uses its connections.
        ex: Seconds until a value expires.
        stale: Seconds for which callers get an expired value while another caller
            computes; ``ex`` by default.
        lock_timeout: Seconds after which a waiting caller computes the value itself:
            the caller that computes it may have died.
        codec: Turns values into bytes and back; JSON, ``bytes`` and tuples by default.
    """

    def __init__(
        self,
        client: Redis,
        ex: float = 10,
        stale: float | None = None,
        lock_timeout: float = 30,
        codec: Codec | None = None,
    ) -> None:
        self._codec = codec or Codec()
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

        Args:
            key: The key in Redis.
            create: Computes the value. It returns a :class:`NotStored` for a value that
                is for this caller only; until the key expires, the next callers compute
                at once and do not wait for one another.

        Raises:
            NotCacheable: The result of ``create`` can't be stored.
        """
        own: list[Any] = []

        def compute() -> bytes:
            value = create()
            if isinstance(value, NotStored):
                own.append(value.value)
                return NOT_STORED
            return self._codec.dump(key, value)

        payload = self._region.get_or_create(key, compute)
        if payload != NOT_STORED:
            return self._codec.load(payload)
        if own:
            return own[0]
        value = create()
        return value.value if isinstance(value, NotStored) else self.set(key, value)

    def set(self, key: str, value: Any) -> Any:
        """Store ``value`` under ``key``, and return it as later calls get it."""
        payload = self._codec.dump(key, value)
        self._region.set(key, payload)
        return self._codec.load(payload)

    def delete(self, key: str) -> None:
        """Delete the value.

        Raises:
            redis.exceptions.RedisError: The value may still exist.
        """
        self._region.delete(key)


class PlainCache:
    """Caches values in Redis as modern-flask 202207b1 did: their JSON and nothing else.

    Every caller that finds no value computes it, and a value is gone when it expires:
    plain JSON has no room for its age.

    Args:
        client: The cache uses its connections.
        ex: Seconds until Redis deletes a value.
    """

    def __init__(self, client: Redis, ex: float = 10) -> None:
        self._client, self._milliseconds = client, _to_milliseconds(ex)
        self._outage, self._codec = find_outage(client.connection_pool), Codec(True)

    def get_or_create(self, key: str, create: Callable[[], Any]) -> Any:
        """Return the value of ``key``, or call ``create`` and store its result.

        Raises:
            NotCacheable: JSON can't hold the result of ``create``.
        """
        payload: Any = self._outage.attempt(lambda: self._client.get(key), None)
        if payload is not None:
            return self._codec.load(payload)
        value = create()
        return value.value if isinstance(value, NotStored) else self.set(key, value)

    def set(self, key: str, value: Any) -> Any:
        """Store ``value`` under ``key``, and return it as later calls get it."""
        payload, kept = self._codec.dump(key, value), self._milliseconds
        self._outage.attempt(lambda: self._client.set(key, payload, px=kept), None)
        return self._codec.load(payload)

    def delete(self, key: str) -> None:
        """Delete the value.

        Raises:
            redis.exceptions.RedisError: The value may still exist.
        """
        self._client.delete(key)


def _keep_bytes(payload: bytes) -> bytes:
    return payload


def _to_milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


class _FailOpen(ProxyBackend):
    """A back end that is empty and stores nothing while Redis is away.

    Args:
        client: It writes the values; dogpile.cache would use SETEX, which is
            deprecated.
        kept: Seconds for which Redis keeps a value.
    """

    def __init__(self, client: Redis, kept: float) -> None:
        self._client, self._milliseconds = client, _to_milliseconds(kept)
        self._outage = find_outage(client.connection_pool)

    def get_serialized(self, key: str) -> Any:
        value = self._outage.attempt(lambda: self.proxied.get_serialized(key), NO_VALUE)
        # A client with decode_responses returns text.
        return value.encode() if isinstance(value, str) else value

    def set_serialized(self, key: str, value: bytes) -> None:
        kept = self._milliseconds
        self._outage.attempt(lambda: self._client.set(key, value, px=kept), None)

    def get_mutex(self, key: str) -> "_Mutex":
        return _Mutex(lambda: self.proxied.get_mutex(key), self._outage)


class _Mutex(CacheMutex):
    """The lock of one key for dogpile.cache; without Redis it locks nothing.

    dogpile.cache shares it between threads, so each acquisition makes a new lock.
    """

    def __init__(self, make_lock: Callable[[], Any], outage: Outage) -> None:
        self._make_lock, self._outage = make_lock, outage
        self._thread = threading.local()

    def acquire(self, wait: bool = True) -> bool:
        lock = self._make_lock()
        held = self._outage.attempt(lambda: lock.acquire(wait), None)
        self._thread.lock = lock if held else None
        return held is not False

    def release(self) -> None:
        lock, self._thread.lock = self._thread.lock, None
        if lock is None:
            return
        try:
            # Without an answer of Redis the lock expires.
            self._outage.attempt(lock.release, None)
        except LockError as error:
            # The lock has expired. The value is already computed.
            logger.debug("The lock of a cached value is gone: %s.", describe(error))

    def locked(self) -> bool:
        return bool(self._outage.attempt(lambda: self._make_lock().locked(), False))
