"""Prometheus metrics: what the process measured, exposed at ``/metrics``."""

from __future__ import annotations

import logging
import os
import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.exposition import choose_encoder

from ..config.values import find_key, find_origin
from ..errors import UnknownSetting
from . import families, multiprocess
from .conventions import METHODS
from .errors import BadPort

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

__all__ = ["Metrics", "open_metrics"]

_KNOWN = ("address", "port")
_EXEMPLAR_EVERY = 1.0  # seconds: one costs twice what the observation does
_BOUNDS = list(families.REQUEST_DURATION._upper_bounds)

logger = logging.getLogger(__name__)


class Metrics:
    """Observes requests and components, and writes what the process measured."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], _Series] = {}
        self.enter, self.leave = _in_flight()

    def request(
        self,
        method: str,
        handler: str,
        status: str,
        seconds: float,
        size: int = 0,
        trace_id: str | None = None,
    ) -> None:
        """Count one request.

        Args:
            method: Any text; one that HTTP does not define is counted as ``_OTHER``.
            handler: The URL rule, never the path.
            status: Three digits.
            seconds: The duration.
            size: Bytes of the body.
            trace_id: Of a sampled trace: an example of such a request.
        """
        key = (method, handler, status)
        series = self._series.get(key)
        if series is None:
            known = method if method in METHODS else "_OTHER"
            series = _Series(known, handler, status)
            if known == method:
                self._series[key] = series
        series.observe(seconds, size, trace_id)

    def exception(self, handler: str, kind: str) -> None:
        """Count an exception that no error handler expected."""
        families.EXCEPTIONS.labels(handler, kind).inc()

    def engine(self, engine: Engine) -> None:
        """Measure the engine's pool and the time until it gives a connection."""
        from .pools import measure_engine

        measure_engine(engine)

    def redis(self, client: Redis) -> None:
        """Measure the client's pool, and what ``cached`` finds by it."""
        from .pools import measure_redis

        measure_redis(client)
        cached: Any = client
        cached.observe_lookup = _looked_up

    def storage(self, storage: Any) -> None:
        """Measure the operations of ``storage`` and the bytes that it moves."""
        from .storage import measure_storage

        measure_storage(storage)

    def celery(self, app: Any) -> None:
        """Measure the tasks that a worker of ``app`` runs, and what waits for one."""
        from .queues import measure_queues
        from .tasks import measure_tasks

        measure_tasks(app)
        measure_queues(app)

    def write(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, as ``accept`` prefers it."""
        encode, content_type = choose_encoder(accept)
        return encode(_registry()), content_type


def _looked_up(function: str, hit: bool) -> None:
    families.CACHE_LOOKUPS.labels(function, "hit" if hit else "miss").inc()


# Counted without a lock: their difference is what the gauge says when it is asked.
_entered, _left = count(), count()


def _in_flight() -> tuple[Callable[[], object], Callable[[], object]]:
    """What to call when a request enters and when it leaves."""
    gauge = families.IN_FLIGHT
    if multiprocess.folder() is not None:
        return gauge.inc, gauge.dec
    # The number that a counter gives next is in its text; asking it would count.
    gauge.set_function(lambda: _given(_entered) - _given(_left))
    return _entered.__next__, _left.__next__


def _given(counter: count[int]) -> int:
    return int(repr(counter)[len("count(") : -1])


class _Series:
    """The children of one method, rule and status: looking them up costs 2 us."""

    __slots__ = ("last", "measure", "show", "time")

    def __init__(self, method: str, handler: str, status: str) -> None:
        duration = families.REQUEST_DURATION.labels(method, handler, status)
        self.time, self.show = duration.note, duration.observe
        self.measure = families.RESPONSE_SIZE.labels(method, handler).note
        self.last = [0.0] * len(_BOUNDS)

    def observe(self, seconds: float, size: int, trace_id: str | None) -> None:
        self.measure(size)
        if trace_id is None:
            self.time(seconds)
            return
        bucket, now = bisect_left(_BOUNDS, seconds), time.monotonic()
        if now - self.last[bucket] < _EXEMPLAR_EVERY:
            self.time(seconds)
        else:
            self.last[bucket] = now
            self.show(seconds, {"trace_id": trace_id})


def _registry() -> CollectorRegistry:
    """The process's own, or the sum of all workers in the multi-process mode."""
    return multiprocess.registry() if multiprocess.folder() else REGISTRY


def open_metrics(settings: Mapping[str, Any] | None = None) -> Iterator[Metrics]:
    """What the process measures.

    Args:
        settings: ``port``: serve the metrics there as well, as a Celery worker has no
            other; ``address``: where to listen, every interface by default.

    Raises:
        BadPort: ``port`` is none.
        UnknownSetting: Another key.
    """
    settings = settings or {}
    for name in settings:
        if name not in _KNOWN:
            known = [find_key(settings, known) for known in _KNOWN]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), known
            )
    _describe_process()
    server = _serve(settings) if settings.get("port") is not None else None
    opener = os.getpid()
    try:
        yield Metrics()
    finally:
        if server is not None:
            # The thread that serves does not live in a forked child.
            if os.getpid() == opener:
                server.shutdown()
            server.server_close()


def _serve(settings: Mapping[str, Any]) -> Any:
    port, address = _port(settings), settings.get("address", "0.0.0.0")
    try:
        server, _ = start_http_server(port, address, registry=_registry())
    except OSError as error:
        # Of several workers one has the port; it answers for all of them.
        logger.info("Metrics are not served on port %d: %s.", port, error.strerror)
        return None
    logger.info("Metrics are served on port %d.", port)
    return server


def _port(settings: Mapping[str, Any]) -> int:
    try:
        port = int(settings["port"])
    except (TypeError, ValueError):
        port = -1
    if not 0 <= port < 65536:
        key, origin = find_key(settings, "port"), find_origin(settings, "port")
        raise BadPort(key, settings["port"], origin)
    return port


def _describe_process() -> None:
    try:
        own = version("modern-flask")
    except PackageNotFoundError:
        own = "0"
    of_service = os.environ.get("SERVICE_VERSION", "")
    families.BUILD.labels(own, platform.python_version(), of_service).set(1)
    if (begun := _begun()) is not None:
        families.STARTUP.set(max(0.0, time.time() - begun))


def _begun() -> float | None:
    """When this process began, in seconds since the epoch; Linux tells it."""
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as stat:
            ticks = float(stat.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as uptime:
            up = float(uptime.read().split()[0])
        return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")
    return None
