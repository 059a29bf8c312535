"""Records a span, the duration and the bytes of each operation of one storage."""

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
    """Measure the duration, the outcome and the bytes of each operation."""
    vendor = storage.vendor

    @contextmanager
    def measure(operation: str, key: str) -> Iterator[None]:
        begun, outcome = perf_counter(), "success"
        try:
            yield
        except BaseException as error:
            # There are few classes, but the text and the key may have any value.
            outcome = type(error).__name__
            raise
        finally:
            seconds = perf_counter() - begun
            STORAGE_DURATION.labels(vendor, operation, outcome).observe(seconds)

    def count_bytes(operation: str, size: int) -> None:
        STORAGE_BYTES.labels(vendor, operation).inc(size)

    _add_observer(storage, measure)
    storage.moved = count_bytes


def trace_storage(storage: Any) -> None:
    """Make a client span for each operation of ``storage``."""
    tracer = trace.get_tracer("modern_flask.storage")

    def open_span(operation: str, key: str) -> AbstractContextManager[Any]:
        return tracer.start_as_current_span(
            f"storage {operation}",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "storage.system": storage.vendor,
                "storage.operation": operation,
                "storage.key": key,
            },
        )

    _add_observer(storage, open_span)


def _add_observer(storage: Any, observer: _Observer) -> None:
    """Let ``observer`` see each operation, outside of the existing observer."""
    other: _Observer | None = storage.observe

    @contextmanager
    def both(operation: str, key: str) -> Iterator[None]:
        inner = nullcontext() if other is None else other(operation, key)
        with observer(operation, key), inner:
            yield

    storage.observe = observer if other is None else both
