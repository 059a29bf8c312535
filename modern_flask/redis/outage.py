"""Remembers that a Redis is away, for all caches that use it."""

import logging
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from redis import ConnectionPool
from redis.exceptions import LockError, RedisError

from ..failures import describe
from ..waiting import Deadline
from .retry import try_once

__all__ = ["PAUSE", "Outage", "find_outage"]

logger = logging.getLogger(__name__)

PAUSE = 5.0
"""Seconds without a request to Redis after a failure: an attempt may take 2 s."""


class Outage:
    """Calls Redis while it answers. During an outage it returns a default at once.

    A failed call is not repeated. After a pause, one caller tries again; the others get
    their default until it has succeeded.
    """

    def __init__(self) -> None:
        self._retry: Deadline | None = None
        self._lock = threading.Lock()

    def attempt(self, call: Callable[[], Any], default: Any) -> Any:
        """Return the result of ``call``, or ``default`` if Redis is away.

        Raises:
            redis.exceptions.LockError: Redis has answered, and a lock is not held.
        """
        if self._retry is not None and not self._begin_trial():
            return default
        try:
            with try_once():
                answer = call()
        except LockError:
            self._retry = None
            raise
        except RedisError as error:
            self._retry = Deadline(PAUSE)
            logger.warning(
                "The cache works without Redis for %g s: %s.", PAUSE, describe(error)
            )
            return default
        self._retry = None
        return answer

    def _begin_trial(self) -> bool:
        with self._lock:
            if self._retry is not None:
                if not self._retry.passed:
                    return False
                self._retry = Deadline(PAUSE)
        return True


_outages: WeakKeyDictionary[ConnectionPool, Outage] = WeakKeyDictionary()


def find_outage(pool: ConnectionPool) -> Outage:
    """Return the outage that all caches on ``pool`` share."""
    return _outages.setdefault(pool, Outage())
