"""All metric families that the kit exposes, made once in a process.

``http_request_duration_seconds`` and its labels come from the predecessor, so existing
dashboards keep working. The names with ``http_server_``, ``http_client_`` and
``db_client_`` are those of OpenTelemetry's stable conventions as Prometheus spells them
(opentelemetry.io/docs/specs/semconv/http/http-metrics and database/database-metrics).
Labels are bounded: a label is the URL rule, never the path, and the name of a
statement's operation, never its text or its table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from .histogram import NotingHistogram
from .kit import KIT, PREFIX

F = TypeVar("F", bound=MetricWrapperBase)

_KIB = 1024
# Bytes.
_SIZES = tuple(float(4**power * _KIB) for power in range(8))


def _make(
    kind: type[F], name: str, text: str, labels: Sequence[str] = (), **options: Any
) -> F:
    return kind(PREFIX + name, text, labels, registry=KIT, **options)


REQUEST_DURATION = _make(
    NotingHistogram,
    "http_request_duration_seconds",
    "Duration of HTTP requests in seconds, until the body is closed.",
    ("method", "handler", "status"),
)
SERVER_DURATION = _make(
    NotingHistogram,
    "http_server_request_duration_seconds",
    "Duration of HTTP server requests in seconds, until the body is closed.",
    (
        "http_request_method",
        "http_route",
        "http_response_status_code",
        "url_scheme",
        "error_type",
    ),
)
CLIENT_DURATION = _make(
    NotingHistogram,
    "http_client_request_duration_seconds",
    "Duration of outgoing HTTP requests in seconds, until the headers of the response.",
    (
        "http_request_method",
        "server_address",
        "server_port",
        "http_response_status_code",
        "error_type",
    ),
)
OPERATION_DURATION = _make(
    NotingHistogram,
    "db_client_operation_duration_seconds",
    "Duration of SQL statements, Redis commands and Redis pipelines in seconds.",
    (
        "db_system_name",
        "server_address",
        "database",
        "db_operation_name",
        "error_type",
    ),
)
RESPONSE_SIZE = _make(
    NotingHistogram,
    "http_response_size_bytes",
    "Size of the bodies of HTTP responses in bytes, as they are handed to the server.",
    ("method", "handler"),
    buckets=_SIZES,
)
IN_FLIGHT = _make(
    Gauge,
    "http_requests_in_flight",
    "HTTP requests whose response body is not closed yet.",
    multiprocess_mode="livesum",
)
EXCEPTIONS = _make(
    Counter,
    "http_request_exceptions",
    "Exceptions that no error handler expected, by their class.",
    ("handler", "exception"),
)
POOL_WAIT = _make(
    NotingHistogram,
    "database_pool_wait_seconds",
    "Time until the pool returns a connection, in seconds, connecting included.",
    ("database",),
)
STORAGE_DURATION = _make(
    Histogram,
    "storage_operation_duration_seconds",
    "Duration of storage operations in seconds, of get until its first bytes; the "
    "outcome is success or the error's class.",
    ("vendor", "operation", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
STORAGE_BYTES = _make(
    Counter,
    "storage_transferred_bytes",
    "Bytes of objects that are stored (put) or read (get).",
    ("vendor", "operation"),
)
CACHE_LOOKUPS = _make(
    Counter,
    "cache_lookups",
    "Calls of cached functions: hit (answered from Redis) or miss (computed).",
    ("function", "outcome"),
)
TASK_DURATION = _make(
    Histogram,
    "celery_task_duration_seconds",
    "Duration of Celery tasks in seconds, by their outcome.",
    ("task", "outcome"),
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
)
TASK_RETRIES = _make(
    Counter,
    "celery_task_retries",
    "Runs of Celery tasks that ended with a retry.",
    ("task",),
)
SPANS = _make(
    Counter,
    "telemetry_spans",
    "Ended spans: sent, dropped (the queue was full) or failed (not accepted in time).",
    ("outcome",),
)
STARTUP = _make(
    Gauge,
    "service_startup_seconds",
    "Time from the start of the process until telemetry is open, in seconds.",
    multiprocess_mode="livemax",
)
BUILD = _make(
    Gauge,
    "modern_flask_build_info",
    "Always 1; the labels hold the versions.",
    ("version", "python", "service_version"),
    multiprocess_mode="livemax",
)
DURATIONS = (
    REQUEST_DURATION,
    SERVER_DURATION,
    CLIENT_DURATION,
    OPERATION_DURATION,
    POOL_WAIT,
)
"""The histograms whose buckets ``METRICS_BUCKETS`` sets.

Storage and tasks take longer, so they have buckets of their own.
"""

for outcome in ("sent", "dropped", "failed"):
    # Make all series at the start: rate() misses the first event of a new series.
    SPANS.labels(outcome)
