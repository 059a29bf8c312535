"""Zipkin's JSON, against its rules and against OpenTelemetry's own package."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.zipkin.json.v2 import JsonV2Encoder
from opentelemetry.exporter.zipkin.node_endpoint import NodeEndpoint
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status
from opentelemetry.trace import StatusCode as Code

from modern_flask.observability.export.zipkin import encode

Made = Callable[..., ReadableSpan]

# zipkin.io/zipkin-api/zipkin2-api.yaml: every field of a span, and its form.
FIELDS = {
    "traceId": lambda value: re.fullmatch("[0-9a-f]{16}|[0-9a-f]{32}", value),
    "id": lambda value: re.fullmatch("[0-9a-f]{16}", value),
    "parentId": lambda value: re.fullmatch("[0-9a-f]{16}", value),
    "name": lambda value: isinstance(value, str),
    "kind": lambda value: value in {"CLIENT", "SERVER", "PRODUCER", "CONSUMER"},
    "timestamp": lambda value: isinstance(value, int) and value > 0,
    "duration": lambda value: isinstance(value, int) and value >= 1,
    "localEndpoint": lambda value: is_endpoint(value),
    "remoteEndpoint": lambda value: is_endpoint(value),
    "annotations": lambda value: all(map(is_annotation, value)),
    "tags": lambda value: all(isinstance(tag, str) for tag in value.values()),
}


def is_endpoint(value: dict[str, Any]) -> bool:
    known = {"serviceName": str, "ipv4": str, "ipv6": str, "port": int}
    return bool(value) and all(isinstance(value[name], known[name]) for name in value)


def is_annotation(value: dict[str, Any]) -> bool:
    return {name: type(value[name]) for name in value} == {
        "timestamp": int,
        "value": str,
    }


def encoded(*spans: ReadableSpan) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(encode(spans))
    for span in found:
        assert {"traceId", "id"} <= span.keys()
        for name, value in span.items():
            assert FIELDS[name](value), (name, value)
    return found


def rich(span: Any) -> None:
    span.add_event("cached", {"key": "k", "hit": True})
    span.add_event("plain")
    span.set_status(Status(Code.ERROR, "gone"))


def test_span(made: Made) -> None:
    """A span has Zipkin's fields, times in microseconds, the resource as tags."""
    span = made(
        "GET /orders",
        kind=SpanKind.SERVER,
        attributes={"a": "1", "n": 2, "f": 0.5, "yes": True, "list": ["x", "y"]},
        start_time=1_700_000_000_000_001_000,
        end_time=1_700_000_000_000_251_999,
    )

    (found,) = encoded(span)

    context = span.get_span_context()
    assert context is not None
    assert found == {
        "traceId": f"{context.trace_id:032x}",
        "id": f"{context.span_id:016x}",
        "name": "GET /orders",
        "timestamp": 1_700_000_000_000_001,
        "duration": 250,
        "localEndpoint": {"serviceName": "orders"},
        "kind": "SERVER",
        "tags": {
            "k8s.pod.name": "orders-1",
            "a": "1",
            "n": "2",
            "f": "0.5",
            "yes": "true",
            "list": '["x","y"]',
            "otel.scope.name": "shop",
            "otel.scope.version": "1.5",
        },
    }


@pytest.mark.parametrize("kind", list(SpanKind))
def test_package_says_the_same(made: Made, kind: SpanKind) -> None:
    """OpenTelemetry's package writes the same, except for its mistakes.

    It rounds times up, cuts tags at 128 characters, sends ``debug`` with every sampled
    span, a null kind, and the old names of the scope.
    """
    attributes = {"text": "t", "n": 2, "f": 0.5, "no": False, "list": ["x"]}
    span = made("work", kind=kind, attributes=attributes, act=rich, start_time=10**18)

    package = json.loads(
        JsonV2Encoder().serialize([span], NodeEndpoint())  # type: ignore[no-untyped-call]
    )[0]
    assert package.pop("debug") is True
    for name in ("name", "version"):
        del package["tags"][f"otel.library.{name}"]
    assert package["tags"].pop("service.name") == "orders"
    package = {name: value for name, value in package.items() if value is not None}
    (ours,) = encoded(span)

    for fields in (package, ours):
        fields.pop("localEndpoint")
        fields.pop("duration")
        for annotation in fields["annotations"]:
            annotation["timestamp"] = annotation["timestamp"] // 10
        fields["annotations"] = [
            json.loads(each["value"])
            if each["value"][0] == "{"
            else {each["value"]: {}}
            for each in fields["annotations"]
        ]
    assert ours == package


