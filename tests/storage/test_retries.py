"""Calls that are repeated while a vendor does not answer."""

from dataclasses import replace

import pytest

from modern_flask.storage import StorageUnavailable
from modern_flask.storage.retries import BACKOFF, call_with_retries


class Flaky:
    """Fails some times, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise StorageUnavailable("get", "key", "memory", "no reason")
        return "answer"


def test_retries_wait_longer_each_time():
    """Waits double, and chance takes up to half of each."""
    waits: list[float] = []
    more = replace(BACKOFF, attempts=5)

    assert call_with_retries(Flaky(4), backoff=more, sleep=waits.append) == "answer"

    assert len(waits) == 4
    for wait, whole in zip(waits, [0.1, 0.2, 0.4, 0.8], strict=True):
        assert whole / 2 <= wait <= whole


def test_retries_end():
    """After the last attempt its error is raised."""
    call = Flaky(99)

    with pytest.raises(StorageUnavailable):
        call_with_retries(call, sleep=lambda wait: None)

    assert call.calls == 3


def test_retries_have_a_budget():
    """Nothing is tried again once thirty seconds have gone."""
    moments = iter([0.0, 29.99])
    call = Flaky(99)

    with pytest.raises(StorageUnavailable):
        call_with_retries(call, sleep=pytest.fail, clock=lambda: next(moments))

    assert call.calls == 1


def test_other_errors_are_not_retried():
    """Only a missing answer is worth another attempt."""
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        call_with_retries(refuse, sleep=pytest.fail)

    assert calls == [1]
