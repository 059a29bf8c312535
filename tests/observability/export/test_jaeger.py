"""jaeger.thrift, decoded by the classes that Thrift generated for Jaeger."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status
from opentelemetry.trace import StatusCode as Code
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from modern_flask.observability.export.jaeger import encode

Made = Callable[..., ReadableSpan]
Read = Callable[[bytes], Any]


@pytest.fixture(scope="module")
def read() -> Read:
    """``read(body)``: a ``Batch`` of the generated classes, all bytes used up."""
    # The package itself can't be imported any more: the SDK has lost its constants.
    spec = find_spec("opentelemetry.exporter.jaeger")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (folder,) = spec.submodule_search_locations
    path = str(Path(folder, "thrift", "gen"))
    sys.path.insert(0, path)
    kinds = import_module("jaeger.ttypes")
    sys.path.remove(path)

    def batch(body: bytes) -> Any:
        buffer = TMemoryBuffer(body)
        found = kinds.Batch()
        found.read(TBinaryProtocol(buffer, strictRead=True))
        found.validate()
        for span in found.spans:
            span.validate()
        assert buffer.read(1) == b""
        return found

    return batch


def tags(found: Any) -> dict[str, Any]:
    """Key to (type's number, value)."""
    values = ("vStr", "vDouble", "vBool", "vLong", "vBinary")
    for tag in found:
        tag.validate()
        # The type's own field is set, and no other.
        assert [getattr(tag, name) is not None for name in values].count(True) == 1
    return {tag.key: getattr(tag, values[tag.vType]) for tag in found}


def test_span(made: Made, read: Read) -> None:
    """Ids, times in microseconds, kind and typed tags arrive unchanged."""
    attributes = {"text": "中文", "n": -3, "f": 0.5, "yes": True, "list": [1, 2]}
    span = made(
        "GET /orders",
        kind=SpanKind.SERVER,
        attributes=attributes,
        start_time=1_700_000_000_000_001_000,
        end_time=1_700_000_000_000_251_999,
    )

    batch = read(encode([span, made()]))

    assert batch.process.serviceName == "orders"
    assert tags(batch.process.tags)["k8s.pod.name"] == "orders-1"
    assert len(batch.spans) == 2
    found, context = batch.spans[0], span.get_span_context()
    assert context is not None
    mask = (1 << 64) - 1
    assert (found.traceIdHigh & mask) << 64 | found.traceIdLow & mask == (
        context.trace_id
    )
    assert found.spanId & mask == context.span_id
    assert found.parentSpanId == 0
    assert found.operationName == "GET /orders"
    assert found.flags == 1
    assert (found.startTime, found.duration) == (1_700_000_000_000_001, 250)
    assert tags(found.tags) == {
        **attributes,
        "list": "[1, 2]",
        "span.kind": "server",
        "otel.scope.name": "shop",
    }


def test_parent_and_links(made: Made, read: Read) -> None:
    """The parent is named; a link becomes a reference of the kind FOLLOWS_FROM."""
    other = SpanContext((7 << 64) | (1 << 63), (1 << 64) - 1, is_remote=True)
    inside = trace.set_span_in_context(
        NonRecordingSpan(SpanContext(1, 2, True, trace.TraceFlags(1)))
    )

    (found,) = read(encode([made(context=inside, links=[Link(other)])])).spans

    assert found.parentSpanId == 2
    (reference,) = found.references
    assert (reference.refType, reference.traceIdHigh) == (1, 7)
    assert (reference.traceIdLow, reference.spanId) == (-(1 << 63), -1)


def test_error_and_events(made: Made, read: Read) -> None:
    """An error is the tag error=true with its text; an event is a log."""

    def act(span: Any) -> None:
        span.add_event("cached", {"hit": True}, timestamp=5_000)
        span.set_status(Status(Code.ERROR, "gone"))

    (found,) = read(encode([made(act=act)])).spans

    assert tags(found.tags)["error"] is True
    assert tags(found.tags)["otel.status_code"] == "ERROR"
    assert tags(found.tags)["otel.status_description"] == "gone"
    (event,) = found.logs
    assert event.timestamp == 5
    assert tags(event.fields) == {"event": "cached", "hit": True}


def test_values_that_do_not_fit(made: Made, read: Read) -> None:
    """A number beyond 64 bits and text with surrogates don't break the batch."""
    span = made("x \udcff", attributes={"big": 1 << 70, "file": "a\udcff"})

    (found,) = read(encode([span])).spans

    assert tags(found.tags)["big"] == str(1 << 70)
    assert tags(found.tags)["file"] == "a?"
    assert found.operationName == "x ?"


def test_numbers_at_the_edge(made: Made, read: Read) -> None:
    """The largest and the smallest 64-bit numbers arrive."""
    edges = {"most": (1 << 63) - 1, "least": -(1 << 63)}

    (found,) = read(encode([made(attributes=edges)])).spans

    assert {name: tags(found.tags)[name] for name in edges} == edges


def test_span_that_ends_before_it_begins(made: Made, read: Read) -> None:
    """A span gets no negative duration if the clock was set back."""
    span = made(start_time=9_000_000, end_time=5_000_000)

    (found,) = read(encode([span])).spans

    assert (found.startTime, found.duration) == (9_000, 0)
