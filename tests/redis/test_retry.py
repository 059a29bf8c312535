"""Retries within a budget of time."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError

from modern_flask.redis import BudgetRetry
from modern_flask.waiting import Deadline, Retries


class Command:
    """A command that fails once with each of the errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.sent, self.failures = list(errors), 0, 0

    def __call__(self) -> str:
        self.sent += 1
        if self.errors:
            raise self.errors.pop(0)
        return "OK"

    def note(self, error: Exception) -> None:
        self.failures += 1


class Clock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    retries = partial(Retries, clock=clock.monotonic, sleep=clock.sleep)
    monkeypatch.setattr("modern_flask.redis.retry.Retries", retries)
    deadline = partial(Deadline, clock=clock.monotonic)
    monkeypatch.setattr("modern_flask.redis.retry.Deadline", deadline)
    return clock


def test_lost_connection_is_tried_again() -> None:
    """A command whose connection was lost is sent again until Redis answers."""
    command = Command(ConnectionError(), ConnectionError())

    answer = BudgetRetry(5).call_with_retry(command, command.note)

    assert (answer, command.sent, command.failures) == ("OK", 3, 2)


def test_budget_is_spent_once(clock: Clock) -> None:
    """When the budget is spent, the last error is raised."""
    command = Command(*[ConnectionError() for _ in range(1000)])

    with pytest.raises(ConnectionError):
        BudgetRetry(3).call_with_retry(command, command.note)

    assert 2 < clock.now <= 3
    assert 1 < command.sent < 50


def test_nested_budgets_do_not_multiply(clock: Clock) -> None:
    """A retry inside a retry, as redis-py nests them, takes no longer than one."""
    command = Command(*[ConnectionError() for _ in range(1000)])
    inner, outer = BudgetRetry(3), BudgetRetry(3)

    with pytest.raises(ConnectionError):
        outer.call_with_retry(
            lambda: inner.call_with_retry(command, command.note), command.note
        )

    assert clock.now < 6


@pytest.mark.parametrize(
    "error", [TimeoutError("2 s"), AuthenticationError("no"), ValueError("no")]
)
def test_what_is_never_tried_again(error: Exception) -> None:
    """There is no retry after a timeout or a refusal."""
    command = Command(error)

    with pytest.raises(type(error)):
        BudgetRetry(5).call_with_retry(command, command.note)

    assert command.sent == 1


def test_caller_may_refuse_a_retry() -> None:
    """The function ``is_retryable`` of redis-py decides about an error."""
    command = Command(ConnectionError())
    refuse: Callable[[Exception], bool] = lambda error: False  # noqa: E731

    with pytest.raises(ConnectionError):
        BudgetRetry(5).call_with_retry(command, command.note, refuse)

    assert command.sent == 1


def test_failures_are_counted_on_request() -> None:
    """The callback of redis-py gets the number of failures on request."""
    command = Command(ConnectionError(), ConnectionError())
    counts: list[int] = []

    BudgetRetry(5).call_with_retry(
        command, lambda error, count: counts.append(count), with_failure_count=True
    )

    assert counts == [1, 2]


def test_copies_are_equal() -> None:
    """redis-py copies the retry for each connection; the copies are equal."""
    retry = BudgetRetry(7)

    twin = copy.deepcopy(retry)

    assert twin == retry
    assert hash(twin) == hash(retry)
    assert twin != BudgetRetry(8)
