"""Counts the connections in the pools of the database and of Redis at each scrape.

With several workers, the scraped worker can't read the pools of the others. So each
worker writes its own numbers to its file every second, after its first use of a pool. A
write at each check-out and return would be exact, but could deadlock: the garbage
collector may return a forgotten connection at any moment, even during a write.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from prometheus_client import REGISTRY, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import event

from . import multiprocess
from .families import POOL_WAIT

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

__all__ = ["measure_engine", "measure_redis"]

_NOTICEABLE = 0.001  # seconds: a span records only waits of at least this duration
_EVERY = 1.0  # seconds after which a worker writes its pools' numbers again

logger = logging.getLogger(__name__)
_engines: weakref.WeakSet[Any] = weakref.WeakSet()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()


def measure_engine(engine: Engine) -> None:
    """Measure the wait for each connection, and count the pool's connections."""
    _engines.add(engine)
    _time_connects(engine, known=True)
    event.listen(engine, "engine_disposed", _measure_new_pool)


def measure_redis(client: Redis) -> None:
    """Count the connections of the client's pool."""
    _clients.add(client)
    if multiprocess.find_folder() is not None:
        pool: Any = client.connection_pool
        get = pool.get_connection

        def get_connection(*args: Any, **options: Any) -> Any:
            _writer.start()
            return get(*args, **options)

        pool.get_connection = get_connection


def _measure_new_pool(engine: Any) -> None:
    """Measure the new pool of a disposed engine after the pool's first use.

    Most engines are never used again after ``dispose``, but may stay in memory. An
    example is the check at start, in a server that forks its workers later.
    """
    _engines.discard(engine)
    _time_connects(engine, known=False)


def _time_connects(engine: Any, known: bool) -> None:
    pool, reference = engine.pool, weakref.ref(engine)
    connect, observe = pool.connect, POOL_WAIT.observe
    several = multiprocess.find_folder() is not None

    def connect_timed() -> Any:
        nonlocal known
        if not known and (engine := reference()) is not None:
            known = True
            _engines.add(engine)
        if several:
            _writer.start()
        begun = perf_counter()
        try:
            return connect()
        finally:
            seconds = perf_counter() - begun
            observe(seconds)
            if seconds >= _NOTICEABLE:
                span = trace.get_current_span()
                if span.is_recording():
                    wait = {"db.client.connection.wait_time": seconds}
                    span.add_event("db.pool.wait", wait)

    pool.connect = connect_timed


class _Pools(Collector):
    """Collects the current numbers of this process's pools."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if _engines:
            yield from _count_databases()
        if _clients:
            yield _count_redis()


def _count_databases() -> Iterator[GaugeMetricFamily]:
    size = GaugeMetricFamily(
        "database_pool_size", "Connections that the pool keeps.", labels=("database",)
    )
    held = GaugeMetricFamily(
        "database_pool_connections",
        "Connections of the pool: checked_out, idle, or overflow (beyond its size).",
        labels=("database", "state"),
    )
    # Add up all engines of one database: a scrape may contain a series only once.
    sizes: Counter[str] = Counter()
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for engine in list(_engines):
        name, pool = engine.url.database or "", engine.pool
        if not hasattr(pool, "checkedout"):
            # A pool with one connection for each thread, or for all, has no numbers.
            continue
        sizes[name] += pool.size()
        states[name]["checked_out"] += pool.checkedout()
        states[name]["idle"] += pool.checkedin()
        states[name]["overflow"] += max(0, pool.overflow())
    for name, number in sizes.items():
        size.add_metric((name,), number)
        for state, connections in states[name].items():
            held.add_metric((name, state), connections)
    yield size
    yield held


def _count_redis() -> GaugeMetricFamily:
    held = GaugeMetricFamily(
        "redis_pool_connections",
        "Connections of Redis' pool: in_use or idle.",
        labels=("state",),
    )
    # The pool of a closed client still holds its connections, disconnected.
    states = {"in_use": "_in_use_connections", "idle": "_available_connections"}
    pools = [client.connection_pool for client in list(_clients)]
    for state, attribute in states.items():
        number = sum(
            connection.is_connected
            for pool in pools
            for connection in list(getattr(pool, attribute, ()))
        )
        held.add_metric((state,), number)
    return held


class _Writer:
    """Writes the numbers of this worker's pools to its file, from a thread.

    A scrape adds up the files of all workers. When a worker ends, its file is removed,
    as its connections are closed.
    """

    def __init__(self, pools: Collector) -> None:
        self._pools = pools
        self._gauges: dict[str, Gauge] = {}
        self._written: dict[Any, Any] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the thread: a forked child does not have its parent's threads."""
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Write every second until the process ends; a second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pools", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self.write()
            except Exception:
                # The server removes the folder when it ends.
                logger.debug("The pools' numbers were not written.", exc_info=True)
            sleep(_EVERY)

    def write(self) -> None:
        """Write the current numbers; a pool that no longer exists counts 0."""
        gone = dict(self._written)
        for family in self._pools.collect():
            for sample in family.samples:
                key = (family.name, *sample.labels.values())
                gone.pop(key, None)
                if key not in self._written:
                    self._written[key] = self._make_gauge(family, sample)
                self._written[key].set(sample.value)
        for gauge in gone.values():
            gauge.set(0)

    def _make_gauge(self, family: Any, sample: Any) -> Any:
        name, labels = family.name, sample.labels
        if name not in self._gauges:
            self._gauges[name] = Gauge(
                name, family.documentation, tuple(labels), multiprocess_mode="livesum"
            )
        return self._gauges[name].labels(**labels)


_pools = _Pools()
_writer = _Writer(_pools)
if multiprocess.find_folder() is None:
    REGISTRY.register(_pools)
else:
    os.register_at_fork(after_in_child=_writer.reset)
