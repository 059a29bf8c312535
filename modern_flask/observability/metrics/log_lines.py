"""Counts the lines that the process logs, by level.

A record is made once for each line, whatever the number of handlers that write it, and
only if the level of its logger lets it through. So the records are counted where they
are made. A handler would count a line twice where two loggers have handlers, and
``logging.basicConfig`` and the kit itself treat a root logger with a handler as
configured.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from .lock_free import read_count
from .writer import expose

__all__ = ["count_log_lines"]

_LEVELS = {
    logging.CRITICAL: "critical",
    logging.ERROR: "error",
    logging.WARNING: "warning",
    logging.INFO: "info",
    logging.DEBUG: "debug",
}
"""The names by the lowest level that they stand for; lower levels count as debug."""


_PROBE = -1  # the level of a record that only asks whether records are counted


class _Lines(Collector):
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        # A call of __next__ needs no lock.
        self._counters = {name: count() for name in _LEVELS.values()}
        self.adders: dict[int, Callable[[], object]] = {_PROBE: self._answer}
        self._answered = False

    def _answer(self) -> None:
        self._answered = True

    def are_counted(self) -> bool:
        """Whether records are counted. Others may wrap, or replace, the factory."""
        self._answered = False
        logging.getLogRecordFactory()("", _PROBE, "", 0, "", (), None)
        return self._answered

    def add_level(self, level: int) -> Callable[[], object]:
        """Return the function that counts a line of ``level``."""
        name = next((name for low, name in _LEVELS.items() if level >= low), "debug")
        found = self.adders[level] = self._counters[name].__next__
        return found

    def describe(self) -> Iterator[CounterMetricFamily]:
        yield _make_family()

    def collect(self) -> Iterator[CounterMetricFamily]:
        # All levels from the start: rate() misses the first event of a new series.
        family = _make_family()
        for name, counter in self._counters.items():
            family.add_metric((name,), read_count(counter))
        yield family


def count_log_lines() -> None:
    """Count all lines that this process logs from now on."""
    if _lines.are_counted():
        return
    make = logging.getLogRecordFactory()

    def make_counted(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        # A copy of a record, by logging.makeLogRecord, is made without a level.
        if level := record.levelno:
            (_lines.adders.get(level) or _lines.add_level(level))()
        return record

    logging.setLogRecordFactory(make_counted)


def _make_family() -> CounterMetricFamily:
    return CounterMetricFamily(
        "log_messages", "Lines that the process logs, by level.", labels=("level",)
    )


_lines = _Lines()
expose(_lines)
os.register_at_fork(after_in_child=_lines.reset)
