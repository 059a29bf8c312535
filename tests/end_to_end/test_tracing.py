"""The spans of server and worker arrive at a collector, in one trace."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.end_to_end.conftest import PASSWORD, Service
from tests.servers.collectors import Collector, OtlpCollector, ZipkinCollector

B3 = {
    "X-B3-TraceId": "463ac35c9f6413ad48485a3953bb6124",
    "X-B3-SpanId": "a2fb4a1d1a96d312",
    "X-B3-Sampled": "1",
}
W3C = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

LATE = {
    "OTEL_BSP_SCHEDULE_DELAY": "600000",
    "OTEL_BSP_MAX_QUEUE_SIZE": "10000",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10000",
}
"""Nothing is sent before the end: the spans that arrive were flushed at SIGTERM."""


class Span(NamedTuple):
    """The fields of a span that both formats have."""

    trace: str
    id: str
    parent: str
    kind: str
    name: str
    service: str
    tags: dict[str, Any]


def read(span: dict[str, Any]) -> Span:
    if "traceId" in span:
        ids = span["traceId"], span["id"], span.get("parentId", "")
        kind, service = span.get("kind", ""), span["localEndpoint"]["serviceName"]
        return Span(*ids, kind, span["name"], service, span["tags"])
    ids = span["trace_id"], span["span_id"], span["parent_id"]
    kind = span["kind"].replace("INTERNAL", "")
    service = span["resource"]["service.name"]
    return Span(*ids, kind, span["name"], service, span["attributes"])


class Traces:
    """Everything that a service has sent."""

    def __init__(self, collector: Collector) -> None:
        self.requests = list(collector.requests)
        self.spans = [read(span) for span in collector.spans]

    def of(self, name: str) -> list[Span]:
        """The trace that begins with the only request of that name without a caller."""
        roots = [span for span in self.spans if span.name == name and not span.parent]
        assert len(roots) == 1, [span.name for span in self.spans]
        return [span for span in self.spans if span.trace == roots[0].trace]


@pytest.fixture(scope="module", params=["zipkin", "jaeger"])
def traces(request, make_service, private_redis) -> Iterator[Traces]:
    """One upload, its reindex, and two uploads of callers with their own traces."""
    zipkin = request.param == "zipkin"
    with ZipkinCollector() if zipkin else OtlpCollector() as collector:
        variable = f"OTEL_EXPORTER_{'ZIPKIN' if zipkin else 'OTLP'}_ENDPOINT"
        url = collector.url if zipkin else collector.url.removesuffix("/v1/traces")
        environ = {"OTEL_EXPORTER": request.param, variable: url, **LATE}
        service: Service = make_service(private_redis.url, environ)
        with service.running():
            file = service.ready(service.upload("a.txt", b"a")["id"])
            service.call("POST", f"/files/{file['id']}/reindex")
            for headers in (B3, W3C):
                service.ready(service.upload("b.txt", b"b", headers=headers)["id"])
            service.ready(file["id"])
            assert not collector.requests
        yield Traces(collector)


def family(spans: list[Span], root: Span) -> list[Span]:
    """``root`` and its descendants."""
    found = [root]
    for span in found:
        found += [child for child in spans if child.parent == span.id]
    return found


def test_request_is_one_trace(traces):
    """Server, Redis, SQL, message and task spans of one request are one trace."""
    trace = traces.of("POST /files/<int:file_id>/reindex")

    (root,) = [span for span in trace if not span.parent]
    tree = family(trace, root)
    assert sorted(tree) == sorted(trace)
    (sent,) = [span for span in tree if span.kind == "PRODUCER"]
    (run,) = [span for span in tree if span.kind == "CONSUMER"]
    assert root.kind == "SERVER"
    assert root.tags["http.route"] == "/files/<int:file_id>/reindex"
    assert (sent.parent, run.parent) == (root.id, sent.id)
    in_task = family(tree, run)
    in_request = [span for span in tree if span not in in_task]
    assert systems(in_request) == {"redis", "postgresql"}
    assert systems(in_task) == {"postgresql"}
    assert "storage get" in {span.name for span in in_task}


def test_upload_is_one_trace(traces):
    """The trace of an upload reaches from the request to the task's UPDATE."""
    trace = traces.of("POST /files")

    names = {span.name for span in trace}
    assert {"storage put", "INSERT files", "storage get", "UPDATE files"} <= names
    assert [span.kind for span in trace].count("CONSUMER") == 1


@pytest.mark.parametrize(
    ("trace", "parent"),
    [(B3["X-B3-TraceId"], B3["X-B3-SpanId"]), W3C["traceparent"].split("-")[1:3]],
    ids=["b3", "w3c"],
)
def test_trace_of_the_caller_is_continued(traces, trace, parent):
    """Headers of either format make the request a part of the caller's trace."""
    spans = [span for span in traces.spans if span.trace == trace]

    (root,) = [span for span in spans if span.parent == parent]
    assert (root.kind, root.name) == ("SERVER", "POST /files")
    assert sorted(family(spans, root)) == sorted(spans)
    assert "CONSUMER" in {span.kind for span in spans}


def test_both_processes_flush_at_the_end(traces):
    """Server and worker each flush their spans once at SIGTERM."""
    assert len(traces.requests) == 2
    assert {span.service for span in traces.spans} == {"example_service"}


def test_spans_hold_no_secret(traces):
    """No request to the collector contains a password."""
    assert not any(PASSWORD.encode() in request.body for request in traces.requests)


def systems(spans: list[Span]) -> set[str]:
    return {
        span.tags["db.system.name"] for span in spans if "db.system.name" in span.tags
    }
