"""Retries bounded by time."""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, ConnectionError
from redis.retry import Retry

T = TypeVar("T")

_BUDGET = 3.0
"""Seconds in which another attempt may begin: a failover or restart fits in."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5  # seconds

_FOREVER = -1
"""What redis-py calls a retry that counts no attempts."""


class BudgetRetry(Retry):
    """Tries again on a lost connection for ``seconds``; never after a timeout.

    A command that timed out may yet be executed: sent again, ``INCR`` counts twice.
    A refused password stays refused. redis-py retries a command and, inside it, the
    connection; both clocks run at once, so the whole is over in ``seconds`` and one
    attempt more.
    """

    def __init__(self, seconds: float = _BUDGET) -> None:
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
        """Call ``do`` until it succeeds or the budget is spent; redis-py's hook."""
        deadline = time.monotonic() + self.seconds
        failures, pause = 0, _FIRST_PAUSE
        while True:
            try:
                return do()
            except self._supported_errors as error:
                if is_retryable is not None and not is_retryable(error):
                    raise
                failures += 1
                fail(error, failures) if with_failure_count else fail(error)
                # Jitter, or every worker knocks at the same moment.
                pause = min(pause * 2, _LONGEST_PAUSE) * random.uniform(0.5, 1)
                refused = isinstance(error, AuthenticationError | AuthorizationError)
                if refused or time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
