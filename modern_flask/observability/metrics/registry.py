"""The Prometheus metrics of the process, exposed at ``/metrics``."""

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
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.exposition import choose_encoder

from ...config.values import find_key, find_origin
from ...errors import UnknownSetting
from ..errors import BadPort
from ..http_methods import METHODS
from . import families, multiprocess

__all__ = ["Metrics", "open_metrics"]

_KNOWN = ("address", "port")
_EXEMPLAR_EVERY = 1.0  # seconds: an exemplar costs twice as much as its observation
_BOUNDS = families.REQUEST_DURATION.bounds

logger = logging.getLogger(__name__)


class Metrics:
    """Counts the events of the process, and writes the metrics for a scrape."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], _Series] = {}
        self.enter, self.leave = _make_in_flight_counters()

    def count_request(
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
            method: The method. If HTTP does not define it, ``_OTHER`` is counted.
            handler: The URL rule, never the path.
            status: Three digits.
            seconds: The duration.
            size: Bytes of the body.
            trace_id: The id of the request's trace if it is sampled, for an exemplar.
        """
        key = (method, handler, status)
        series = self._series.get(key)
        if series is None:
            known = method if method in METHODS else "_OTHER"
            series = _Series(known, handler, status)
            if known == method:
                self._series[key] = series
        series.observe(seconds, size, trace_id)

    def count_exception(self, handler: str, kind: str) -> None:
        """Count an exception that no error handler expected."""
        families.EXCEPTIONS.labels(handler, kind).inc()

    def count_lookup(self, function: str, hit: bool) -> None:
        """Count one call of a cached function: a hit is answered from the cache."""
        families.CACHE_LOOKUPS.labels(function, "hit" if hit else "miss").inc()

    def write(self, accept: str) -> tuple[bytes, str]:
        """Return the exposition and its content type; ``accept`` chooses the format."""
        encode, content_type = choose_encoder(accept)
        return encode(_find_registry()), content_type


# These counters need no lock. A read of the gauge returns their difference.
_entered, _left = count(), count()


def _make_in_flight_counters() -> tuple[Callable[[], object], Callable[[], object]]:
    """Make the functions that count a request when it begins and when it ends."""
    gauge = families.IN_FLIGHT
    if multiprocess.find_folder() is not None:
        return gauge.inc, gauge.dec
    gauge.set_function(lambda: _read_count(_entered) - _read_count(_left))
    return _entered.__next__, _left.__next__


def _read_count(counter: count[int]) -> int:
    """Read the counter from its ``repr``, since ``next()`` would change it."""
    return int(repr(counter)[len("count(") : -1])


class _Series:
    """The metric children of one method, rule and status; a lookup would take 2 us."""

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


def _find_registry() -> CollectorRegistry:
    """Return the registry of the process, or of all workers in multi-process mode."""
    return multiprocess.make_registry() if multiprocess.find_folder() else REGISTRY


def open_metrics(settings: Mapping[str, Any] | None = None) -> Iterator[Metrics]:
    """Measure the process, and serve the metrics on a port if one is set.

    Args:
        settings: ``port``, a further port for the metrics, and the only one of a Celery
            worker; ``address``, the address to listen on, by default every interface.

    Yields:
        The metrics of the process.

    Raises:
        BadPort: ``port`` is not a port number.
        UnknownSetting: There is another key.
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
            # The serving thread does not exist in a forked child.
            if os.getpid() == opener:
                server.shutdown()
            server.server_close()


def _serve(settings: Mapping[str, Any]) -> Any:
    port, address = _read_port(settings), settings.get("address", "0.0.0.0")
    try:
        server, _ = start_http_server(port, address, registry=_find_registry())
    except OSError as error:
        # If another worker has the port, that worker serves the metrics of all workers.
        logger.info("Metrics are not served on port %d: %s.", port, error.strerror)
        return None
    logger.info("Metrics are served on port %d.", port)
    return server


def _read_port(settings: Mapping[str, Any]) -> int:
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
    if (start := _start_time()) is not None:
        families.STARTUP.set(max(0.0, time.time() - start))


def _start_time() -> float | None:
    """Return the start time of this process in seconds since the epoch.

    None if the system is not Linux. The source is field 22 of ``/proc/self/stat``, in
    clock ticks after the boot (proc(5)).
    """
    with suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as stat:
            ticks = float(stat.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as uptime:
            up = float(uptime.read().split()[0])
        return time.time() - up + ticks / os.sysconf("SC_CLK_TCK")
    return None
