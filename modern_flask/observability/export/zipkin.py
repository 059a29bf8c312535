"""Spans as Zipkin v2 JSON (zipkin.io/zipkin-api, ``POST /api/v2/spans``).

The mapping is that of OpenTelemetry's specification (trace/sdk_exporters/zipkin), with
two things more: a database is the remote endpoint by the name of its system, which
makes it a node of Zipkin's dependency graph, and ``debug``, which switches Zipkin's own
sampling off, is sent where B3's caller asked for it only.
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
# The first that is there names the other side, as the specification ranks them.
_PEERS = ("peer.service", "server.address", "network.peer.address", "net.peer.name")
_PORTS = ("server.port", "network.peer.port", "net.peer.port")
_REMOTE = {SpanKind.CLIENT, SpanKind.PRODUCER}
_DROPPED = ("dropped_attributes", "dropped_events", "dropped_links")

_json = json.JSONEncoder(separators=(",", ":"), default=str).encode
_quoted = json.encoder.encode_basestring_ascii
_last: _Resource | None = None


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """A JSON list of spans, times in microseconds since the epoch."""
    return f"[{','.join(map(_span, spans))}]".encode()


def _span(span: ReadableSpan) -> str:
    """One object. It is put together by hand: that is CPU of the requests' process."""
    spoken = span.get_span_context()
    assert spoken is not None
    start, end = span.start_time or 0, span.end_time or 0
    attributes = span.attributes or {}
    resource = _of_resource(span.resource)
    more = ""
    if span.parent is not None:
        more = f',"parentId":"{span.parent.span_id:016x}"'
    if span.kind in _KINDS:
        more += f',"kind":"{_KINDS[span.kind]}"'
    if span.events:
        more += f',"annotations":{_json([_event(event) for event in span.events])}'
    if span.kind in _REMOTE and (remote := _remote(attributes)):
        more += f',"remoteEndpoint":{_json(remote)}'
    if is_debug(spoken):
        more += ',"debug":true'
    # Zipkin refuses a duration of 0.
    return (
        f'{{"traceId":"{spoken.trace_id:032x}","id":"{spoken.span_id:016x}",'
        f'"name":{_quoted(span.name)},"timestamp":{start // 1000},'
        f'"duration":{max((end - start) // 1000, 1)},'
        f'"localEndpoint":{resource.endpoint},'
        f'"tags":{{{_tags(span, attributes, resource)}}}{more}}}'
    )


def _tags(span: ReadableSpan, attributes: Mapping[str, Any], of: _Resource) -> str:
    own = _own_tags(span)
    if of.tags.keys().isdisjoint(attributes) and own.keys().isdisjoint(attributes):
        parts = (of.pairs, _pairs(attributes), _pairs(own))
        return ",".join(part for part in parts if part)
    return _pairs({**of.tags, **attributes, **own})


def _own_tags(span: ReadableSpan) -> dict[str, str]:
    """What the specification makes tags of beside the attributes."""
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


def _pairs(tags: Mapping[str, Any]) -> str:
    """The members of a JSON object whose values are all text, without its braces."""
    return ",".join(
        [
            f"{_quoted(name)}:{_quoted(value if type(value) is str else _text(value))}"
            for name, value in tags.items()
        ]
    )


class _Resource:
    """What all spans of a process share, encoded once."""

    def __init__(self, resource: Resource) -> None:
        attributes = dict(resource.attributes)
        name = str(attributes.pop("service.name", ""))
        self.resource = resource
        self.endpoint = _json({"serviceName": name})
        self.tags = {name: _text(value) for name, value in attributes.items()}
        self.pairs = _pairs(self.tags)


def _of_resource(resource: Resource) -> _Resource:
    global _last
    if _last is None or _last.resource is not resource:
        _last = _Resource(resource)
    return _last


def _event(event: Any) -> dict[str, Any]:
    attributes = dict(event.attributes or {})
    value = _json({event.name: attributes}) if attributes else event.name
    return {"timestamp": event.timestamp // 1000, "value": value}


def _remote(attributes: Mapping[str, Any]) -> dict[str, Any]:
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


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return _json(list(value))
    return str(value)
