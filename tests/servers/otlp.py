"""Reads OTLP's protobuf with the definitions that OpenTelemetry publishes."""

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2


def read_spans(body: bytes) -> list[dict[str, Any]]:
    """The spans of an ``ExportTraceServiceRequest``."""
    return list(_spans(ExportTraceServiceRequest.FromString(body)))


def _spans(request: ExportTraceServiceRequest) -> Iterator[dict[str, Any]]:
    for of_resource in request.resource_spans:
        resource = attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                around = {"resource": resource, "scope": of_scope.scope.name}
                yield {**read_span(span), **around}


def read_span(span: trace_pb2.Span) -> dict[str, Any]:
    """One span; ids in hex, times in nanoseconds."""
    kind = trace_pb2.Span.SpanKind.Name(span.kind)
    status = trace_pb2.Status.StatusCode.Name(span.status.code)
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "name": span.name,
        "kind": kind.removeprefix("SPAN_KIND_"),
        "status": status.removeprefix("STATUS_CODE_"),
        "message": span.status.message,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": attributes(span.attributes),
        "events": [
            {
                "name": event.name,
                "time": event.time_unix_nano,
                "attributes": attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()}
            for link in span.links
        ],
    }


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as values of Python."""
    return {pair.key: plain(pair.value) for pair in pairs}


def plain(value: AnyValue) -> Any:
    """A value as a value of Python, with the items of lists and mappings."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
