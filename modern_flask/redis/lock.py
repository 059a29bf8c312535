"""A lock in Redis: fenced, renewed while the work runs, and honest about its loss."""

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from redis import Redis
from redis.exceptions import LockNotOwnedError, RedisError
from redis.lock import Lock

from .errors import LockLost, LockTaken, NoLock

logger = logging.getLogger(__name__)

_FENCE_KEPT = 24 * 60 * 60 * 1000
"""Milliseconds for which the last fencing token of a name is kept. Tokens follow the
clock, so one that was forgotten is still lower than the next."""

_ACQUIRE = """
local held = redis.call('get', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
local now = redis.call('time')
local last = tonumber(redis.call('get', KEYS[2]) or 0)
local fence = math.max(now[1] * 1000000 + now[2], last + 1)
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
redis.call('set', KEYS[2], string.format('%.0f', fence), 'px', ARGV[3])
return fence
"""
"""Take the lock and its fencing token in one step: a holder that stalls between two
could come back with the higher token. Sent twice by a retry, it takes the lock once."""

_HELD: ContextVar["_Held | None"] = ContextVar("modern_flask.lock", default=None)


class FencedLock(Lock):
    """redis-py's lock with a fencing token: higher for each holder than for the last.

    The token is the time in microseconds, or one more than the last token where the
    clock has gone back. What it is for: Kleppmann, "How to do distributed locking"
    (https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html).
    """

    fencing_token = 0
    asked_at = 0.0

    def do_acquire(self, token: Any) -> bool:
        # The expiry counts from no earlier than this.
        self.asked_at = time.monotonic()
        milliseconds = int((self.timeout or 0) * 1000)
        keys = [self.name, fence_key(self.name)]
        answer: Any = self.redis.eval(
            _ACQUIRE, len(keys), *keys, token, milliseconds, _FENCE_KEPT
        )
        self.fencing_token = int(answer)
        return self.fencing_token > 0


def fence_key(name: str) -> str:
    """Beside the lock: a cluster keeps both in one slot, by the part in braces."""
    return f"{name}:fence" if "{" in name else f"{{{name}}}:fence"


class _Held:
    """A lock while it is held; a thread renews it at every third of its timeout."""

    def __init__(self, lock: FencedLock, timeout: float) -> None:
        self.name = str(lock.name)
        self.fencing_token = lock.fencing_token
        self._lock, self._timeout = lock, timeout
        self._ours_until = lock.asked_at + timeout
        self._done = threading.Event()
        self._lost = ""
        threading.Thread(
            target=self._renew, name=f"renew {self.name}", daemon=True
        ).start()

    def _renew(self) -> None:
        while not self._done.wait(self._timeout / 3):
            asked_at = time.monotonic()
            try:
                self._lock.reacquire()
                self._ours_until = asked_at + self._timeout
            except RedisError as error:
                if self._done.is_set():
                    # Let go of meanwhile: the release knows whether it was ours.
                    return
                if isinstance(error, LockNotOwnedError):
                    self._lost = "it expired or was deleted, and may have been taken"
                    return
                logger.warning("The lock %s was not renewed: %s.", self.name, error)

    def check(self) -> None:
        """Raise :class:`LockLost` if somebody else may hold the lock by now."""
        if not self._lost and time.monotonic() > self._ours_until:
            self._lost = "Redis did not confirm it in time"
        if self._lost:
            raise LockLost(self.name, self._lost)

    def let_go(self) -> None:
        self._done.set()
        try:
            self._lock.release()
        except LockNotOwnedError:
            self._lost = (
                self._lost or "it expired or was deleted before it was released"
            )
        except RedisError as error:
            # It expires by itself.
            logger.warning("The lock %s was not released: %s.", self.name, error)
        else:
            # It still had our token, so it was never anybody else's.
            self._ours_until = math.inf


@contextmanager
def hold(
    client: Redis,
    name: str,
    timeout: float = 30,
    sleep: float = 0.1,
    blocking: bool = True,
    blocking_timeout: float = 5,
) -> Iterator[_Held]:
    """Hold the lock ``name`` while the block runs.

    Args:
        timeout: Seconds after which it expires once its holder has died; a living
            holder renews it.
        sleep: Seconds between two attempts.
        blocking: Whether to wait for it at all.
        blocking_timeout: Seconds to wait at most.

    Yields:
        The lock, with its ``fencing_token`` and ``check()``.

    Raises:
        LockTaken: It was not free in time.
        LockLost: The block is done, and was not alone for certain.
        redis.exceptions.RedisError: Redis could not be asked for it.
    """
    waits = blocking_timeout if blocking else 0
    lock = FencedLock(
        client, name, timeout, sleep, blocking, blocking_timeout, thread_local=False
    )
    if not lock.acquire():
        raise LockTaken(name, waits)
    held = _Held(lock, timeout)
    outer = _HELD.set(held)
    try:
        yield held
    except BaseException:
        held.let_go()
        raise
    else:
        held.let_go()
        held.check()
    finally:
        _HELD.reset(outer)


def current_fencing_token() -> int:
    """The fencing token of the innermost lock that is held here.

    Send it along with every write; a store that refuses a token lower than the last one
    it saw is safe from a holder that was away for longer than its lock.

    Raises:
        NoLock: None is held in this context; threads do not inherit it.
        LockLost: Somebody else may hold it by now.
    """
    held = _HELD.get()
    if held is None:
        raise NoLock
    held.check()
    return held.fencing_token
