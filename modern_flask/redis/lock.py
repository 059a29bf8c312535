"""A lock in Redis with fencing tokens. It is renewed, and its loss raises an error."""

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from redis import Redis
from redis.exceptions import LockNotOwnedError, RedisError
from redis.lock import Lock

from ..failures import describe
from ..waiting import Deadline
from .errors import LockLost, LockTaken, NoLock

__all__ = [
    "ACQUIRE_SCRIPT",
    "FencedLock",
    "current_fencing_token",
    "hold",
    "make_fence_key",
]

logger = logging.getLogger(__name__)

_FENCE_KEPT = 24 * 60 * 60 * 1000
"""Milliseconds for which Redis keeps the last fencing token of a lock. Tokens follow
the clock, so the next token is higher even after Redis has deleted the last one."""

ACQUIRE_SCRIPT = """
local held = redis.call('get', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
local now = redis.call('time')
local last = tonumber(redis.call('get', KEYS[2]) or 0)
local fence = math.max(now[1] * 1000000 + now[2], last + 1)
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
redis.call('set', KEYS[2], string.format('%.0f', fence), 'px', ARGV[3])
return fence
"""
"""Takes the lock and its fencing token in one step. With two steps, a holder that
stalls between them could get a higher token than the next holder. If a retry sends the
script twice, it takes the lock once."""

_HELD: ContextVar["_HeldLock | None"] = ContextVar("modern_flask.lock", default=None)


class FencedLock(Lock):
    """The lock of redis-py with a fencing token that is higher for each new holder.

    The token is the time in microseconds, or one more than the last token if the clock
    has gone back. M. Kleppmann explains the use of tokens in "How to do distributed
    locking"
    (https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html).
    """

    fencing_token = 0
    expiry = Deadline(0)

    def do_acquire(self, token: Any) -> bool:
        # Set before the request, so it ends before the timeout that Redis counts.
        self.expiry = Deadline(self.timeout or 0)
        milliseconds = int((self.timeout or 0) * 1000)
        keys = [self.name, make_fence_key(self.name)]
        answer: Any = self.redis.eval(
            ACQUIRE_SCRIPT, len(keys), *keys, token, milliseconds, _FENCE_KEPT
        )
        self.fencing_token = int(answer)
        return self.fencing_token > 0


def make_fence_key(name: str) -> str:
    """Make the key of the fencing token of a lock.

    A cluster chooses the slot of a key by the part in braces, so the lock and its token
    are in the same slot.
    """
    return f"{name}:fence" if "{" in name else f"{{{name}}}:fence"


class _HeldLock:
    """A lock while it is held. A thread renews it after each third of its timeout."""

    def __init__(self, lock: FencedLock, timeout: float) -> None:
        self.name = str(lock.name)
        self.fencing_token = lock.fencing_token
        self._lock, self._timeout = lock, timeout
        self._expiry = lock.expiry
        self._done = threading.Event()
        self._lost = ""
        threading.Thread(
            target=self._renew, name=f"renew {self.name}", daemon=True
        ).start()

    def _renew(self) -> None:
        while not self._done.wait(self._timeout / 3):
            expiry = Deadline(self._timeout)
            try:
                self._lock.reacquire()
                self._expiry = expiry
            except RedisError as error:
                if self._done.is_set():
                    # Meanwhile the lock was released. release() checks for a loss.
                    return
                if isinstance(error, LockNotOwnedError):
                    self._lost = "it expired or was deleted, and may have been taken"
                    return
                logger.warning(
                    "The lock %s was not renewed: %s.", self.name, describe(error)
                )

    def check(self) -> None:
        """Check that no other holder can have the lock.

        Raises:
            LockLost: Another holder may have it.
        """
        if not self._lost and self._expiry.passed:
            self._lost = "Redis did not confirm it in time"
        if self._lost:
            raise LockLost(self.name, self._lost)

    def release(self) -> None:
        self._done.set()
        try:
            self._lock.release()
        except LockNotOwnedError:
            self._lost = (
                self._lost or "it expired or was deleted before it was released"
            )
        except RedisError as error:
            # It expires without a release.
            logger.warning(
                "The lock %s was not released: %s.", self.name, describe(error)
            )
        else:
            # Redis had the token of this lock to the end: no other holder had the lock.
            self._expiry = Deadline(math.inf)


@contextmanager
def hold(
    client: Redis,
    name: str,
    timeout: float = 30,
    sleep: float = 0.1,
    blocking: bool = True,
    blocking_timeout: float = 5,
) -> Iterator[_HeldLock]:
    """Hold the lock ``name`` while the block runs.

    Args:
        timeout: Seconds until the lock expires after its holder has died. A living
            holder renews it.
        sleep: Seconds between two attempts to get the lock.
        blocking: Whether to wait for the lock at all.
        blocking_timeout: The longest time to wait, in seconds.

    Yields:
        The lock, with its ``fencing_token`` and ``check()``.

    Raises:
        LockTaken: The lock was not free in time.
        LockLost: The block has run, but another holder may have had the lock.
        redis.exceptions.RedisError: Redis can't be reached.
    """
    waits = blocking_timeout if blocking else 0
    lock = FencedLock(
        client, name, timeout, sleep, blocking, blocking_timeout, thread_local=False
    )
    if not lock.acquire():
        raise LockTaken(name, waits)
    held = _HeldLock(lock, timeout)
    outer = _HELD.set(held)
    try:
        yield held
    except BaseException:
        held.release()
        raise
    else:
        held.release()
        held.check()
    finally:
        _HELD.reset(outer)


def current_fencing_token() -> int:
    """Return the fencing token of the innermost lock of this context.

    Send it with every write. A store that refuses tokens lower than the last one is
    safe from a holder that was away for longer than its lock.

    Raises:
        NoLock: This context holds no lock; a new thread does not inherit one.
        LockLost: Another holder may have the lock.
    """
    held = _HELD.get()
    if held is None:
        raise NoLock
    held.check()
    return held.fencing_token
