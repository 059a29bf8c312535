"""Spans that a test has made, apps that make them, and a clean environment."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from modern_flask.observability.metrics.registry import Metrics
from modern_flask.observability.propagation import set_propagators
from modern_flask.observability.requests.middleware import RequestTelemetry
from modern_flask.observability.telemetry import Telemetry
from modern_flask.observability.tracing import Tracing

READ = ("OTEL_", "POD_", "SERVICE_", "NODE_NAME", "WORKLOAD_TYPE")


class Reading(FlaskClient):
    """Reads each answer to its end and closes it, as a server does."""

    def open(self, *args: Any, buffered: bool = True, **options: Any) -> Any:
        return super().open(*args, buffered=buffered, **options)


class Kept(SpanProcessor):
    """Keeps the spans that have ended."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Measured(Metrics):
    """The real metrics, and each request as it was measured."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str, str, float]] = []

    def count_request(
        self, method: str, handler: str, status: str, seconds: float, *rest: Any
    ) -> None:
        self.requests.append((method, handler, status, seconds))
        super().count_request(method, handler, status, seconds, *rest)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own variables have no effect."""
    for name in list(os.environ):
        if name.startswith(READ):
            monkeypatch.delenv(name)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """A processor on the provider that the process has during the test.

    OpenTelemetry's function sets a provider for ever, and every later app of the
    process would be traced.
    """
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    processor = Kept()
    provider.add_span_processor(processor)
    return processor


@pytest.fixture
def spans(kept: Kept) -> list[ReadableSpan]:
    """Every span that has ended since the test began."""
    kept.spans.clear()
    set_propagators()
    return kept.spans


@pytest.fixture
def measured() -> Measured:
    return Measured()


@pytest.fixture
def app(measured: Measured, spans: list[ReadableSpan]) -> Flask:
    """A plain Flask app with the kit's middleware."""
    app = Flask("orders")
    observe(app, measured)
    return app


@pytest.fixture
def client(app: Flask) -> Any:
    return app.test_client()


def observe(app: Flask, metrics: Metrics) -> RequestTelemetry:
    """Put the middleware around ``app``."""
    telemetry = RequestTelemetry(app, lambda: metrics, lambda: None)
    app.test_client_class = Reading
    app.wsgi_app = telemetry  # type: ignore[method-assign]
    return telemetry


def untraced_telemetry() -> Telemetry:
    """The observer of a service that is measured and not traced."""
    return Telemetry(Tracing(), Metrics())


@pytest.fixture
def made() -> Callable[..., ReadableSpan]:
    """``made("name", kind=..., attributes=...)``: one ended span of a service."""

    def make(name: str = "work", **options: Any) -> ReadableSpan:
        resource = {"service.name": "orders", "k8s.pod.name": "orders-1"}
        provider = TracerProvider(
            resource=Resource(resource), shutdown_on_exit=False, sampler=None
        )
        act: Callable[[Any], None] = options.pop("act", lambda span: None)
        end = options.pop("end_time", None)
        span = provider.get_tracer("shop", "1.5").start_span(name, **options)
        act(span)
        span.end(end)
        assert isinstance(span, ReadableSpan)
        return span

    return make


@contextmanager
def open_resource(generator: Any) -> Iterator[Any]:
    """Open a resource by its generator, and close it after the block."""
    yield next(generator)
    assert next(generator, None) is None
