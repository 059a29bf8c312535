"""Counts the connections in the pools of the database and of Redis at each scrape."""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import event

from . import multiprocess
from .families import POOL_WAIT
from .writer import expose, start_writer

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

__all__ = ["measure_engine", "measure_redis"]

_NOTICEABLE = 0.001  # seconds: a span records only waits of at least this duration

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
            start_writer()
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
    connect = pool.connect
    observe = POOL_WAIT.labels(engine.url.database or "").note
    several = multiprocess.find_folder() is not None

    def connect_timed() -> Any:
        nonlocal known
        if not known and (engine := reference()) is not None:
            known = True
            _engines.add(engine)
        if several:
            start_writer()
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


expose(_Pools())
