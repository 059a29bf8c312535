"""prometheus_client's histogram, which counts when it is read.

An observation takes two locks and a search; noting it takes one append. Several workers
write to files that others read at any time: there each one is counted at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from typing import Any

from prometheus_client import Histogram

from . import multiprocess

__all__ = ["NotingHistogram"]

_MOST = 1024  # notes that wait to be counted


class NotingHistogram(Histogram):
    """A histogram with :meth:`note`, which is :meth:`observe` for a hot path."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._notes: deque[float] = deque()
        if multiprocess.folder() is not None:
            self.note = self.observe  # type: ignore[method-assign]

    def note(self, amount: float) -> None:
        """Count ``amount`` before anybody looks."""
        self._notes.append(amount)
        if len(self._notes) >= _MOST:
            self._count()

    def _count(self) -> None:
        """Several threads may count: each takes what it pops."""
        noted, bounds = self._notes, self._upper_bounds
        numbers, total = [0] * len(bounds), 0.0
        for _ in range(len(noted)):
            try:
                amount = noted.popleft()
            except IndexError:
                break
            numbers[bisect_left(bounds, amount)] += 1
            total += amount
        for bucket, number in enumerate(numbers):
            if number:
                self._buckets[bucket].inc(number)
        self._sum.inc(total)

    def _child_samples(self) -> Iterable[Any]:
        self._count()
        return super()._child_samples()
