"""The names that OpenTelemetry's own instrumentors give to attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["use_stable_names"]


@contextmanager
def use_stable_names() -> Iterator[None]:
    """Let an instrumentor that starts in this block use the stable names of HTTP.

    The only public way is the variable ``OTEL_SEMCONV_STABILITY_OPT_IN``, which is read
    once, and would change the names of the service's own instrumentors, too. If it asks
    for both the old and the stable names (``http/dup``), spans have both.
    """
    from opentelemetry.instrumentation import _semconv

    try:
        modes = _semconv._OpenTelemetrySemanticConventionStability
        modes._initialize()  # type: ignore[no-untyped-call]
        chosen = modes._OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING
        http = _semconv._OpenTelemetryStabilitySignalType.HTTP
        default, stable = _semconv._StabilityMode.DEFAULT, _semconv._StabilityMode.HTTP
    except AttributeError:
        # Another release keeps the choice elsewhere: the variable decides.
        yield
        return
    before = chosen.get(http, default)
    chosen[http] = stable if before is default else before
    try:
        yield
    finally:
        chosen[http] = before
