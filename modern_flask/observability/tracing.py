"""Opens tracing: one provider in a process, and one uploader for each back end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from .export.destination import Destination, choose_destination
from .export.redaction import redact_span
from .propagation import set_propagators
from .resource import make_resource
from .variables import check_limits

__all__ = ["Tracing", "instrument", "open_tracing"]

_INSTRUMENTORS = {
    "requests": "opentelemetry.instrumentation.requests.RequestsInstrumentor",
    "celery": "opentelemetry.instrumentation.celery.CeleryInstrumentor",
}

logger = logging.getLogger(__name__)


class Tracing:
    """The destination of a service's spans; None for a service without tracing."""

    def __init__(self, destination: Destination | None) -> None:
        self.destination = destination

    @property
    def on(self) -> bool:
        """Whether spans are made and sent."""
        return self.destination is not None

    def __str__(self) -> str:
        if self.destination is not None:
            return f"Traces are sent to {self.destination}."
        return (
            "Traces are not sent: set OTEL_EXPORTER to zipkin, jaeger or otlp, and the "
            "variable of its endpoint."
        )


def open_tracing(settings: Mapping[str, Any], service: str) -> Iterator[Tracing]:
    """Send spans to the back end that the environment names, until shutdown.

    At this time, the ``OTEL_`` keys of the configuration are in the environment. The
    environment, the provider and the resource belong to the process. So all apps of a
    process have the same tracing, with the name of the first app. An app stays untraced
    if it starts before any app has a back end. Both cases are logged.

    Args:
        settings: The ``OTEL_`` section; it has the origin of each key. The values come
            from the environment, where a variable wins over a key.
        service: The service's name if no variable sets one.

    Yields:
        The destination of the spans.

    Raises:
        UnknownChoice: ``OTEL_EXPORTER`` names no exporter.
        BadEndpoint, BadLimit, UnreadableFile: The value of a variable is wrong, so no
            span could be sent.
    """
    destination = choose_destination(os.environ, settings)
    set_propagators()
    if destination is None:
        _untraced.add(service)
        yield Tracing(None)
        return
    check_limits(os.environ, settings)
    _warn_of_other_apps(service)
    fanout = _share_fanout(service)
    fanout.join(destination)
    instrument("requests")
    try:
        yield Tracing(destination)
    finally:
        fanout.leave(destination)


class _Fanout(SpanProcessor):
    """Passes spans to every back end in use. Apps with the same back end share it."""

    def __init__(self) -> None:
        self.backends: dict[Any, tuple[SpanProcessor, int]] = {}
        self.processors: tuple[SpanProcessor, ...] = ()

    def join(self, destination: Destination) -> None:
        processor, users = self.backends.get(destination.key, (None, 0))
        if processor is None:
            processor = _make_processor(destination)
        self._put(destination, processor, users + 1)

    def leave(self, destination: Destination) -> None:
        processor, users = self.backends[destination.key]
        self._put(destination, processor, users - 1)
        if users == 1:
            processor.shutdown()

    def _put(
        self, destination: Destination, processor: SpanProcessor, users: int
    ) -> None:
        self.backends[destination.key] = (processor, users)
        if users == 0:
            del self.backends[destination.key]
        self.processors = tuple(found for found, _ in self.backends.values())

    def on_end(self, span: ReadableSpan) -> None:
        for processor in self.processors:
            processor.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        flushed = [p.force_flush(timeout_millis) for p in self.processors]
        return all(flushed)


_shared: _Fanout | None = None

# Services of this process that have started without a back end.
_untraced: set[str] = set()
# Services for which the warnings below have been logged.
_warned: set[str] = set()


def _warn_of_other_apps(service: str) -> None:
    """Warn once for each app whose tracing differs from its configuration."""
    if service in _warned:
        return
    _warned.add(service)
    for other in sorted(_untraced - {service}):
        logger.warning(
            "%s started in this process before there was a back end: its requests stay "
            "untraced, but its calls by `requests` are traced with those of %s.",
            other,
            service,
        )
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        shared = provider.resource.attributes.get("service.name")
        own = make_resource(service, os.environ).attributes["service.name"]
        if shared != own:
            logger.warning(
                "Spans of %s are sent as those of %s: a process has one resource.",
                own,
                shared,
            )


def _share_fanout(service: str) -> _Fanout:
    """Return the process's fanout: OpenTelemetry's provider can be set only once."""
    global _shared
    if _shared is None:
        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            # The container closes tracing with a deadline; atexit would close it
            # without one.
            resource = make_resource(service, os.environ)
            provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            trace.set_tracer_provider(provider)
        _shared = _Fanout()
        provider.add_span_processor(_shared)
    return _shared


def _make_processor(destination: Destination) -> SpanProcessor:
    if destination.encoding == "console":
        return SimpleSpanProcessor(
            ConsoleSpanExporter(
                formatter=lambda span: f"{redact_span(span).to_json()}\n"
            )
        )
    # A service without a back end does not pay for the import of requests.
    from .export.uploader import Limits, Uploader

    return Uploader(destination, Limits.read(os.environ))


def instrument(name: str) -> None:
    """Start one of OpenTelemetry's own instrumentors, once in a process.

    If the instrumentor does not support the version of the library and does not start,
    a warning is logged. ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` can disable it.

    Args:
        name: ``requests`` or ``celery``.
    """
    module, _, kind = _INSTRUMENTORS[name].rpartition(".")
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if name in [part.strip() for part in disabled.split(",")]:
        return
    try:
        instrumentor: Any = getattr(import_module(module), kind)()
    except ImportError as error:
        logger.warning("%s is not traced: %s.", name, error)
        return
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument()
        if not instrumentor.is_instrumented_by_opentelemetry:
            logger.warning("%s is not traced: its instrumentor refused to start.", name)
