"""Connections of the database's and Redis' pools, asked for when metrics are read."""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import event

from .families import POOL_WAIT

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

__all__ = ["measure_engine", "measure_redis"]

NOTICED = 0.001  # seconds of waiting from which a span tells of it

_engines: weakref.WeakSet[Any] = weakref.WeakSet()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()


def measure_engine(engine: Engine) -> None:
    """Measure how long each connection is waited for, and who holds how many."""
    _engines.add(engine)
    _time(engine)
    # Disposing of an engine gives it a new pool.
    event.listen(engine, "engine_disposed", _time)


def measure_redis(client: Redis) -> None:
    """Count the connections of the client's pool."""
    _clients.add(client)


def _time(engine: Any) -> None:
    pool = engine.pool
    connect, observe = pool.connect, POOL_WAIT.observe

    def timed() -> Any:
        begun = perf_counter()
        try:
            return connect()
        finally:
            seconds = perf_counter() - begun
            observe(seconds)
            if seconds >= NOTICED:
                span = trace.get_current_span()
                if span.is_recording():
                    waited = {"db.client.connection.wait_time": seconds}
                    span.add_event("db.pool.wait", waited)

    pool.connect = timed


class _Pools(Collector):
    """Asked at each scrape; pools of several workers can't be added up this way."""

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
    pools = [client.connection_pool for client in list(_clients)]
    for state, attribute in (
        ("in_use", "_in_use_connections"),
        ("idle", "_available_connections"),
    ):
        number = sum(len(getattr(pool, attribute, ())) for pool in pools)
        held.add_metric((state,), number)
    return held


REGISTRY.register(_Pools())