def test_no_duration_is_zero(made: Made) -> None:
    """Zipkin rejects a duration of 0: it is at least 1."""
    (found,) = encoded(made(start_time=5_000_000, end_time=5_000_400))

    assert found["duration"] == 1


def test_parent(made: Made) -> None:
    """A child names its parent; a root names none."""
    parent = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=trace.TraceFlags(1))
    inside = trace.set_span_in_context(NonRecordingSpan(parent))

    root, child = encoded(made(), made(context=inside))

    assert "parentId" not in root
    assert child["parentId"] == "0000000000000def"
    assert child["traceId"] == f"{0xABC:032x}"


def test_errors_and_events(made: Made) -> None:
    """A failed span has the tag error; events are annotations with their attributes."""
    (found,) = encoded(made(act=rich))

    assert found["tags"]["otel.status_code"] == "ERROR"
    assert found["tags"]["error"] == "gone"
    first, second = found["annotations"]
    assert json.loads(first["value"]) == {"cached": {"key": "k", "hit": True}}
    assert second["value"] == "plain"


def test_each_tag_once(made: Made) -> None:
    """An attribute never becomes a second tag of the same name."""
    mine = {"error": "mine", "otel.scope.name": "mine", "k8s.pod.name": "mine"}
    span = made(attributes=mine, act=rich)

    pairs = json.loads(encode([span]), object_pairs_hook=lambda pairs: pairs)

    tags = dict(pairs[0])["tags"]
    names = [name for name, _ in tags]
    assert len(names) == len(set(names))
    found = dict(tags)
    assert (found["error"], found["otel.scope.name"]) == ("gone", "shop")
    assert found["k8s.pod.name"] == "mine"


def test_unset_and_ok(made: Made) -> None:
    """Only a status that was set becomes a tag, and only an error the tag error."""
    unset, fine = encoded(made(), made(act=lambda span: span.set_status(Code.OK)))

    assert "otel.status_code" not in unset["tags"]
    assert fine["tags"]["otel.status_code"] == "OK"
    assert "error" not in fine["tags"]


@pytest.mark.parametrize(
    ("attributes", "remote"),
    [
        (
            {"db.system.name": "postgresql", "server.address": "10.0.0.7"}
            | {"server.port": 5432},
            {"serviceName": "postgresql", "ipv4": "10.0.0.7", "port": 5432},
        ),
        ({"db.system.name": "sqlite"}, {"serviceName": "sqlite"}),
        ({"server.address": "::1"}, {"serviceName": "::1", "ipv6": "::1"}),
        (
            {"peer.service": "stock", "server.address": "h"},
            {"serviceName": "stock"},
        ),
        ({"other": "x"}, None),
    ],
)
def test_remote_endpoint(
    made: Made, attributes: dict[str, Any], remote: dict[str, Any] | None
) -> None:
    """The other side of a call has a name, its address and its port."""
    client, server = encoded(
        made(kind=SpanKind.CLIENT, attributes=attributes),
        made(kind=SpanKind.SERVER, attributes=attributes),
    )

    assert client.get("remoteEndpoint") == remote
    assert "remoteEndpoint" not in server


def test_what_was_dropped_is_told(made: Made) -> None:
    """Attributes beyond the limit are counted, as the specification requires."""
    many = {f"a{number}": number for number in range(130)}

    (found,) = encoded(made(attributes=many))

    assert found["tags"]["otel.dropped_attributes_count"] == "2"


def test_names_that_are_no_text(made: Made) -> None:
    """A file's name that is not UTF-8 does not break the batch."""
    (found,) = encoded(made("x \udcff", attributes={"file": "\udcff中文"}))

    assert found["name"] == "x ?"
    assert found["tags"]["file"] == "?中文"
