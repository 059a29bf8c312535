"""A span for each call by requests, with the stable names of the conventions."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from modern_flask.observability.instrumentors import instrument
from tests.servers.collectors import ZipkinCollector
from tests.servers.ports import free_port

Spans = list[ReadableSpan]


@pytest.fixture(autouse=True)
def instrumented(spans: Spans) -> Iterator[None]:
    """The instrumentor is on during the test, and makes spans for its provider."""
    instrumentor: Any = RequestsInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    instrument("requests")
    yield
    instrumentor.uninstrument()


def test_call(zipkin: ZipkinCollector, spans: Spans) -> None:
    """A call is a client span with the stable names, without a variable for that."""
    requests.post(zipkin.url, json=[], timeout=5)

    (span,) = spans
    found = dict(span.attributes or {})
    assert (span.name, span.kind) == ("POST", SpanKind.CLIENT)
    assert found.pop("user_agent.original").startswith("python-requests/")
    assert found == {
        "http.request.method": "POST",
        "http.response.status_code": 202,
        "url.full": zipkin.url,
        "server.address": "127.0.0.1",
        "server.port": zipkin.port,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": zipkin.port,
        "network.protocol.version": "1.1",
    }


def test_call_that_fails(spans: Spans) -> None:
    """A call without an answer is an error with its type."""
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{free_port()}", timeout=5)

    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ConnectionError"
