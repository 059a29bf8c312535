"""Deadlines, pauses with jitter, and calls that end in time: one of each for all rooms.

All times are in seconds.
"""

from __future__ import annotations

import contextvars
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = [
    "BackgroundCall",
    "Backoff",
    "Deadline",
    "DeadlinePassed",
    "Retries",
    "call_within",
]

T = TypeVar("T")


class DeadlinePassed(TimeoutError):
    """A call did not end in time; its thread was left behind."""


class Deadline:
    """A moment on the monotonic clock.

    Args:
        seconds: How far away it is; infinity for never.
        clock: Where the time comes from.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds until the deadline, 0 once it has passed."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self) -> bool:
        return self._clock() >= self._end


@dataclass(frozen=True)
class Backoff:
    """How an operation is repeated after a failure.

    Args:
        first: The first pause.
        longest: No pause is longer.
        growth: Each pause is this many times the one before.
        jitter: Each pause is multiplied by a random number from this range, so that the
            workers of a restarted service do not all call at the same moment.
        budget: No attempt begins later than this after the first one.
        attempts: How many attempts there are in all; None for as many as the budget
            allows.
    """

    first: float
    longest: float
    growth: float = 2.0
    jitter: tuple[float, float] = (0.5, 1.0)
    budget: float = float("inf")
    attempts: int | None = None


class Retries:
    """The pauses of one operation. Make it before the first attempt.

    ::

        retries = Retries(Backoff(first=0.1, longest=1.0, budget=3.0))
        while True:
            try:
                return call()
            except ConnectionError:
                if not retries.pause():
                    raise

    Args:
        backoff: The rule.
        clock: Where the time comes from.
        sleep: What waits.
        uniform: A random number from a range.
    """

    def __init__(
        self,
        backoff: Backoff,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.backoff = backoff
        self.deadline = Deadline(backoff.budget, clock)
        self.failures = 0
        self._sleep, self._uniform = sleep, uniform
        self._pause = backoff.first

    def next_pause(self, at_least: float = 0.0) -> float | None:
        """Note a failure; the seconds until the next attempt, None for no more.

        Args:
            at_least: What the other side asked for, such as ``Retry-After``.
        """
        backoff = self.backoff
        self.failures += 1
        if backoff.attempts is not None and self.failures >= backoff.attempts:
            return None
        pause = max(at_least, self._pause * self._uniform(*backoff.jitter))
        self._pause = min(self._pause * backoff.growth, backoff.longest)
        return pause if pause <= self.deadline.left() else None

    def pause(self, at_least: float = 0.0) -> bool:
        """Wait for the next attempt; False, at once, where there is none."""
        seconds = self.next_pause(at_least)
        if seconds is None:
            return False
        self._sleep(seconds)
        return True


class BackgroundCall(Generic[T]):
    """A call in a daemon thread of its own: whoever waits for it can stop waiting.

    A thread is the only bound that holds for everything: a socket's timeout bounds one
    read, and resolving a name, a dead mount or a login command has none. A call that is
    late is left behind in its thread.

    Args:
        call: What to call; it sees the caller's context variables.
        name: The thread's name.
    """

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self._call = call
        self._ended = threading.Event()
        self._results: list[T] = []
        self._error: BaseException | None = None
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._run,), name=name, daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:
            # From Python 3.12 on no thread starts once the interpreter ends: better
            # without a deadline than not at all.
            self._run()

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether it is over; in a forked child, that of the parent always is."""
        return self._ended.is_set() or not self._thread.is_alive()

    def result(self, seconds: float) -> T:
        """What the call returned.

        Raises:
            DeadlinePassed: It is still running after ``seconds``.
            BaseException: What the call raised.
        """
        if not self._ended.wait(seconds):
            raise DeadlinePassed(f"There was no result within {seconds:g} s.")
        if self._error is not None:
            raise self._error
        return self._results[0]


def call_within(seconds: float, call: Callable[[], T], name: str) -> T:
    """The result of ``call``, which runs in a thread of its own.

    Args:
        seconds: How long to wait.
        call: What to call.
        name: The thread's name.

    Raises:
        DeadlinePassed: It did not end in time; its thread is left behind.
        BaseException: What the call raised.
    """
    return BackgroundCall(call, name).result(seconds)
