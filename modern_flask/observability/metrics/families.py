"""Every family of metrics that the kit exposes, made once in a process.

``http_request_duration_seconds`` and its labels are the predecessor's, so that
dashboards live on. Labels are bounded: the URL's rule, never its path.
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
    "Size of the bodies of HTTP responses in bytes, as they were handed to the server.",
    ("method", "handler"),
    buckets=_SIZES,
)
IN_FLIGHT = Gauge(
    "http_requests_in_flight",
    "HTTP requests whose body is not closed yet.",
    multiprocess_mode="livesum",
)
EXCEPTIONS = Counter(
    "http_request_exceptions",
    "Exceptions that no error handler expected, by their class.",
    ("handler", "exception"),
)
POOL_WAIT = Histogram(
    "database_pool_wait_seconds",
    "Time until the pool gave a connection, in seconds, connecting included.",
)
STORAGE_DURATION = Histogram(
    "storage_operation_duration_seconds",
    "Duration of operations of the storage in seconds, of get until its bytes begin; "
    "the outcome is success, or the error's class.",
    ("vendor", "operation", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
STORAGE_BYTES = Counter(
    "storage_transferred_bytes",
    "Bytes of objects that were stored (put) or read (get).",
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
    "celery_task_retries", "Runs of Celery tasks that asked to be repeated.", ("task",)
)
SPANS = Counter(
    "telemetry_spans",
    "Ended spans: sent, dropped (the queue was full) or failed (not taken in time).",
    ("outcome",),
)
STARTUP = Gauge(
    "service_startup_seconds",
    "From the start of the process until its telemetry was open, in seconds.",
    multiprocess_mode="livemax",
)
BUILD = Gauge(
    "modern_flask_build_info",
    "1; what runs is in the labels.",
    ("version", "python", "service_version"),
    multiprocess_mode="livemax",
)
for outcome in ("sent", "dropped", "failed"):
    # There from the start: a rate over a series that appears late misses its first.
    SPANS.labels(outcome)
