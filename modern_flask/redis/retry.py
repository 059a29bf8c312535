"""Retries within a budget of time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, ConnectionError
from redis.retry import Retry

from ..waiting import Backoff, Deadline, Retries

__all__ = ["BACKOFF", "BudgetRetry", "try_once"]

T = TypeVar("T")

BACKOFF = Backoff(first=0.04, longest=0.5, budget=3.0)
"""No attempt begins later than 3 s after the first: that is enough for a failover or a
restart. The jitter keeps the workers from sending at the same moment."""

_FOREVER = -1
"""With this number of retries, redis-py sets no limit on them."""


_ONCE: ContextVar[bool] = ContextVar("modern_flask.redis.once", default=False)


@contextmanager
def try_once() -> Iterator[None]:
    """In the block, no command is retried and no connection is tried twice.

    This is for a caller that can do without Redis. A client whose ``retry`` the service
    has set itself keeps that one.
    """
    before = _ONCE.set(True)
    try:
        yield
    finally:
        _ONCE.reset(before)


class BudgetRetry(Retry):
    """Retries after a lost connection for ``seconds``, and never after a timeout.

    Redis may still execute a command that timed out: a second ``INCR`` would count
    twice. A refused password is not retried either. redis-py retries a command, and
    inside each attempt the connection. Both budgets run at the same time, so all
    attempts end within ``seconds`` plus the duration of one attempt.

    Args:
        seconds: No attempt begins later than this after the first one.
    """

    def __init__(self, seconds: float = BACKOFF.budget) -> None:
        super().__init__(NoBackoff(), _FOREVER, (ConnectionError,))
        self.seconds = seconds

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BudgetRetry):
            return NotImplemented
        return self.seconds == other.seconds and super().__eq__(other)

    __hash__ = Retry.__hash__

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        """Call ``do`` until it succeeds or the budget is spent; redis-py calls this."""
        deadline = Deadline(self.seconds)
        retries: Retries | None = None
        failures = 0
        while True:
            try:
                return do()
            except self._supported_errors as error:
                if is_retryable is not None and not is_retryable(error):
                    raise
                failures += 1
                fail(error, failures) if with_failure_count else fail(error)
                refused = isinstance(error, AuthenticationError | AuthorizationError)
                if refused or _ONCE.get():
                    raise
                if retries is None:
                    # Made only now, since nearly every command succeeds at once.
                    retries = Retries(replace(BACKOFF, budget=deadline.left()))
                if not retries.pause():
                    raise
