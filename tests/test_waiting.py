"""Deadlines, pauses and calls that end in time."""

import os
import signal
import threading
import time
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from modern_flask.waiting import (
    BackgroundCall,
    Backoff,
    Deadline,
    DeadlinePassed,
    Retries,
    call_within,
    parse_retry_after,
)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 100.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def retries(clock: Clock, backoff: Backoff, factor: float = 1.0) -> Retries:
    return Retries(
        backoff, clock=clock, sleep=clock.sleep, uniform=lambda low, high: factor
    )


def test_deadline_counts_down_to_zero(clock: Clock) -> None:
    """What is left of a deadline shrinks with the clock and is never negative."""
    deadline = Deadline(3.0, clock)
    clock.now += 2.0

    assert deadline.left() == pytest.approx(1.0)
    assert not deadline.passed

    clock.now += 5.0

    assert deadline.left() == 0.0
    assert deadline.passed


def test_pauses_grow_to_the_longest(clock: Clock) -> None:
    """Each pause is the one before times the growth, and none exceeds the longest."""
    some = retries(clock, Backoff(first=0.1, longest=0.5, growth=2.0))

    assert [some.pause() for _ in range(5)] == [True] * 5
    assert clock.slept == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])


def test_jitter_multiplies_each_pause(clock: Clock) -> None:
    """A random number from the range of the jitter multiplies each pause."""
    some = retries(clock, Backoff(first=0.2, longest=1.0), factor=0.75)

    assert some.next_pause() == pytest.approx(0.15)
    assert some.next_pause() == pytest.approx(0.3)


def test_no_attempt_begins_after_the_budget(clock: Clock) -> None:
    """A pause that would end after the budget is not begun."""
    some = retries(clock, Backoff(first=1.0, longest=1.0, budget=2.5))

    assert [some.pause() for _ in range(3)] == [True, True, False]
    assert clock.slept == [1.0, 1.0]


def test_attempts_are_counted(clock: Clock) -> None:
    """Three attempts have two pauses."""
    some = retries(clock, Backoff(first=1.0, longest=1.0, attempts=3))

    assert [some.pause() for _ in range(3)] == [True, True, False]
    assert some.failures == 3


def test_the_other_side_can_ask_for_a_longer_pause(clock: Clock) -> None:
    """``Retry-After`` lengthens a pause and never shortens it."""
    some = retries(clock, Backoff(first=1.0, longest=8.0))

    assert some.next_pause(at_least=5.0) == 5.0
    assert some.next_pause(at_least=0.5) == 2.0


def test_a_call_returns_and_raises_as_itself() -> None:
    """The result and the error of a call with a deadline are the call's own."""

    def fail() -> None:
        raise LookupError("no")

    assert call_within(10.0, lambda: 5, "five") == 5
    with pytest.raises(LookupError, match="no"):
        call_within(10.0, fail, "fail")


def test_a_late_call_is_left_behind() -> None:
    """The caller of a call that hangs goes on at the deadline."""
    release = threading.Event()
    call = BackgroundCall(release.wait, "hangs")

    with pytest.raises(DeadlinePassed, match=r"within 0\.01 s"):
        call.result(0.01)
    assert not call.ended

    release.set()

    assert call.result(10.0) is True
    assert call.ended


def test_a_call_sees_context_variables() -> None:
    """The thread of a call has the caller's context: its trace, for one."""
    name: ContextVar[str] = ContextVar("name")
    name.set("caller")

    assert call_within(10.0, name.get, "context") == "caller"


def test_without_threads_the_call_runs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the interpreter ends and no thread starts, the call runs all the same."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert call_within(0.0, lambda: "done", "late") == "done"


def test_call_of_the_parent_has_ended_in_a_child() -> None:
    """A fork takes no thread along: the parent's call is over in the child."""
    release = threading.Event()
    call = BackgroundCall(release.wait, "parent")

    child = os.fork()
    if child == 0:
        os._exit(0 if call.ended else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert not call.ended
    release.set()


@pytest.fixture
def interpreter_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread can start, as while Python 3.12 and newer ones end."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.usefixtures("interpreter_ends")
def test_deadline_without_a_thread() -> None:
    """A call keeps its deadline in the main thread, too, also within another call."""
    begun = time.monotonic()
    inner: list[BaseException] = []

    def call() -> None:
        try:
            call_within(0.1, lambda: time.sleep(60), "inner")
        except DeadlinePassed as passed:
            inner.append(passed)
        threading.Event().wait(60)

    with pytest.raises(DeadlinePassed):
        call_within(0.4, call, "outer")

    assert len(inner) == 1
    assert time.monotonic() - begun < 20
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.usefixtures("interpreter_ends")
def test_result_without_a_thread() -> None:
    """A call that is in time has its result or its error, and runs once."""
    calls: list[int] = []
    background = BackgroundCall(lambda: calls.append(1) or 7, "call")

    assert not background.ended
    assert [background.result(5), background.result(5)] == [7, 7]
    assert background.ended
    assert calls == [1]
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 / 0, "call")


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("2", 2, 2),
        (" 120 ", 120, 120),
        ("Sat, 28 Nov 2020 08:00:00 GMT", 0, 0),
        ("soon", 0, 0),
        ("-1", 0, 0),
        ("²", 0, 0),
        ("", 0, 0),
    ],
)
def test_retry_after(text: str, least: float, most: float) -> None:
    """``Retry-After`` is a number of seconds or a date; anything else asks for none."""
    assert least <= parse_retry_after(text) <= most


def test_retry_after_a_date() -> None:
    """A date means the time until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)

    assert 3000 <= parse_retry_after(date) <= 3600
