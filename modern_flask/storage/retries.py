"""Calls that are repeated while a vendor does not answer."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from ..waiting import Backoff, Retries
from .errors import OutcomeUnknown, StorageError, StorageUnavailable

__all__ = ["BACKOFF", "call_with_retries", "is_repeatable"]

T = TypeVar("T")

BACKOFF = Backoff(first=0.1, longest=2.0, budget=30.0, attempts=3)
"""Three attempts; pauses of 0.1 and 0.2 s before jitter, no attempt after 30 s."""


def is_repeatable(error: StorageError) -> bool:
    """Whether an operation that is harmless twice may be repeated after ``error``."""
    return isinstance(error, StorageUnavailable) and not isinstance(
        error, OutcomeUnknown
    )


def call_with_retries(
    call: Callable[[], T],
    *,
    repeat: Callable[[StorageError], bool] = is_repeatable,
    within: float = float("inf"),
    backoff: Backoff | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """The result of ``call``, which is repeated while the vendor does not answer.

    A pause lasts at least as long as the vendor's ``Retry-After`` says. If that is
    longer than the time that is left, there is no further attempt.

    Args:
        call: What to call.
        repeat: After which errors it is called again.
        within: Seconds after which it is not called again, if the rule allows more.
        backoff: The rule; by default :data:`BACKOFF`.
        sleep: What waits.
        clock: Where the time comes from.

    Raises:
        StorageError: The last one, when the attempts or the budget ran out.
    """
    rule = backoff or BACKOFF
    rule = replace(rule, budget=min(rule.budget, within))
    retries = Retries(rule, sleep=sleep, clock=clock)
    while True:
        try:
            return call()
        except StorageError as error:
            at_least = getattr(error, "retry_after", 0.0)
            if not (repeat(error) and retries.pause(at_least)):
                raise
