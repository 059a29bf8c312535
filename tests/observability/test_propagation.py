"""Whose trace a request continues, and which headers a call sends."""

import json
from typing import Any

import pytest
from flask import Flask
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from werkzeug.test import EnvironBuilder

from modern_flask.observability.export.zipkin import encode
from modern_flask.observability.propagation import B3 as B3Propagator
from modern_flask.observability.requests.server_span import make_starter

Spans = list[ReadableSpan]

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SHORT = "a3ce929d0e0e4736"
OTHER = "1" * 32

B3 = {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN}


@pytest.fixture(autouse=True)
def view(app: Flask) -> None:
    @app.get("/")
    def sent() -> dict[str, Any]:
        """The headers that a call would send."""
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
    """A request that the caller does not sample is not recorded, nor its calls."""
    response = client.get("/", headers=headers)

    assert spans == []
    assert response.json["headers"]["x-b3-sampled"] == "0"
    assert response.json["headers"]["traceparent"].startswith(f"00-{TRACE}-")
    assert response.headers["traceresponse"].endswith("-00")


@pytest.mark.parametrize(
    "headers",
    [
        {"b3": "0"},
        {"X-B3-Sampled": "0"},
        {"X-B3-Sampled": "false"},
        {"b3": "0", "X-B3-Sampled": "1"},
    ],
)
def test_denied_without_ids(client: Any, spans: Spans, headers: dict[str, str]) -> None:
    """A denial without ids prevents the trace, and is sent on."""
    response = client.get("/", headers=headers)

    assert spans == []
    sent = response.json["headers"]
    assert sent["x-b3-sampled"] == "0"
    assert len(sent["x-b3-traceid"]) == 32
    assert response.headers["traceresponse"].endswith("-00")


NEVER = TracerProvider(shutdown_on_exit=False, sampler=ParentBased(ALWAYS_OFF))


def test_accepted_without_ids() -> None:
    """An acceptance without ids makes a sampled root against the sampler."""
    start = make_starter(NEVER.get_tracer("test"))
    environ = EnvironBuilder().get_environ()

    for headers, sampled in (
        ({"b3": "1"}, True),
        ({"b3": "d"}, True),
        ({"x-b3-flags": "1"}, True),
        ({"x-b3-sampled": "true"}, True),
        ({"b3": "0"}, False),
        ({"b3": "?"}, False),
        ({}, False),
        # Ids that are none: neither they nor what comes with them is believed.
        ({"b3": "12-34-1"}, False),
        ({"x-b3-traceid": "12", "x-b3-sampled": "1"}, False),
    ):
        span: Any = start("GET", B3Propagator().extract(headers), environ)
        assert span.get_span_context().is_valid
        assert span.get_span_context().trace_flags.sampled == sampled, headers
        assert getattr(span, "parent", None) is None


def test_sampler_that_asks_no_caller() -> None:
    """A sampler that is not parent-based ignores a decision without ids."""
    provider = TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_ON)
    start = make_starter(provider.get_tracer("test"))

    parent = B3Propagator().extract({"b3": "0"})
    span = start("GET", parent, EnvironBuilder().get_environ())

    assert span.get_span_context().trace_flags.sampled


@pytest.mark.parametrize(
    "headers",
    [
        {"b3": "d"},
        {"X-B3-Flags": "1"},
        {"b3": f"{TRACE}-{SPAN}-d"},
        {**B3, "X-B3-Flags": "1"},
        {**B3, "X-B3-Sampled": "0", "X-B3-Flags": "1"},
        {"traceparent": f"00-{TRACE}-{SPAN}-01", "X-B3-Flags": "1"},
        {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1,b3=d"},
    ],
)
def test_debug(client: Any, spans: Spans, headers: dict[str, str]) -> None:
    """B3's debug flag reaches Zipkin, and is sent on in headers of both kinds."""
    sent = client.get("/", headers=headers).json["headers"]

    (encoded,) = json.loads(encode(spans))
    assert encoded["debug"] is True
    assert sent["x-b3-flags"] == "1"
    # It implies the decision; B3 wants only one of the two.
    assert "x-b3-sampled" not in sent
    assert "b3=d" in sent["tracestate"].split(",")
    assert sent["traceparent"].endswith(("-01", "-03"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"b3": "1"},
        {"b3": f"{TRACE}-{SPAN}-1"},
        {**B3, "X-B3-Flags": "0"},
        {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"},
    ],
)
def test_no_debug(client: Any, spans: Spans, headers: dict[str, str]) -> None:
    """Nothing else turns debug on."""
    sent = client.get("/", headers=headers).json["headers"]

    (encoded,) = json.loads(encode(spans))
    assert "debug" not in encoded
    assert "x-b3-flags" not in sent
    assert sent["x-b3-sampled"] == "1"


def test_debug_of_what_is_not_sampled(client: Any, spans: Spans) -> None:
    """W3C's denial wins, and there is nothing to debug."""
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-00", "X-B3-Flags": "1"}

    sent = client.get("/", headers=headers).json["headers"]

    assert spans == []
    assert sent["x-b3-sampled"] == "0"
    assert "x-b3-flags" not in sent


def test_both_kinds_are_sent(client: Any, spans: Spans) -> None:
    """A call sends B3's and W3C's headers, with the ids of the span."""
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
    """A view reads the baggage, and its calls send it on."""
    found = client.get("/", headers={"baggage": "user=ann,plan=a%20b"}).json

    assert found["baggage"] == {"user": "ann", "plan": "a b"}
    assert "user=ann" in found["headers"]["baggage"]


def test_no_headers_make_a_root(client: Any, spans: Spans) -> None:
    """Without a caller's headers a trace begins, whatever span is current."""
    outer = trace.get_tracer("test").start_span("outer")
    with trace.use_span(outer, end_on_exit=True):
        client.get("/", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})

    assert spans[0].parent is not None
    assert f"{spans[0].parent.span_id:016x}" == SPAN


def test_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """With OTEL_PROPAGATORS set, the kit sets no propagator."""
    from modern_flask.observability.propagation import set_propagators

    before = propagate.get_global_textmap()
    monkeypatch.setenv("OTEL_PROPAGATORS", "b3")

    set_propagators()

    assert propagate.get_global_textmap() is before
