"""Tracing as a resource: one provider for the process, an uploader for each backend."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .export.destination import Destination, choose_destination
from .export.redaction import harmless
from .export.uploader import Limits, Uploader
from .propagation import B3
from .resource import make_resource
from .variables import check_limits

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from .metrics.metrics import Metrics

__all__ = ["Tracing", "open_tracing"]

_INSTRUMENTORS = {
    "requests": "opentelemetry.instrumentation.requests.RequestsInstrumentor",
    "celery": "opentelemetry.instrumentation.celery.CeleryInstrumentor",
}

logger = logging.getLogger(__name__)


class Tracing:
    """What components are traced with; without a backend they are measured only."""

    def __init__(
        self, destination: Destination | None, metrics: Metrics | None = None
    ) -> None:
        self.destination, self.metrics = destination, metrics

    @property
    def on(self) -> bool:
        return self.destination is not None

    def __str__(self) -> str:
        if self.destination is not None:
            return f"Traces are sent to {self.destination}."
        return (
            "Traces are not sent: set OTEL_EXPORTER to zipkin, jaeger or otlp, and the "
            "variable of its endpoint."
        )

    def engine(self, engine: Engine) -> None:
        """A span for each statement of ``engine``, and its pool's metrics."""
        if self.metrics is not None:
            self.metrics.engine(engine)
        if self.on:
            from .instruments.sql import trace_statements

            trace_statements(engine)

    def redis(self, client: Redis) -> None:
        """A span for each command of ``client``, and its pool's metrics."""
        if self.metrics is not None:
            self.metrics.redis(client)
        if self.on:
            from .instruments.redis import trace_commands

            trace_commands(client)

    def storage(self, storage: Any) -> None:
        """A span for each operation of ``storage``, and its metrics."""
        if self.metrics is not None:
            self.metrics.storage(storage)
        if self.on:
            from .instruments.storage import trace_storage

            trace_storage(storage)

    def celery(self, app: Any) -> None:
        """A span for each task that is sent and each that is run, and its metrics."""
        if self.metrics is not None:
            self.metrics.celery(app)
        if self.on:
            instrument("celery")


def open_tracing(
    settings: Mapping[str, Any], service: str, metrics: Metrics | None = None
) -> Iterator[Tracing]:
    """Trace to the backend that the environment names, until closed.

    The ``OTEL_`` keys of the configuration are in the environment by now. Environment,
    provider and resource are the process's: apps in one process are traced alike, under
    the name of the first; one that started before any had a backend stays untraced. A
    line of the log tells of either.

    Args:
        settings: The ``OTEL_`` section; it is read from the environment, where a
            variable wins, and says where a value was set.
        service: The service's name where no variable gives one.
        metrics: Measures the components that are traced.

    Raises:
        UnknownChoice: ``OTEL_EXPORTER`` names no exporter.
        BadEndpoint, BadLimit, UnreadableFile: A variable that no span could be sent by.
    """
    destination = choose_destination(os.environ, settings)
    speak_both()
    if destination is None:
        _untraced.add(service)
        yield Tracing(None, metrics)
        return
    check_limits(os.environ, settings)
    _tell_of_others(service)
    fanout = _fanout(service)
    fanout.join(destination)
    instrument("requests")
    try:
        yield Tracing(destination, metrics)
    finally:
        fanout.leave(destination)


class _Fanout(SpanProcessor):
    """Hands spans to each backend in use; two apps with the same one share it."""

    def __init__(self) -> None:
        self.backends: dict[Any, tuple[SpanProcessor, int]] = {}
        self.processors: tuple[SpanProcessor, ...] = ()

    def join(self, destination: Destination) -> None:
        processor, users = self.backends.get(destination.key, (None, 0))
        if processor is None:
            processor = _processor(destination)
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


# Services of this process that have started without a backend.
_untraced: set[str] = set()
_told: set[str] = set()


def _tell_of_others(service: str) -> None:
    """What is not as an app's own configuration says, told once for each app."""
    if service in _told:
        return
    _told.add(service)
    for other in sorted(_untraced - {service}):
        logger.warning(
            "%s started in this process before there was a backend: its requests stay "
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


def _fanout(service: str) -> _Fanout:
    """The process's own: OpenTelemetry lets its provider be set once."""
    global _shared
    if _shared is None:
        provider = trace.get_tracer_provider()
        if not isinstance(provider, TracerProvider):
            # Closing is the container's, with a deadline; not atexit's, without one.
            resource = make_resource(service, os.environ)
            provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            trace.set_tracer_provider(provider)
        _shared = _Fanout()
        provider.add_span_processor(_shared)
    return _shared


def _processor(destination: Destination) -> SpanProcessor:
    if destination.encoding == "console":
        return SimpleSpanProcessor(
            ConsoleSpanExporter(formatter=lambda span: f"{harmless(span).to_json()}\n")
        )
    return Uploader(destination, Limits.read(os.environ))


def speak_both() -> None:
    """Read and send B3 and W3C headers, unless ``OTEL_PROPAGATORS`` says otherwise.

    Where a request carries both, W3C's are believed.
    """
    if os.environ.get("OTEL_PROPAGATORS"):
        return
    propagate.set_global_textmap(
        CompositePropagator(
            [TraceContextTextMapPropagator(), B3(), W3CBaggagePropagator()]
        )
    )


def instrument(name: str) -> None:
    """Switch on one of OpenTelemetry's own instrumentors, once in a process.

    One that refuses (it dislikes a version) is reported, never silent.
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
