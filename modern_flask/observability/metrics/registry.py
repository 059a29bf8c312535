"""The Prometheus metrics of the process, exposed at ``/metrics``."""

from __future__ import annotations

import os
import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app

from ...config.values import find_key, find_origin
from ...errors import UnknownSetting
from ..http_methods import METHODS
from . import families, multiprocess
from .access import Access
from .port import serve_on_port

__all__ = ["Metrics", "open_metrics"]

_KNOWN = ("address", "allowed_addresses", "path", "port", "token")
_EXEMPLAR_EVERY = 1.0  # seconds: an exemplar costs twice as much as its observation
_BOUNDS = families.REQUEST_DURATION.bounds


class Metrics:
    """Counts the events of the process, and writes the metrics for a scrape."""

    def __init__(self, access: Access | None = None) -> None:
        self._access = access or Access({})
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

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a scrape. This is a WSGI application; the path makes no difference.

        The format follows ``Accept``, and ``name[]`` in the query selects metrics
        (prometheus.github.io/client_python/exporting/http/wsgi).
        """
        refusal = self._access.refuse(environ)
        if refusal is not None:
            return refusal(environ, start_response)
        app: Any = make_wsgi_app(_find_registry())
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, start_response)  # type: ignore[no-any-return]
        # prometheus_client refuses HEAD.
        app({**environ, "REQUEST_METHOD": "GET"}, start_response)
        return []


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
            worker; ``address``, the address to listen on, by default every interface;
            ``path``, the page on the service's own port; ``token`` and
            ``allowed_addresses``, as in :class:`.access.Access`.

    Yields:
        The metrics of the process.

    Raises:
        BadPort: ``port`` is not a port number.
        EmptyToken: ``token`` is an empty text.
        BadAddress: ``allowed_addresses`` has a part that is not an address.
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
    metrics = Metrics(Access(settings))
    with serve_on_port(settings, metrics.answer):
        yield metrics


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
