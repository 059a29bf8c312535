"""Deadlines, pauses with jitter, and calls with a time limit, for the whole kit.

All times are in seconds.
"""

from __future__ import annotations

import contextvars
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, TypeVar

__all__ = [
    "BackgroundCall",
    "Backoff",
    "Deadline",
    "DeadlinePassed",
    "Retries",
    "call_within",
    "parse_retry_after",
]

T = TypeVar("T")


class DeadlinePassed(TimeoutError):
    """A call did not end in time; its thread was abandoned."""


class Deadline:
    """A moment on the monotonic clock.

    Args:
        seconds: The time until the deadline; infinity for no deadline.
        clock: Returns the time.
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
    """The rule by which an operation is repeated after a failure.

    Args:
        first: The first pause.
        longest: The longest pause.
        growth: The ratio of each pause to the previous one.
        jitter: Each pause is multiplied by a random number from this range, so that the
            workers of a restarted service do not all call at the same moment.
        budget: The latest time after the first attempt at which another may begin.
        attempts: The number of attempts in all; None for as many as the budget allows.
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
        clock: Returns the time.
        sleep: Waits.
        uniform: Returns a random number from a range.
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
        """Record a failure and return the seconds until the next attempt.

        Args:
            at_least: The shortest pause, such as the server's ``Retry-After``.

        Returns:
            None if there is no further attempt.
        """
        backoff = self.backoff
        self.failures += 1
        if backoff.attempts is not None and self.failures >= backoff.attempts:
            return None
        pause = max(at_least, self._pause * self._uniform(*backoff.jitter))
        self._pause = min(self._pause * backoff.growth, backoff.longest)
        return pause if pause <= self.deadline.left() else None

    def pause(self, at_least: float = 0.0) -> bool:
        """Wait for the next attempt; return False at once if there is none."""
        seconds = self.next_pause(at_least)
        if seconds is None:
            return False
        self._sleep(seconds)
        return True


class BackgroundCall(Generic[T]):
    """A call in a new daemon thread, so that the caller can stop waiting for it.

    Only a thread can limit every wait. The timeout of a socket limits one read, and
    there is no timeout for resolving a name, for a dead mount or for a login command.
    If a call is late, its thread is abandoned.

    Args:
        call: The function to call; it sees the caller's context variables.
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
        self._refused = False
        try:
            self._thread.start()
        except RuntimeError:
            # Since Python 3.12 no thread can start while the interpreter ends.
            self._refused = True

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:
            self._error = error
        finally:
            self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether the call has ended. In a forked child, the parent's calls have."""
        if self._ended.is_set():
            return True
        return not self._refused and not self._thread.is_alive()

    def result(self, seconds: float) -> T:
        """Wait for the result of the call and return it.

        Raises:
            DeadlinePassed: The call is still running after ``seconds``.
            BaseException: The error of the call.
        """
        if self._refused and not self._ended.is_set():
            with _alarm(seconds):
                self._run()
        if not self._ended.wait(seconds):
            raise DeadlinePassed(f"There was no result within {seconds:g} s.")
        if self._error is not None:
            raise self._error
        return self._results[0]


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise DeadlinePassed in the block after ``seconds``, without a thread.

    Only the main thread can do that, and only while Python code or a wait runs.
    Elsewhere a call without a deadline is better than no call.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: object) -> None:
        raise DeadlinePassed(f"There was no result within {seconds:g} s.")

    handler = signal.signal(signal.SIGALRM, give_up)
    begun = time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        # A block around this one may have an alarm, too.
        rest = max(left - (time.monotonic() - begun), 0.001) if left else 0.0
        signal.setitimer(signal.ITIMER_REAL, rest)
        signal.signal(signal.SIGALRM, handler)


def call_within(seconds: float, call: Callable[[], T], name: str) -> T:
    """Run ``call`` in a new thread and return its result.

    Args:
        seconds: The longest time to wait.
        call: The function to call.
        name: The thread's name.

    Raises:
        DeadlinePassed: The call did not end in time; its thread is abandoned.
        BaseException: The error of the call.
    """
    return BackgroundCall(call, name).result(seconds)


def parse_retry_after(text: str) -> float:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3).

    Args:
        text: A number of seconds or a date; 0 is returned for anything else.
    """
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
