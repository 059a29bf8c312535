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
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from ..propagation import is_debug
from ..sdk import count_dropped, read_attributes

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
_UNSET = StatusCode.UNSET
_last: _Resource | None = None


class _Span(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """A span as Zipkin's API defines it."""

    trace_id: str
    id: str
    name: str
    timestamp: int
    duration: int
    local_endpoint: msgspec.Raw
    tags: dict[str, str]
    parent_id: str | None = None
    kind: str | None = None
    annotations: list[dict[str, Any]] | None = None
    remote_endpoint: dict[str, Any] | None = None
    debug: bool = False


_encode = msgspec.json.Encoder().encode


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """Encode spans as a JSON list; times are in microseconds since the epoch."""
    made = [_make_span(span) for span in spans]
    try:
        return _encode(made)
    except UnicodeEncodeError:
        # A text of the operating system may hold surrogates, which JSON can't have.
        for each in made:
            each.name = _replace_surrogates(each.name)
            each.tags = {
                _replace_surrogates(name): _replace_surrogates(value)
                for name, value in each.tags.items()
            }
            if each.remote_endpoint is not None:
                name = each.remote_endpoint["serviceName"]
                each.remote_endpoint["serviceName"] = _replace_surrogates(name)
            for annotation in each.annotations or ():
                annotation["value"] = _replace_surrogates(annotation["value"])
        return _encode(made)


def _make_span(span: ReadableSpan) -> _Span:
    context, parent, kind = span.context, span.parent, span.kind
    assert context is not None
    start, end = span.start_time or 0, span.end_time or 0
    attributes, events = read_attributes(span), span.events
    resource = _describe_resource(span.resource)
    tags: dict[str, Any] = {**resource.tags, **attributes}
    for name, value in attributes.items():
        if type(value) is not str:
            tags[name] = str(value) if type(value) is int else _to_text(value)
    tags.update(_make_tags(span))
    return _Span(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        span.name,
        start // 1000,
        # Zipkin refuses a duration of 0.
        max((end - start) // 1000, 1),
        resource.endpoint,
        tags,
        f"{parent.span_id:016x}" if parent is not None else None,
        _KINDS.get(kind),
        [_describe_event(event) for event in events] if events else None,
        (_describe_remote(attributes) or None) if kind in _REMOTE else None,
        is_debug(context),
    )


def _make_tags(span: ReadableSpan) -> dict[str, str]:
    """Make the tags that the specification derives from fields besides attributes."""
    tags = {}
    status, scope = span.status, span.instrumentation_scope
    if status.status_code is not _UNSET:
        tags["otel.status_code"] = status.status_code.name
        if status.status_code is StatusCode.ERROR:
            tags["error"] = status.description or ""
    if scope is not None:
        tags["otel.scope.name"] = scope.name
        if scope.version:
            tags["otel.scope.version"] = scope.version
    dropped = count_dropped(span)
    if any(dropped):
        for what, number in zip(_DROPPED, dropped, strict=True):
            if number:
                tags[f"otel.{what}_count"] = str(number)
    return tags


class _Resource:
    """The fields that all spans of a process share, made once."""

    def __init__(self, resource: Resource) -> None:
        attributes = dict(resource.attributes)
        name = _replace_surrogates(str(attributes.pop("service.name", "")))
        self.resource = resource
        self.endpoint = msgspec.Raw(_encode({"serviceName": name}))
        self.tags = {name: _to_text(value) for name, value in attributes.items()}


def _describe_resource(resource: Resource) -> _Resource:
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
        version = _find_ip_version(str(address))
        if version:
            found[f"ipv{version}"] = str(address)
    port = next((attributes[name] for name in _PORTS if attributes.get(name)), None)
    if found and isinstance(port, int):
        found["port"] = port
    return found


@lru_cache(maxsize=256)
def _find_ip_version(address: str) -> int | None:
    """Return 4 or 6; None for a name. A service has few peers, and parsing is slow."""
    with suppress(ValueError):
        return ip_address(address).version
    return None


def _replace_surrogates(text: str) -> str:
    return text.encode(errors="replace").decode()


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return _encode_json(list(value))
    return str(value)
