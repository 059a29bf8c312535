"""The Prometheus metrics of the process, exposed at ``/metrics``."""

from __future__ import annotations

import logging
import os
import platform
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any

from prometheus_client import make_wsgi_app

from ...config.values import find_key, find_origin
from ...errors import UnknownSetting
from ..http_methods import METHODS
from . import families, multiprocess
from .access import Access
from .exposition import make_registry
from .histogram import NotingHistogram
from .http_client import measure_requests
from .kit import warn_of_clashes
from .lock_free import read_count
from .log_lines import count_log_lines
from .options import Names, choose_buckets, read_names
from .port import serve_on_port
from .process import expose_processes
from .writer import start_writer, write_numbers

__all__ = ["Metrics", "open_metrics"]

_KNOWN = (
    *("address", "allowed_addresses", "buckets", "names", "path", "port", "token"),
)
_EXEMPLAR_EVERY = 1.0  # seconds: an exemplar costs twice as much as its observation
_UNMATCHED = "/404"

logger = logging.getLogger(__name__)
_alone = False  # whether the warning of workers that answer alone was logged


class Metrics:
    """Counts the events of the process, and writes the metrics for a scrape."""

    def __init__(self, access: Access | None = None, names: Names = Names.OLD) -> None:
        self._access, self._names = access or Access({}), names
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
        scheme: str = "http",
        error: str = "",
    ) -> None:
        """Count one request.

        Args:
            method: The method. If HTTP does not define it, ``_OTHER`` is counted.
            handler: The URL rule, never the path.
            status: Three digits.
            seconds: The duration.
            size: Bytes of the body.
            trace_id: The id of the request's trace if it is sampled, for an exemplar.
            scheme: ``http`` or ``https``.
            error: The class of the exception, or the status of a failure; else empty.
        """
        key = (method, handler, status)
        series = self._series.get(key)
        if series is None:
            known = method if method in METHODS else "_OTHER"
            series = _Series(self._names, known, handler, status)
            if known == method:
                self._series[key] = series
        series.measure(size)
        if series.old is not None:
            series.old.observe(seconds, trace_id)
        if series.stable is not None:
            duration = series.stable.get((scheme, error))
            if duration is None:
                duration = series.add_stable(scheme, error)
            duration.observe(seconds, trace_id)

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
        self.warn_of_workers(environ)
        refusal = self._access.refuse(environ)
        if refusal is not None:
            return refusal(environ, start_response)
        app: Any = make_wsgi_app(make_registry())
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, start_response)  # type: ignore[no-any-return]
        # prometheus_client refuses HEAD.
        app({**environ, "REQUEST_METHOD": "GET"}, start_response)
        return []

    def warn_of_workers(self, environ: Mapping[str, Any]) -> None:
        """Log once that this worker answers only for itself, if there are others.

        Args:
            environ: A request. Its ``wsgi.multiprocess`` says whether there are several
                workers (PEP 3333).
        """
        global _alone
        if _alone or not environ.get("wsgi.multiprocess"):
            return
        _alone = True
        if multiprocess.find_folder() is None:
            logger.warning(
                "There are several workers, and each exposes only its own metrics, so "
                "the numbers differ from scrape to scrape. Start gunicorn with `-c "
                "python:modern_flask.server.settings`, or use `modern-flask serve`."
            )


# These counters need no lock. A read of the gauge returns their difference.
_entered, _left = count(), count()


def _make_in_flight_counters() -> tuple[Callable[[], object], Callable[[], object]]:
    """Make the functions that count a request when it begins and when it ends."""
    gauge = families.IN_FLIGHT
    if multiprocess.find_folder() is not None:
        return gauge.inc, gauge.dec
    gauge.set_function(lambda: read_count(_entered) - read_count(_left))
    return _entered.__next__, _left.__next__


class _Series:
    """The metric children of one method, rule and status; a lookup would take 2 us."""

    __slots__ = ("_labels", "measure", "old", "stable")

    def __init__(self, names: Names, method: str, handler: str, status: str) -> None:
        self._labels = (method, "" if handler == _UNMATCHED else handler, status)
        self.measure = families.RESPONSE_SIZE.labels(method, handler).note
        self.old: _Duration | None = None
        if names is not Names.OTEL:
            labels = families.REQUEST_DURATION.labels(method, handler, status)
            self.old = _Duration(labels)
        # By scheme and error.
        self.stable: dict[tuple[str, str], _Duration] | None = None
        if names is not Names.OLD:
            self.stable = {}

    def add_stable(self, scheme: str, error: str) -> _Duration:
        found = _Duration(families.SERVER_DURATION.labels(*self._labels, scheme, error))
        assert self.stable is not None
        self.stable[scheme, error] = found
        return found


class _Duration:
    """The durations of one series, with an exemplar for each bucket now and then."""

    __slots__ = ("_bounds", "_last", "_note", "_observe")

    def __init__(self, series: NotingHistogram) -> None:
        self._note, self._observe = series.note, series.observe
        self._bounds = series.bounds
        self._last = [0.0] * len(self._bounds)

    def observe(self, seconds: float, trace_id: str | None) -> None:
        if trace_id is None:
            self._note(seconds)
            return
        bucket, now = bisect_left(self._bounds, seconds), time.monotonic()
        if now - self._last[bucket] < _EXEMPLAR_EVERY:
            self._note(seconds)
        else:
            self._last[bucket] = now
            self._observe(seconds, {"trace_id": trace_id})


def open_metrics(settings: Mapping[str, Any] | None = None) -> Iterator[Metrics]:
    """Measure the process, and serve the metrics on a port if one is set.

    Args:
        settings: ``port``, a further port for the metrics, and the only one of a Celery
            worker; ``address``, the address to listen on, by default every interface;
            ``path``, the page on the service's own port; ``token`` and
            ``allowed_addresses``, as in :class:`.access.Access`; ``names`` and
            ``buckets``, as in :mod:`.options`.

    Yields:
        The metrics of the process.

    Raises:
        BadPort: ``port`` is not a port number.
        EmptyToken: ``token`` is an empty text.
        BadAddress: ``allowed_addresses`` has a part that is not an address.
        UnknownChoice: ``names`` is not ``old``, ``otel`` or ``both``.
        BadBuckets: ``buckets`` is not a list of increasing positive numbers.
        UnknownSetting: There is another key.
    """
    settings = settings or {}
    for name in settings:
        if name not in _KNOWN:
            known = [find_key(settings, known) for known in _KNOWN]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), known
            )
    metrics = Metrics(Access(settings), read_names(settings))
    choose_buckets(settings)
    _describe_process()
    _observe_process()
    try:
        with serve_on_port(settings, metrics.answer):
            yield metrics
    finally:
        write_numbers()


def _observe_process() -> None:
    """Measure what belongs to the process, once, whatever the number of its apps."""
    count_log_lines()
    measure_requests()
    expose_processes()
    warn_of_clashes()
    # The parent of the workers only checks whether the app can start.
    if os.getpid() != multiprocess.find_parent():
        start_writer()


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
