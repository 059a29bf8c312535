"""Collectors: they read what real exporters send, and their faults work."""

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from requests import ConnectionError as RefusedError
from requests import ReadTimeout, post

from tests.servers.collectors import OtlpCollector, ZipkinCollector


def trace_an_order(exporter: SpanExporter) -> None:
    """A server span with an event and an error, and a client span in it."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("orders")
    attributes = {"rows": 2, "paid": True, "tags": ("a", "b"), "price": 1.5}
    with tracer.start_as_current_span(
        "POST /orders", kind=SpanKind.SERVER, attributes=attributes
    ) as span:
        span.add_event("paid", {"by": "card"})
        span.set_status(Status(StatusCode.ERROR, "no stock"))
        with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT):
            pass
    provider.shutdown()


def test_zipkin_keeps_what_the_exporter_sends(zipkin):
    """Spans of zipkin-json arrive as they were encoded, a child with its parent."""
    trace_an_order(ZipkinExporter(endpoint=zipkin.url))

    child, parent = zipkin.wait_for(2)

    assert parent["name"] == "POST /orders"
    assert parent["kind"] == "SERVER"
    assert parent["localEndpoint"]["serviceName"] == "shop"
    assert parent["tags"]["rows"] == "2"
    assert child["parentId"] == parent["id"]
    assert child["traceId"] == parent["traceId"]
    assert zipkin.requests[0].headers["content-type"] == "application/json"


def test_zipkin_reads_gzip(zipkin):
    """A compressed body is decompressed; its size on the wire is kept."""
    import gzip

    body = gzip.compress(b'[{"name": "GET", "id": "1"}]')

    answer = post(zipkin.url, body, headers={"Content-Encoding": "gzip"}, timeout=5)

    assert answer.status_code == 202
    assert zipkin.spans == [{"name": "GET", "id": "1"}]
    assert zipkin.requests[0].size == len(body)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_otlp_reads_protobuf(otlp, monkeypatch, compression):
    """OTLP/HTTP arrives with resource, kinds, status, events and typed attributes."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    trace_an_order(OTLPSpanExporter(endpoint=otlp.url))

    (parent,) = otlp.wait_for(lambda span: span["name"] == "POST /orders")
    (child,) = otlp.wait_for(lambda span: span["name"] == "SELECT")

    assert parent["resource"]["service.name"] == "shop"
    assert parent["scope"] == "orders"
    assert (parent["kind"], parent["status"]) == ("SERVER", "ERROR")
    assert parent["message"] == "no stock"
    assert parent["attributes"] == {
        "rows": 2,
        "paid": True,
        "tags": ["a", "b"],
        "price": 1.5,
    }
    assert parent["events"][0]["attributes"] == {"by": "card"}
    assert parent["parent_id"] == ""
    assert child["parent_id"] == parent["span_id"]
    assert child["trace_id"] == parent["trace_id"]
    assert len(child["trace_id"]) == 32
    assert parent["start"] <= child["start"] <= child["end"] <= parent["end"]


def test_rotel_prints_the_same_spans(rotel):
    """The real collector understands the exporter, ids and parents included."""
    trace_an_order(OTLPSpanExporter(endpoint=rotel.url))

    child, parent = rotel.wait_for(2)

    assert parent["name"] == "POST /orders"
    assert (parent["kind"], parent["status"]) == ("SERVER", "ERROR")
    assert parent["attributes"]["rows"] == "2"
    assert parent["resource"]["service.name"] == "shop"
    assert child["parent_id"] == parent["span_id"]
    assert child["trace_id"] == parent["trace_id"]


@pytest.fixture(params=[ZipkinCollector, OtlpCollector])
def collector(request):
    with request.param() as collector:
        yield collector


def test_failing_collector_keeps_no_spans(collector):
    """A failing collector answers with the status and keeps the request, no spans."""
    collector.fail(429)

    answer = post(collector.url, b"[]", timeout=5)

    assert answer.status_code == 429
    assert collector.spans == []
    assert len(collector.requests) == 1


def test_silent_collector_never_answers(collector):
    """The connection opens, the request goes out, and the client waits."""
    collector.fall_silent()

    with pytest.raises(ReadTimeout):
        post(collector.url, b"", timeout=0.2)


def test_slow_collector_answers_late(collector):
    """A client with a short timeout gives up; one with a long one gets a response."""
    collector.slow_down(60)

    with pytest.raises(ReadTimeout):
        post(collector.url, b"", timeout=0.1)
    collector.slow_down(0.1)
    body = b"[]" if collector.path.startswith("/api") else b""
    assert post(collector.url, body, timeout=30).ok


def test_refusing_collector_heals_on_its_port(collector):
    """refuse() also ends open connections; heal() brings back the same URL."""
    from requests import Session

    url = collector.url
    body = b"[]" if collector.path.startswith("/api") else b""
    with Session() as session:
        assert session.post(url, body, timeout=5).ok

        collector.refuse()

        with pytest.raises(RefusedError):
            session.post(url, body, timeout=5)
        collector.heal()
        assert collector.url == url
        assert session.post(url, body, timeout=5).ok


def test_missing_span_is_reported(zipkin):
    """A failed wait names the spans that have arrived."""
    post(zipkin.url, b'[{"name": "GET"}]', timeout=5)

    with pytest.raises(AssertionError) as failure:
        zipkin.wait_for(2, timeout=0.1)

    message = "The spans did not come in 0.1 s; these did: ['GET']"
    assert str(failure.value) == message
