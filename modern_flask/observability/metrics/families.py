"""All metric families that the kit exposes, made once in a process.

``http_request_duration_seconds`` and its labels come from the predecessor, so existing
dashboards keep working. Labels are bounded: a label is the URL rule, never the path.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from .histogram import NotingHistogram

_KIB = 1024
# Bytes.
_SIZES = tuple(float(4**power * _KIB) for power in range(8))

REQUEST_DURATION = NotingHistogram(
    "http_request_duration_seconds",
    "Duration of HTTP requests in seconds, until the body is closed.",
    ("method", "handler", "status"),
)
RESPONSE_SIZE = NotingHistogram(
    "http_response_size_bytes",
    "Size of the bodies of HTTP responses in bytes, as they are handed to the server.",
    ("method", "handler"),
    buckets=_SIZES,
)
IN_FLIGHT = Gauge(
    "http_requests_in_flight",
    "HTTP requests whose response body is not closed yet.",
    multiprocess_mode="livesum",
)
EXCEPTIONS = Counter(
    "http_request_exceptions",
    "Exceptions that no error handler expected, by their class.",
    ("handler", "exception"),
)
POOL_WAIT = Histogram(
    "database_pool_wait_seconds",
    "Time until the pool returns a connection, in seconds, connecting included.",
)
STORAGE_DURATION = Histogram(
    "storage_operation_duration_seconds",
    "Duration of storage operations in seconds, of get until its first bytes; the "
    "outcome is success or the error's class.",
    ("vendor", "operation", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
STORAGE_BYTES = Counter(
    "storage_transferred_bytes",
    "Bytes of objects that are stored (put) or read (get).",
    ("vendor", "operation"),
)
CACHE_LOOKUPS = Counter(
    "cache_lookups",
    "Calls of cached functions: hit (answered from Redis) or miss (computed).",
    ("function", "outcome"),
)
TASK_DURATION = Histogram(
    "celery_task_duration_seconds",
    "Duration of Celery tasks in seconds, by their outcome.",
    ("task", "outcome"),
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
)
TASK_RETRIES = Counter(
    "celery_task_retries", "Runs of Celery tasks that ended with a retry.", ("task",)
)
SPANS = Counter(
    "telemetry_spans",
    "Ended spans: sent, dropped (the queue was full) or failed (not accepted in time).",
    ("outcome",),
)
STARTUP = Gauge(
    "service_startup_seconds",
    "Time from the start of the process until telemetry is open, in seconds.",
    multiprocess_mode="livemax",
)
BUILD = Gauge(
    "modern_flask_build_info",
    "Always 1; the labels hold the versions.",
    ("version", "python", "service_version"),
    multiprocess_mode="livemax",
)
for outcome in ("sent", "dropped", "failed"):
    # Make all series at the start: rate() misses the first event of a new series.
    SPANS.labels(outcome)
