"""Whose trace a request continues, and what a call takes along."""

from typing import Any

import pytest
from flask import Flask
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import ReadableSpan

Spans = list[ReadableSpan]

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SHORT = "a3ce929d0e0e4736"
OTHER = "1" * 32

B3 = {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN}


@pytest.fixture(autouse=True)
def view(app: Flask) -> None:
    @app.get("/")
    def sent() -> dict[str, Any]:
        """What a call from here would send."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return {"headers": carrier, "baggage": dict(baggage.get_all())}


@pytest.mark.parametrize(
    ("headers", "trace_id", "parent"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, TRACE, SPAN),
        ({"b3": f"{TRACE}-{SPAN}-1"}, TRACE, SPAN),
        ({"b3": f"{SHORT}-{SPAN}-d"}, SHORT.zfill(32), SPAN),
        ({"b3": f"{TRACE}-{SPAN}-1-{SHORT}"}, TRACE, SPAN),
        ({"b3": f"{TRACE}-{SPAN}"}, TRACE, SPAN),
        ({**B3, "X-B3-Sampled": "1"}, TRACE, SPAN),
        ({**B3, "X-B3-Flags": "1"}, TRACE, SPAN),
        (B3, TRACE, SPAN),
        # Where both are there, W3C's are believed.
        (
            {"traceparent": f"00-{TRACE}-{SPAN}-01", "b3": f"{OTHER}-{SPAN}-1"},
            TRACE,
            SPAN,
        ),
        ({"traceparent": "broken", "b3": f"{TRACE}-{SPAN}-1"}, TRACE, SPAN),
    ],
)
def test_parent(
    client: Any, spans: Spans, headers: dict[str, str], trace_id: str, parent: str
) -> None:
    """A caller's headers of either kind make it the parent."""
    client.get("/", headers=headers)

    (span,) = spans

    context = span.get_span_context()
    assert context is not None
    assert f"{context.trace_id:032x}" == trace_id
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == parent
    assert span.parent.is_remote


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": f"00-{TRACE}-{SPAN}-00"},
        {"b3": f"{TRACE}-{SPAN}-0"},
        {**B3, "X-B3-Sampled": "0"},
    ],
)
def test_caller_has_decided(client: Any, spans: Spans, headers: dict[str, str]) -> None:
    """What the caller does not sample is not recorded, and the decision goes on."""
    response = client.get("/", headers=headers)

    assert spans == []
    assert response.json["headers"]["x-b3-sampled"] == "0"
    assert response.json["headers"]["traceparent"].startswith(f"00-{TRACE}-")
    assert response.headers["traceresponse"].endswith("-00")


def test_both_kinds_are_sent(client: Any, spans: Spans) -> None:
    """A call takes B3's and W3C's headers along, with the ids of the span."""
    sent = client.get("/").json["headers"]

    context = spans[0].get_span_context()
    assert context is not None
    trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    assert sent == {
        "x-b3-traceid": trace_id,
        "x-b3-spanid": span_id,
        "x-b3-sampled": "1",
        # Sampled, and the trace's id is random (W3C Trace Context 2).
        "traceparent": f"00-{trace_id}-{span_id}-03",
    }


def test_baggage(client: Any) -> None:
    """Baggage is there in the view, and goes on with its calls."""
    found = client.get("/", headers={"baggage": "user=ann,plan=a%20b"}).json

    assert found["baggage"] == {"user": "ann", "plan": "a b"}
    assert "user=ann" in found["headers"]["baggage"]


def test_no_headers_make_a_root(client: Any, spans: Spans) -> None:
    """Without a caller's headers a trace begins, whatever is current outside."""
    outer = trace.get_tracer("test").start_span("outer")
    with trace.use_span(outer, end_on_exit=True):
        client.get("/", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})

    assert spans[0].parent is not None
    assert f"{spans[0].parent.span_id:016x}" == SPAN


def test_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PROPAGATORS is OpenTelemetry's to read: the kit leaves its choice alone."""
    from modern_flask.observability.tracing import speak_both

    before = propagate.get_global_textmap()
    monkeypatch.setenv("OTEL_PROPAGATORS", "b3")

    speak_both()

    assert propagate.get_global_textmap() is before
