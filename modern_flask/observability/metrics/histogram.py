"""A histogram of prometheus_client that counts its observations when it is read.

An observation takes two locks and a search, but noting one takes a single append. With
several workers each observation is counted at once, because they write to files that
other processes may read at any time.

Only this module uses private names of prometheus_client's histogram.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import Histogram

from . import multiprocess

__all__ = ["NotingHistogram"]

_MOST = 1024  # observations that wait to be counted


class NotingHistogram(Histogram):
    """A histogram with :meth:`note`, a faster :meth:`observe` for a hot path."""

    @property
    def bounds(self) -> list[float]:
        """The upper bounds of the buckets; the last bound is infinity."""
        return list(self._upper_bounds)

    def set_buckets(self, bounds: Sequence[float]) -> None:
        """Set the upper bounds of all series; no series may have been made yet."""
        self._prepare_buckets(bounds)
        self._kwargs["buckets"] = tuple(bounds)

    def _metric_init(self) -> None:
        super()._metric_init()
        self._notes: deque[float] = deque()
        if multiprocess.find_folder() is not None:
            self.note = self.observe  # type: ignore[method-assign]

    def note(self, amount: float) -> None:
        """Record ``amount``. It is counted before the next read of the histogram."""
        self._notes.append(amount)
        if len(self._notes) >= _MOST:
            self._count()

    def _count(self) -> None:
        """Count the notes. Several threads may do so: each counts the notes it pops."""
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
