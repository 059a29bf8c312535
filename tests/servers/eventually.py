"""Waiting for a condition, with a deadline: no test waits in another way."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T], timeout: float = 30, interval: float = 0.02
) -> T:
    """Wait until ``condition()`` is true.

    Args:
        condition: Called every ``interval`` seconds, and at least once.
        timeout: Seconds until the wait fails.

    Returns:
        What the condition returned.

    Raises:
        AssertionError: The time is over; the text has the last result.
    """
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            name = getattr(condition, "__qualname__", condition)
            raise AssertionError(f"{name} was still {answer!r} after {timeout} s.")
        time.sleep(interval)
    return answer
