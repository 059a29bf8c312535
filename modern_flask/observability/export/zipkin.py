"""Spans as Zipkin v2 JSON (zipkin.io/zipkin-api, ``POST /api/v2/spans``).

The mapping follows OpenTelemetry's specification (trace/sdk_exporters/zipkin), with two
additions. For a database, the remote endpoint has the name of the database system, so
the database becomes a node in Zipkin's dependency graph. And ``debug`` is sent if a B3
caller sent it; it turns off Zipkin's own sampling.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from ..propagation import is_debug

__all__ = ["encode"]

_KINDS = {
    SpanKind.CLIENT: "CLIENT",
    SpanKind.SERVER: "SERVER",
    SpanKind.PRODUCER: "PRODUCER",
    SpanKind.CONSUMER: "CONSUMER",
}
# The first of these attributes that is set gives the name of the remote endpoint. The
# specification defines the order.
_PEERS = ("peer.service", "server.address", "network.peer.address", "net.peer.name")
_PORTS = ("server.port", "network.peer.port", "net.peer.port")
_REMOTE = {SpanKind.CLIENT, SpanKind.PRODUCER}
_DROPPED = ("dropped_attributes", "dropped_events", "dropped_links")

_encode_json = json.JSONEncoder(separators=(",", ":"), default=str).encode
_quote = json.encoder.encode_basestring_ascii
_last: _Resource | None = None


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode spans as a JSON list; times are in microseconds since the epoch."""
    return f"[{','.join(map(_encode_span, spans))}]".encode()


def _encode_span(span: ReadableSpan) -> str:
    """Encode one span without ``json``, since this runs in the serving process."""
    context = span.get_span_context()
    assert context is not None
    start, end = span.start_time or 0, span.end_time or 0
    attributes = span.attributes or {}
    resource = _encode_resource(span.resource)
    more = ""
    if span.parent is not None:
        more = f',"parentId":"{span.parent.span_id:016x}"'
    if span.kind in _KINDS:
        more += f',"kind":"{_KINDS[span.kind]}"'
    if span.events:
        events = [_describe_event(event) for event in span.events]
        more += f',"annotations":{_encode_json(events)}'
    if span.kind in _REMOTE and (remote := _describe_remote(attributes)):
        more += f',"remoteEndpoint":{_encode_json(remote)}'
    if is_debug(context):
        more += ',"debug":true'
    # Zipkin refuses a duration of 0.
    return (
        f'{{"traceId":"{context.trace_id:032x}","id":"{context.span_id:016x}",'
        f'"name":{_quote(span.name)},"timestamp":{start // 1000},'
        f'"duration":{max((end - start) // 1000, 1)},'
        f'"localEndpoint":{resource.endpoint},'
        f'"tags":{{{_encode_tags(span, attributes, resource)}}}{more}}}'
    )


def _encode_tags(
    span: ReadableSpan, attributes: Mapping[str, Any], of: _Resource
) -> str:
    own = _make_tags(span)
    if of.tags.keys().isdisjoint(attributes) and own.keys().isdisjoint(attributes):
        parts = (of.pairs, _encode_pairs(attributes), _encode_pairs(own))
        return ",".join(part for part in parts if part)
    return _encode_pairs({**of.tags, **attributes, **own})


def _make_tags(span: ReadableSpan) -> dict[str, str]:
    """Make the tags that the specification derives from fields besides attributes."""
    tags = {}
    status, scope = span.status, span.instrumentation_scope
    if status.status_code is not StatusCode.UNSET:
        tags["otel.status_code"] = status.status_code.name
        if status.status_code is StatusCode.ERROR:
            tags["error"] = status.description or ""
    if scope is not None:
        tags["otel.scope.name"] = scope.name
        if scope.version:
            tags["otel.scope.version"] = scope.version
    for what in _DROPPED:
        number = getattr(span, what)
        if number:
            tags[f"otel.{what}_count"] = str(number)
    return tags


def _encode_pairs(tags: Mapping[str, Any]) -> str:
    """Encode the members of a JSON object, without its braces; all values are text."""
    return ",".join(
        [
            f"{_quote(name)}:{_quote(value if type(value) is str else _to_text(value))}"
            for name, value in tags.items()
        ]
    )


class _Resource:
    """The fields that all spans of a process share, encoded once."""

    def __init__(self, resource: Resource) -> None:
        attributes = dict(resource.attributes)
        name = str(attributes.pop("service.name", ""))
        self.resource = resource
        self.endpoint = _encode_json({"serviceName": name})
        self.tags = {name: _to_text(value) for name, value in attributes.items()}
        self.pairs = _encode_pairs(self.tags)


def _encode_resource(resource: Resource) -> _Resource:
    global _last
    if _last is None or _last.resource is not resource:
        _last = _Resource(resource)
    return _last


def _describe_event(event: Any) -> dict[str, Any]:
    attributes = dict(event.attributes or {})
    value = _encode_json({event.name: attributes}) if attributes else event.name
    return {"timestamp": event.timestamp // 1000, "value": value}


def _describe_remote(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    system = attributes.get("db.system.name") or attributes.get("db.system")
    address = next((attributes[name] for name in _PEERS if attributes.get(name)), None)
    name = system or address
    if name:
        found["serviceName"] = str(name)
    if address:
        with suppress(ValueError):
            found[f"ipv{ip_address(str(address)).version}"] = str(address)
    port = next((attributes[name] for name in _PORTS if attributes.get(name)), None)
    if found and isinstance(port, int):
        found["port"] = port
    return found


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return _encode_json(list(value))
    return str(value)
