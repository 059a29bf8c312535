"""OTLP, decoded by OpenTelemetry's definitions and by a real collector."""

from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from modern_flask.observability.export.destination import choose_destinations
from modern_flask.observability.export.uploader import Uploader
from tests.servers.collectors import OtlpCollector
from tests.servers.rotel import Rotel


def send(endpoint: str, **environ: str) -> None:
    """One server span with a child that failed."""
    variables = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint, **environ}
    (destination,) = choose_destinations(variables)
    assert destination is not None
    uploader = Uploader(destination)
    provider = TracerProvider(
        resource=Resource({"service.name": "orders"}), shutdown_on_exit=False
    )
    provider.add_span_processor(uploader)
    tracer = provider.get_tracer("shop")
    with (
        tracer.start_as_current_span("GET /orders", kind=SpanKind.SERVER),
        tracer.start_as_current_span("SELECT orders") as span,
    ):
        span.set_attribute("db.system.name", "sqlite")
        span.add_event("retried", {"times": 2})
        span.set_status(Status(StatusCode.ERROR, "gone"))
    assert uploader.close(5)


def test_otlp(otlp: OtlpCollector) -> None:
    """Spans arrive with their kind, parent, attributes, events, status, resource."""
    send(otlp.url, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20x")

    child, root = otlp.spans

    assert (root["name"], root["kind"], root["parent_id"]) == (
        "GET /orders",
        "SERVER",
        "",
    )
    assert root["resource"]["service.name"] == "orders"
    assert child["parent_id"] == root["span_id"]
    assert child["trace_id"] == root["trace_id"]
    assert child["attributes"]["db.system.name"] == "sqlite"
    assert child["events"][0]["attributes"] == {"times": 2}
    assert (child["status"], child["message"]) == ("ERROR", "gone")
    (request,) = otlp.requests
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["authorization"] == "Bearer x"


def test_real_collector(rotel: Rotel) -> None:
    """A real collector accepts the compressed spans."""
    send(rotel.own_url())

    found: dict[str, Any] = {span["name"]: span for span in rotel.wait_for(2)}

    root, child = found["GET /orders"], found["SELECT orders"]
    assert child["parent_id"] == root["span_id"]
    assert root["kind"] == "SERVER"
    assert child["status"] == "ERROR"
    assert root["resource"]["service.name"] == "orders"
