"""What a view or a processor sets on the server span stays."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    TracerProvider,
)
from opentelemetry.trace import SpanKind, Status, StatusCode

from modern_flask.observability.requests import server_span
from modern_flask.observability.requests.server_span import ServerSpans, make_starter
from tests.observability.conftest import Kept, Measured, Reading, observe

Serve = Callable[..., ReadableSpan]

CALLER = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}


@pytest.fixture(params=["lean", "SDK's"])
def serve(request: pytest.FixtureRequest, measured: Measured) -> Serve:
    """``serve(view)``: the server span of one request, made by either class."""

    def record(view: Callable[[], Any], *processors: Any) -> ReadableSpan:
        app, kept = Flask("orders"), Kept()
        limits = SpanLimits(max_span_attribute_length=1000)
        provider = TracerProvider(
            shutdown_on_exit=False,
            span_limits=limits if request.param != "lean" else None,
        )
        for processor in (*processors, kept):
            provider.add_span_processor(processor)
        app.add_url_rule("/orders/<int:number>", "orders", lambda number: view())
        telemetry = observe(app, measured)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server_span.trace, "get_tracer_provider", lambda: provider)
            telemetry.start()
        app.test_client().get("/orders/7")
        (span,) = kept.spans
        return span

    return record


def current() -> Any:
    return trace.get_current_span()


def test_usual_span(serve: Serve) -> None:
    """A span that nobody touches has the method and the rule as its name."""
    span = serve(lambda: "x")

    assert span.name == "GET /orders/<int:number>"
    assert (span.attributes or {})["http.route"] == "/orders/<int:number>"
    assert span.status.is_unset


@pytest.mark.parametrize("name", ["renamed", "GET /"])
def test_name_of_a_view(serve: Serve, name: str) -> None:
    """A view's name for the span wins over the rule."""
    assert serve(lambda: current().update_name(name) or "x").name == name


def test_attributes_of_a_view(serve: Serve) -> None:
    """A view's attributes win over those that the kit sets at the end."""

    def view() -> tuple[str, int]:
        current().set_attributes({"http.route": "/mine", "error.type": "sold out"})
        current().set_attribute("http.response.status_code", 299)
        return "x", 503

    attributes = serve(view).attributes or {}

    assert attributes["http.route"] == "/mine"
    assert attributes["error.type"] == "sold out"
    assert attributes["http.response.status_code"] == 299
    assert attributes["url.path"] == "/orders/7"


@pytest.mark.parametrize(
    "status", [Status(StatusCode.OK), Status(StatusCode.ERROR, "sold out")]
)
def test_status_of_a_view(serve: Serve, status: Status) -> None:
    """A view's status wins over that of the response."""
    span = serve(lambda: current().set_status(status) or ("x", 500))

    assert span.status.status_code is status.status_code
    assert span.status.description == status.description


class Naming(SpanProcessor):
    """A processor that names spans and sets attributes, as some vendors' do."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        span.set_attribute("http.route", "/from-processor")
        span.update_name("from processor")


def test_processor(serve: Serve) -> None:
    """What a processor sets at the start of the span stays."""
    span = serve(lambda: "x", Naming())

    assert span.name == "from processor"
    assert (span.attributes or {})["http.route"] == "/from-processor"
    assert (span.attributes or {})["http.response.status_code"] == 200


def disable(provider: TracerProvider, disabled: bool) -> None:
    config: Any = type("Config", (), {"is_enabled": not disabled})
    provider._set_tracer_configurator(tracer_configurator=lambda scope: config)


def test_disabled_tracer(measured: Measured) -> None:
    """The SDK's tracer configurator switches server spans off and on again."""
    app, kept = Flask("orders"), Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(kept)
    telemetry = observe(app, measured)
    starter = make_starter(provider.get_tracer("modern_flask.http"))
    telemetry.observer = replace(telemetry.start(), spans=ServerSpans(starter))
    client = app.test_client()
    found = []

    for disabled in (True, False, True):
        disable(provider, disabled)
        kept.spans.clear()
        response = client.get("/", headers=CALLER)
        found.append((len(kept.spans), response.headers["traceresponse"][36:52]))

    assert [number for number, _ in found] == [0, 1, 0]
    # Without a span of its own, the caller's is passed on.
    assert found[0][1] == found[2][1] == "cd" * 8
    assert found[1][1] != "cd" * 8


@pytest.mark.parametrize("variable", ["true", " TRUE "])
def test_disabled_sdk(
    measured: Measured, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """OTEL_SDK_DISABLED switches the spans of a service's own provider off."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", variable)
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(kept)
    start = make_starter(provider.get_tracer("modern_flask.http"))

    assert start("GET", Context(), {}) is None
    assert kept.spans == []


def test_span_of_another_middleware(measured: Measured) -> None:
    """The server span that a middleware around the app has made is the request's."""
    app, kept = Flask("orders"), Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(kept)
    telemetry = observe(app, measured)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_span.trace, "get_tracer_provider", lambda: provider)
        telemetry.start()
    app.test_client_class = Reading
    tracer = provider.get_tracer("theirs")

    for kind in (SpanKind.SERVER, SpanKind.INTERNAL):
        kept.spans.clear()
        with tracer.start_as_current_span("outer", kind=kind) as outer:
            answer = app.test_client().get("/orders/7").headers["traceresponse"]
        own = [span for span in kept.spans if span.kind is SpanKind.SERVER]
        context = outer.get_span_context()
        assert len(own) == 1
        assert (f"{context.span_id:016x}" in answer) == (kind is SpanKind.SERVER)
