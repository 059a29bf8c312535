"""Writes the numbers of this worker to its files, so that any worker can answer.

With several workers, the scraped worker can't read the pools, the garbage collector or
the counters of the others. So each worker writes its own numbers every second. A write
at each event would be exact, but could deadlock: the garbage collector may run a
finalizer, or a handler may log a line, at any moment, even during a write.
"""

from __future__ import annotations

import logging
import os
import threading
from time import sleep
from typing import Any

from prometheus_client import Counter, Gauge
from prometheus_client.registry import Collector

from . import multiprocess
from .kit import KIT, PREFIX

__all__ = ["expose", "start_writer", "write_numbers"]

_EVERY = 1.0  # seconds after which a worker writes its numbers again

logger = logging.getLogger(__name__)


def expose(collector: Collector) -> None:
    """Expose the gauges and counters that ``collector`` reads in this process.

    Gauges of several workers are added up, and end with their worker. Counters go on.
    """
    if multiprocess.find_folder() is None:
        KIT.register(collector)
    else:
        _writer.collectors.append(collector)


def start_writer() -> None:
    """Write every second until the process ends, if there are several workers.

    A second call does nothing.
    """
    if multiprocess.find_folder() is not None:
        _writer.start()


def write_numbers() -> None:
    """Write this worker's numbers once more, before it ends."""
    if multiprocess.find_folder() is not None:
        _writer.write_safely()


class _Writer:
    def __init__(self) -> None:
        self.collectors: list[Collector] = []
        self._families: dict[str, Any] = {}
        self._written: dict[Any, Any] = {}
        self._counted: dict[Any, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def reset(self) -> None:
        """Begin anew: a forked child has neither its parent's thread nor its file."""
        self._thread, self._lock = None, threading.Lock()
        self._counted = {}

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="metrics writer", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        while True:
            self.write_safely()
            sleep(_EVERY)

    def write_safely(self) -> None:
        try:
            with self._lock:
                self.write()
        except Exception:
            # The server removes the folder when it ends.
            logger.debug("This worker's numbers were not written.", exc_info=True)

    def write(self) -> None:
        """Write the current numbers; a gauge that no longer exists counts 0."""
        gone = dict(self._written)
        for collector in self.collectors:
            for family in collector.collect():
                for sample in family.samples:
                    key = (family.name, *sample.labels.values())
                    gone.pop(key, None)
                    if key not in self._written:
                        self._written[key] = self._make_series(family, sample)
                    self._put(key, family.type, sample.value)
        for key, series in gone.items():
            if key not in self._counted:
                series.set(0)

    def _put(self, key: Any, kind: str, value: float) -> None:
        if kind == "gauge":
            self._written[key].set(value)
            return
        more = value - self._counted.get(key, 0.0)
        self._counted[key] = value
        self._written[key].inc(max(0.0, more))

    def _make_series(self, family: Any, sample: Any) -> Any:
        name, labels = family.name, sample.labels
        if name not in self._families:
            text, names = family.documentation, tuple(labels)
            self._families[name] = (
                Gauge(
                    PREFIX + name,
                    text,
                    names,
                    registry=KIT,
                    multiprocess_mode="livesum",
                )
                if family.type == "gauge"
                else Counter(PREFIX + name, text, names, registry=KIT)
            )
        found = self._families[name]
        return found.labels(**labels) if labels else found


_writer = _Writer()
if multiprocess.find_folder() is not None:
    os.register_at_fork(after_in_child=_writer.reset)
