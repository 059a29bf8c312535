"""A span and a duration for each operation of one storage, and the bytes it moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter
from typing import Any

from opentelemetry import trace

from ..metrics.families import STORAGE_BYTES, STORAGE_DURATION

__all__ = ["measure_storage", "trace_storage"]

_Observer = Callable[[str, str], AbstractContextManager[Any]]


def measure_storage(storage: Any) -> None:
    """Measure how long each operation takes, how it ends, and its bytes."""
    vendor = storage.vendor

    @contextmanager
    def timed(operation: str, key: str) -> Iterator[None]:
        begun, outcome = perf_counter(), "success"
        try:
            yield
        except BaseException as error:
            # Its class is one of few; its text and the key are anybody's.
            outcome = type(error).__name__
            raise
        finally:
            seconds = perf_counter() - begun
            STORAGE_DURATION.labels(vendor, operation, outcome).observe(seconds)

    def moved(operation: str, size: int) -> None:
        STORAGE_BYTES.labels(vendor, operation).inc(size)

    _observe(storage, timed)
    storage.moved = moved


def trace_storage(storage: Any) -> None:
    """Make a client span for each operation of ``storage``."""
    tracer = trace.get_tracer("modern_flask.storage")

    def traced(operation: str, key: str) -> AbstractContextManager[Any]:
        return tracer.start_as_current_span(
            f"storage {operation}",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "storage.system": storage.vendor,
                "storage.operation": operation,
                "storage.key": key,
            },
        )

    _observe(storage, traced)


def _observe(storage: Any, observer: _Observer) -> None:
    """Let ``observer`` see each operation, around whoever does already."""
    other: _Observer | None = storage.observe

    @contextmanager
    def both(operation: str, key: str) -> Iterator[None]:
        inner = nullcontext() if other is None else other(operation, key)
        with observer(operation, key), inner:
            yield

    storage.observe = observer if other is None else both
