"""Calls that are repeated while a vendor does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from ..waiting import Backoff, Retries
from .errors import StorageUnavailable

__all__ = ["BACKOFF", "call_with_retries"]

T = TypeVar("T")

BACKOFF = Backoff(first=0.1, longest=2.0, budget=30.0, attempts=3)
"""Three attempts; pauses of 0.1 and 0.2 s before jitter, no attempt after 30 s."""


def call_with_retries(
    call: Callable[[], T],
    *,
    backoff: Backoff | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """The result of ``call``, which is repeated while the vendor does not answer.

    Args:
        call: What to call.
        backoff: The rule; by default :data:`BACKOFF`.
        sleep: What waits.
        clock: Where the time comes from.

    Raises:
        StorageUnavailable: The last one, when the attempts or the budget ran out.
    """
    retries = Retries(backoff or BACKOFF, sleep=sleep, clock=clock)
    while True:
        try:
            return call()
        except StorageUnavailable:
            if not retries.pause():
                raise
