"""Spans as jaeger.thrift, binary protocol, for the collector's ``/api/traces``.

``thrift/jaeger.thrift`` of jaeger-idl defines the structures. The encoding is Thrift's
TBinaryProtocol. This module omits the optional fields that it does not need.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

__all__ = ["encode"]

_BOOL, _DOUBLE, _I32, _I64, _STRING, _STRUCT, _LIST = 2, 4, 8, 10, 11, 12, 15
_STOP = b"\0"
_DROPPED = ("attributes", "events", "links")
_FOLLOWS_FROM = 1
_SAMPLED = 1  # Jaeger's other flags differ from W3C's
_AS_STRING, _AS_DOUBLE, _AS_BOOL, _AS_LONG = 0, 1, 2, 3
_KINDS = {
    SpanKind.CLIENT: "client",
    SpanKind.SERVER: "server",
    SpanKind.PRODUCER: "producer",
    SpanKind.CONSUMER: "consumer",
}

_field = struct.Struct(">bh").pack
_i32 = struct.Struct(">i").pack
_i64 = struct.Struct(">q").pack


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode a ``Batch``: spans, and the process from the first one's resource."""
    resource: Mapping[str, Any] = spans[0].resource.attributes
    name = str(resource.get("service.name", ""))
    process = _encode_string(1, name) + _encode_tags(2, resource.items()) + _STOP
    encoded = _encode_list(2, _STRUCT, map(_encode_span, spans))
    return _field(_STRUCT, 1) + process + encoded + _STOP


def _encode_span(span: ReadableSpan) -> bytes:
    context = span.get_span_context()
    assert context is not None
    start, end = span.start_time or 0, span.end_time or 0
    tags = dict(span.attributes or {})
    if span.kind in _KINDS:
        tags["span.kind"] = _KINDS[span.kind]
    if span.status.status_code is StatusCode.ERROR:
        tags["error"] = True
        tags["otel.status_description"] = span.status.description or ""
    if span.status.status_code is not StatusCode.UNSET:
        tags["otel.status_code"] = span.status.status_code.name
    if span.instrumentation_scope is not None:
        tags["otel.scope.name"] = span.instrumentation_scope.name
    for what in _DROPPED:
        number = getattr(span, f"dropped_{what}")
        if number:
            tags[f"otel.dropped_{what}_count"] = number
    parent = span.parent.span_id if span.parent is not None else 0
    return (
        _encode_long(1, context.trace_id & 0xFFFFFFFFFFFFFFFF)
        + _encode_long(2, context.trace_id >> 64)
        + _encode_long(3, context.span_id)
        + _encode_long(4, parent)
        + _encode_string(5, span.name)
        + _encode_list(6, _STRUCT, map(_encode_reference, span.links))
        + _field(_I32, 7)
        + _i32(int(context.trace_flags) & _SAMPLED)
        + _encode_long(8, start // 1000)
        + _encode_long(9, max(end - start, 0) // 1000)
        + _encode_tags(10, tags.items())
        + _encode_list(11, _STRUCT, map(_encode_log, span.events))
        + _STOP
    )


def _encode_reference(link: Any) -> bytes:
    """Encode a link as a reference FOLLOWS_FROM, as the specification requires."""
    context = link.context
    return (
        _field(_I32, 1)
        + _i32(_FOLLOWS_FROM)
        + _encode_long(2, context.trace_id & 0xFFFFFFFFFFFFFFFF)
        + _encode_long(3, context.trace_id >> 64)
        + _encode_long(4, context.span_id)
        + _STOP
    )


def _encode_log(event: Any) -> bytes:
    fields = {"event": event.name, **(event.attributes or {})}
    return (
        _encode_long(1, event.timestamp // 1000)
        + _encode_tags(2, fields.items())
        + _STOP
    )


def _encode_tags(number: int, pairs: Iterable[tuple[str, Any]]) -> bytes:
    return _encode_list(
        number, _STRUCT, (_encode_tag(name, value) for name, value in pairs)
    )


def _encode_tag(name: str, value: Any) -> bytes:
    if isinstance(value, bool):
        kind, body = _AS_BOOL, _field(_BOOL, 5) + (b"\1" if value else b"\0")
    elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        kind, body = _AS_LONG, _encode_long(6, value)
    elif isinstance(value, float):
        kind, body = _AS_DOUBLE, _field(_DOUBLE, 4) + struct.pack(">d", value)
    else:
        text = json.dumps(list(value)) if isinstance(value, tuple) else str(value)
        kind, body = _AS_STRING, _encode_string(3, text)
    return _encode_string(1, name) + _field(_I32, 2) + _i32(kind) + body + _STOP


def _encode_string(number: int, text: str) -> bytes:
    # A file's name may hold surrogates, which UTF-8 does not encode.
    data = text.encode(errors="replace")
    return _field(_STRING, number) + _i32(len(data)) + data


def _encode_long(number: int, value: int) -> bytes:
    # Unsigned in Python, two's complement on the wire.
    signed = value - (1 << 64) if value >= 1 << 63 else value
    return _field(_I64, number) + _i64(signed)


def _encode_list(number: int, kind: int, items: Iterable[bytes]) -> bytes:
    found = list(items)
    return _field(_LIST, number) + bytes([kind]) + _i32(len(found)) + b"".join(found)
