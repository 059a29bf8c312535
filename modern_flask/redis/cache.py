"""Values kept in Redis: computed by one caller at a time, and never in the way."""

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE, CacheMutex
from dogpile.cache.proxy import ProxyBackend
from redis import Redis
from redis.exceptions import RedisError

from .errors import NotCacheable

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds for which a Redis that failed is left alone; each try may cost its 3 s."""

_LOCK_SLEEP = 0.02  # seconds between two looks at a value that another computes

_TUPLE = b"("
"""Marks a tuple, which JSON has not: a view's ``body, status`` must stay one."""


class Cache:
    """Computed values in Redis, each computed by one caller at a time.

    Where there is no value, callers wait for the one that computes it; where there is
    an expired one, they get it meanwhile. Without Redis, every caller computes its own.

    Args:
        client: Its connections are shared.
        ex: Seconds until a value is expired.
        stale: Seconds for which an expired value may be served while another caller
            computes; ``None`` stands for ``ex``.
        lock_timeout: Seconds after which a caller that waits computes for itself: the
            one that computes may have died.
    """

    def __init__(
        self,
        client: Redis,
        ex: float = 10,
        stale: float | None = None,
        lock_timeout: float = 30,
    ) -> None:
        kept = ex + (ex if stale is None else stale)
        self._region = make_region(serializer=_as_is, deserializer=_as_is).configure(
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
        # The client itself, not a second one on its pool: it is the one that is traced.
        backend: Any = self._region.actual_backend
        backend.reader_client = backend.writer_client = client

    def get_or_create(self, key: str, create: Callable[[], Any]) -> Any:
        """The value under ``key``, else what ``create`` returns, as JSON gives it back.

        Raises:
            NotCacheable: JSON can't hold what was created.
        """

        def compute() -> bytes:
            return _dumped(key, create())

        return _loaded(self._region.get_or_create(key, compute))

    def set(self, key: str, value: Any) -> Any:
        """Put ``value`` under ``key``; what later calls get is returned."""
        payload = _dumped(key, value)
        self._region.set(key, payload)
        return _loaded(payload)

    def delete(self, key: str) -> None:
        """Forget the value.

        Raises:
            redis.exceptions.RedisError: It may still be there.
        """
        self._region.delete(key)


def _as_is(payload: bytes) -> bytes:
    return payload


def _dumped(key: str, value: Any) -> bytes:
    try:
        payload = json.dumps(value, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise NotCacheable(key, value, error) from None
    return _TUPLE + payload if isinstance(value, tuple) else payload


def _loaded(payload: bytes) -> Any:
    if payload.startswith(_TUPLE):
        return tuple(json.loads(payload[len(_TUPLE) :]))
    return json.loads(payload)


class _FailOpen(ProxyBackend):
    """A backend that has nothing, and keeps nothing, while Redis is away.

    Args:
        client: What writes; the backend would use SETEX, which is deprecated.
        kept: Seconds for which Redis keeps a value.
    """

    def __init__(self, client: Redis, kept: float) -> None:
        self._client, self._milliseconds = client, max(1, round(kept * 1000))
        self._retry_at: float | None = None

    def get_serialized(self, key: str) -> Any:
        value = self._attempt(lambda: self.proxied.get_serialized(key), NO_VALUE)
        # A client with decode_responses gives text.
        return value.encode() if isinstance(value, str) else value

    def set_serialized(self, key: str, value: bytes) -> None:
        self._attempt(lambda: self._client.set(key, value, px=self._milliseconds), None)

    def get_mutex(self, key: str) -> "_Mutex":
        return _Mutex(lambda: self.proxied.get_mutex(key), self._attempt)

    def _attempt(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        if self._retry_at is not None:
            if time.monotonic() < self._retry_at:
                return otherwise
            # This caller tries; the others go on without until it knows.
            self._retry_at = time.monotonic() + PAUSE
        try:
            answer = ask()
        except RedisError as error:
            self._retry_at = time.monotonic() + PAUSE
            logger.warning(
                "The cache does without Redis for %g s: %s.",
                PAUSE,
                type(error).__name__,
            )
            return otherwise
        self._retry_at = None
        return answer


class _Mutex(CacheMutex):
    """One key's lock, as dogpile.cache asks for it: no lock at all without Redis.

    dogpile.cache shares it between threads, so each acquisition takes an own lock.
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
            # It expired, or will; the value has been computed either way.
            logger.debug("A cache's lock was not released: %s.", type(error).__name__)

    def locked(self) -> bool:
        return bool(self._attempt(lambda: self._make_lock().locked(), False))
