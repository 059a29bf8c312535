"""Connections of the database's and Redis' pools, asked for when metrics are read.

Of several workers the one that is scraped can't ask the others' pools: there each one
writes down its own every second, from its first use of a pool on. Writing at each
check-out and return would be exact, and could lock up: the garbage collector returns
forgotten connections at any moment, also in the middle of a write.
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

_NOTICED = 0.001  # seconds of waiting from which a span tells of it
_EVERY = 1.0  # seconds between two looks of a worker at its own pools

logger = logging.getLogger(__name__)
_engines: weakref.WeakSet[Any] = weakref.WeakSet()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()


def measure_engine(engine: Engine) -> None:
    """Measure how long each connection is waited for, and who holds how many."""
    _engines.add(engine)
    _time(engine, known=True)
    event.listen(engine, "engine_disposed", _renewed)


def measure_redis(client: Redis) -> None:
    """Count the connections of the client's pool."""
    _clients.add(client)
    if multiprocess.folder() is not None:
        pool: Any = client.connection_pool
        get = pool.get_connection

        def get_connection(*args: Any, **options: Any) -> Any:
            _book.keep()
            return get(*args, **options)

        pool.get_connection = get_connection


def _renewed(engine: Any) -> None:
    """Disposing of an engine gives it a new pool, which counts when it is used.

    It is mostly the engine's end, and closed engines may live on: those of the check at
    start do, in a server that forks its workers later.
    """
    _engines.discard(engine)
    _time(engine, known=False)


def _time(engine: Any, known: bool) -> None:
    pool, found = engine.pool, weakref.ref(engine)
    connect, observe = pool.connect, POOL_WAIT.observe
    several = multiprocess.folder() is not None

    def timed() -> Any:
        nonlocal known
        if not known and (engine := found()) is not None:
            known = True
            _engines.add(engine)
        if several:
            _book.keep()
        begun = perf_counter()
        try:
            return connect()
        finally:
            seconds = perf_counter() - begun
            observe(seconds)
            if seconds >= _NOTICED:
                span = trace.get_current_span()
                if span.is_recording():
                    waited = {"db.client.connection.wait_time": seconds}
                    span.add_event("db.pool.wait", waited)

    pool.connect = timed


class _Pools(Collector):
    """The pools of this process, as they are now."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        if _engines:
            yield from _databases()
        if _clients:
            yield _redis()


def _databases() -> Iterator[GaugeMetricFamily]:
    size = GaugeMetricFamily(
        "database_pool_size", "Connections that the pool keeps.", labels=("database",)
    )
    held = GaugeMetricFamily(
        "database_pool_connections",
        "Connections of the pool: checked_out, idle, or overflow, beyond its size.",
        labels=("database", "state"),
    )
    # Engines of one database are added up: a series may be told once only.
    sizes: Counter[str] = Counter()
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for engine in list(_engines):
        name, pool = engine.url.database or "", engine.pool
        if not hasattr(pool, "checkedout"):
            # One connection for each thread, or for all: nothing is pooled.
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


def _redis() -> GaugeMetricFamily:
    held = GaugeMetricFamily(
        "redis_pool_connections",
        "Connections of Redis' pool: in_use or idle.",
        labels=("state",),
    )
    # Of a client that was closed the pool still holds what was connected once.
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


class _Book:
    """What this worker's pools hold, in its file; it is added up with the others'.

    The file goes with the worker, and so do its connections.
    """

    def __init__(self, pools: Collector) -> None:
        self._pools = pools
        self._gauges: dict[str, Gauge] = {}
        self._written: dict[Any, Any] = {}
        self.forget()

    def forget(self) -> None:
        """A forked child has no thread of its parent."""
        self._thread: threading.Thread | None = None

    def keep(self) -> None:
        """Write from now on until the process ends."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._write_on, name="pools", daemon=True
            )
            self._thread.start()

    def _write_on(self) -> None:
        while True:
            try:
                self.write()
            except Exception:
                # Such as a folder that is gone, at the end of all.
                logger.debug("The pools' numbers were not written.", exc_info=True)
            sleep(_EVERY)

    def write(self) -> None:
        gone = dict(self._written)
        for family in self._pools.collect():
            for sample in family.samples:
                key = (family.name, *sample.labels.values())
                gone.pop(key, None)
                if key not in self._written:
                    self._written[key] = self._gauge(family, sample)
                self._written[key].set(sample.value)
        for gauge in gone.values():
            gauge.set(0)

    def _gauge(self, family: Any, sample: Any) -> Any:
        name, labels = family.name, sample.labels
        if name not in self._gauges:
            self._gauges[name] = Gauge(
                name, family.documentation, tuple(labels), multiprocess_mode="livesum"
            )
        return self._gauges[name].labels(**labels)


_pools = _Pools()
_book = _Book(_pools)
if multiprocess.folder() is None:
    REGISTRY.register(_pools)
else:
    os.register_at_fork(after_in_child=_book.forget)
