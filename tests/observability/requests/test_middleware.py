"""The span and the metric of a request."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest
from flask import Flask, Response, abort, request, send_file, stream_with_context
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.trace import SpanKind, StatusCode
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder, run_wsgi_app

from modern_flask.observability.requests.environ_keys import TRACE_ID
from modern_flask.observability.requests.exclusions import ignore_metrics, ignore_traces
from modern_flask.observability.requests.server_span import ServerSpans, make_starter
from tests.observability.conftest import Kept, Measured, observe
from tests.observability.shop import scrape

Spans = list[ReadableSpan]


@pytest.fixture(autouse=True)
def views(app: Flask) -> None:
    """A few views of a shop."""
    tracer = trace.get_tracer("test")

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        with tracer.start_as_current_span("look up"):
            return f"order {number}"

    @app.get("/broken")
    def broken() -> str:
        raise LookupError("secret detail")

    @app.get("/refused")
    def refused() -> str:
        abort(409)

    @app.get("/failing")
    def failing() -> tuple[str, int]:
        return "no", 503


def test_span(client: Any, spans: Spans) -> None:
    """A request is a server span with the conventions' attributes."""
    client.get(
        "/orders/7?page=2&token=pa55",
        headers={"User-Agent": "browser/1", "Host": "shop.example:8443"},
        environ_overrides={"SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "10.1.1.1"},
    )

    child, span = spans

    assert span.name == "GET /orders/<int:number>"
    assert span.kind is SpanKind.SERVER
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/orders/<int:number>",
        "url.scheme": "http",
        "url.path": "/orders/7",
        "url.query": "page=2&token=******",
        "server.address": "shop.example",
        "server.port": 8443,
        "client.address": "10.1.1.1",
        "network.peer.address": "10.1.1.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "browser/1",
    }
    assert child.parent == span.context


def test_metric(client: Any, measured: Measured) -> None:
    """A request is measured by its rule, never by its path."""
    begun = perf_counter()
    client.get("/orders/7")
    client.get("/orders/8")
    took = perf_counter() - begun

    assert [found[:3] for found in measured.requests] == [
        ("GET", "/orders/<int:number>", "200")
    ] * 2
    assert all(0 < seconds < took for *_, seconds in measured.requests)


def test_unmatched(client: Any, measured: Measured, spans: Spans) -> None:
    """URLs that match nothing share one value, and the method is their span's name."""
    client.get("/no/such/7")
    client.post("/orders/7")

    assert [found[:3] for found in measured.requests] == [
        ("GET", "/404", "404"),
        ("POST", "/404", "405"),
    ]
    assert [span.name for span in spans] == ["GET", "POST"]
    assert all("http.route" not in (span.attributes or {}) for span in spans)


def test_unknown_method(client: Any, measured: Measured, spans: Spans) -> None:
    """A method that HTTP does not define names neither a span nor a series."""
    for method in ("BREW", "brew2"):
        client.open("/orders/7", method=method)

    text = scrape(measured)

    assert [span.name for span in spans] == ["HTTP", "HTTP"]
    assert (spans[0].attributes or {})["http.request.method"] == "_OTHER"
    assert (spans[0].attributes or {})["http.request.method_original"] == "BREW"
    assert 'method="_OTHER"' in text
    assert "BREW" not in text
    assert len(measured._series) == 0


def test_error(client: Any, spans: Spans, measured: Measured) -> None:
    """An unexpected error is one event with its stack, a type and an error status."""
    assert client.get("/broken").status_code == 500

    (span,) = spans

    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    attributes = span.attributes or {}
    assert attributes["error.type"] == "LookupError"
    assert attributes["http.response.status_code"] == 500
    (event,) = span.events
    assert event.name == "exception"
    assert "in broken" in str((event.attributes or {})["exception.stacktrace"])
    assert measured.requests[0][:3] == ("GET", "/broken", "500")


def test_error_that_the_server_sees(app: Flask, spans: Spans) -> None:
    """An error that leaves the app is recorded once, and still raised."""
    app.testing = True

    with pytest.raises(LookupError):
        app.test_client().get("/broken")

    (span,) = spans
    assert len(span.events) == 1
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(
    ("path", "status", "kind"), [("/refused", 409, None), ("/failing", 503, "503")]
)
def test_answers_that_are_errors(
    client: Any, spans: Spans, path: str, status: int, kind: str | None
) -> None:
    """A 4xx is not an error of the server; a 5xx is, and its type is the number."""
    assert client.get(path).status_code == status

    (span,) = spans

    assert (span.status.status_code is StatusCode.ERROR) == (status >= 500)
    assert (span.attributes or {}).get("error.type") == kind


def test_stream(app: Flask, client: Any, spans: Spans, measured: Measured) -> None:
    """Span and metric last until a streamed body is closed."""
    tracer = trace.get_tracer("test")
    more = threading.Event()

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[bytes]:
            with tracer.start_as_current_span("first"):
                yield b"a"
            assert more.wait(60)
            tracer.start_span("second").end()
            yield b"b"

        return Response(stream_with_context(parts()))

    response = client.get("/stream", buffered=False)
    body = iter(response.response)
    assert next(body) == b"a"
    timer = threading.Timer(0.3, more.set)
    timer.start()
    assert next(body) == b"b"
    assert [span.name for span in spans] == ["first", "second"]
    assert measured.requests == []
    assert list(body) == []
    response.close()
    timer.join()

    first, second, server = spans

    assert first.parent == second.parent == server.context
    assert (server.end_time or 0) - (server.start_time or 0) >= 300_000_000
    (request,) = measured.requests
    assert request[3] >= 0.3


def test_stream_that_breaks(app: Flask, spans: Spans) -> None:
    """An error in the middle of a body is the request's error, status 200 or not."""

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[bytes]:
            yield b"a"
            raise LookupError("gone")

        return Response(parts())

    with pytest.raises(LookupError):
        app.test_client().get("/stream")

    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "LookupError"
    assert (span.attributes or {})["http.response.status_code"] == 200
    assert len(span.events) == 1


def test_close_that_breaks(app: Flask, spans: Spans, measured: Measured) -> None:
    """An error while the body is closed is the request's error as well."""

    @app.get("/closing")
    def closing() -> Response:
        response = Response("a")

        @response.call_on_close
        def fail() -> None:
            raise LookupError("gone")

        return response

    with pytest.raises(LookupError):
        app.test_client().get("/closing")

    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "LookupError"
    assert len(span.events) == 1
    assert len(measured.requests) == 1


@pytest.mark.parametrize("port", ["9" * 5, "9" * 25, "9" * 5000, "\u0663", ""])
def test_port_is_one(app: Flask, spans: Spans, port: str) -> None:
    """An invalid port is not recorded: no back end could store the number."""
    built = EnvironBuilder("/orders/7").get_environ()
    run_wsgi_app(app, {**built, "HTTP_HOST": f"shop:{port}"}, buffered=True)

    expected = 99999 if port == "99999" else 80
    assert (spans[-1].attributes or {})["server.port"] == expected


class Frozen(Exception):
    """An exception that takes no attribute."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


def test_frozen_error(app: Flask, spans: Spans, measured: Measured) -> None:
    """An error that takes no attribute reaches the server as it is, and is counted."""

    @app.get("/frozen")
    def frozen() -> Any:
        def parts() -> Iterator[bytes]:
            yield b"a"
            raise Frozen

        return Response(parts())

    body, _, _ = run_wsgi_app(app, EnvironBuilder("/frozen").get_environ())
    with pytest.raises(Frozen):
        list(body)

    assert spans[0].status.status_code is StatusCode.ERROR
    assert len(measured.requests) == 1


def test_client_that_leaves(app: Flask, spans: Spans, measured: Measured) -> None:
    """A body that is closed before its end ends span and metric, once."""

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter([b"a", b"b"]))

    response = app.test_client().get("/stream", buffered=False)
    next(iter(response.response))
    response.close()
    response.close()

    assert len(spans) == 1
    assert len(measured.requests) == 1


def test_context_is_left(client: Any, spans: Spans) -> None:
    """No context of a request stays current after it."""
    client.get("/orders/7")
    client.get("/broken")

    assert not trace.get_current_span().get_span_context().is_valid


def test_file_stays_the_servers(app: Flask, spans: Spans, tmp_path: Any) -> None:
    """A file that the server can send itself is passed to it unwrapped."""

    class Wrapper:
        def __init__(self, file: Any, size: int = 8192) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.file)

        def close(self) -> None:
            self.file.close()

    path = tmp_path / "report.txt"
    path.write_bytes(b"report")

    @app.get("/file")
    def file() -> Response:
        return send_file(path)

    environ = EnvironBuilder("/file").get_environ()
    environ["wsgi.file_wrapper"] = Wrapper
    body: Any = app.wsgi_app(environ, lambda *_: None)

    assert type(body) is Wrapper
    assert spans == []
    body.close()
    assert body.file.closed
    assert [span.name for span in spans] == ["GET /file"]


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_silent_pages(
    app: Flask, client: Any, spans: Spans, measured: Measured, path: str
) -> None:
    """The kit's own pages make no span, no orphaned span and no series."""
    tracer = trace.get_tracer("test")

    @app.get(path)
    def page() -> Response:
        tracer.start_span("orphan").end()

        def parts() -> Iterator[bytes]:
            tracer.start_span("orphan in the body").end()
            yield b"ok"

        return Response(parts())

    response = client.get(path)

    assert response.data == b"ok"
    assert "traceresponse" not in response.headers
    assert spans == []
    assert measured.requests == []


@pytest.mark.parametrize("path", ["/healthz", "/favicon.ico"])
def test_unmeasured_pages(client: Any, measured: Measured, path: str) -> None:
    """What the predecessor did not measure is not measured."""
    client.get(path)

    assert measured.requests == []


@pytest.mark.parametrize(
    ("variable", "pattern"),
    [
        ("OTEL_PYTHON_FLASK_EXCLUDED_URLS", "nothing, ^http://localhost/orders"),
        ("OTEL_PYTHON_EXCLUDED_URLS", "orders/7[?]a=1$"),
    ],
)
def test_excluded_urls(
    monkeypatch: pytest.MonkeyPatch,
    spans: Spans,
    measured: Measured,
    variable: str,
    pattern: str,
) -> None:
    """A request of an excluded URL is measured, and nothing of it is traced."""
    monkeypatch.setenv(variable, pattern)
    app = Flask("excluding")
    observe(app, measured)
    tracer = trace.get_tracer("test")

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        tracer.start_span("orphan").end()
        return "x"

    app.test_client().get("/orders/7?a=1")

    assert spans == []
    assert len(measured.requests) == 1


def test_ignored_traces(app: Flask, client: Any, spans: Spans) -> None:
    """A view marked with ignore_traces makes no span, nor does its work."""
    tracer = trace.get_tracer("test")

    @app.get("/noisy/<name>")
    @ignore_traces
    def noisy(name: str) -> str:
        tracer.start_span("orphan").end()
        return name

    assert client.get("/noisy/x").data == b"x"
    assert client.get("/nowhere").status_code == 404
    client.get("/orders/7")

    names = [span.name for span in spans]
    assert names == ["GET", "look up", "GET /orders/<int:number>"]


def test_ignored_metrics(app: Flask, client: Any, measured: Measured) -> None:
    """A view marked with ignore_metrics is traced, but not measured."""

    @app.get("/noisy")
    @ignore_metrics
    def noisy() -> str:
        return "x"

    client.get("/noisy")

    assert measured.requests == []


def test_answer_names_its_trace(app: Flask, client: Any, spans: Spans) -> None:
    """The traceresponse header (W3C Trace Context 2) gives the client its ids."""

    @app.get("/trace")
    def named() -> str:
        return str(request.environ[TRACE_ID])

    response = client.get("/trace")

    context = spans[-1].get_span_context()
    assert context is not None
    assert response.headers["traceresponse"] == (
        f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    )
    assert response.text == f"{context.trace_id:032x}"


def test_proxy(app: Flask, spans: Spans) -> None:
    """A forwarded address counts behind a trusted proxy only."""
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    peer = {"REMOTE_ADDR": "10.0.0.2"}
    app.test_client().get("/orders/1", headers=forwarded, environ_overrides=peer)
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    app.test_client().get("/orders/1", headers=forwarded, environ_overrides=peer)

    _, forged, _, trusted = (dict(span.attributes or {}) for span in spans)

    assert forged["client.address"] == "10.0.0.2"
    assert trusted["client.address"] == "203.0.113.9"
    assert trusted["network.peer.address"] == "10.0.0.2"


def test_path_is_text(client: Any, spans: Spans) -> None:
    """A path in Chinese is readable, and one that is not UTF-8 is served."""
    client.get("/文件/7")
    run_wsgi_app(
        client.application,
        {**EnvironBuilder("/x").get_environ(), "PATH_INFO": "/\xff"},
        buffered=True,
    )

    paths = [(span.attributes or {})["url.path"] for span in spans]
    assert paths == ["/文件/7", "/\ufffd"]


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_HOST": "[::1]:80"},
        {"HTTP_HOST": "::::"},
        {"HTTP_HOST": "\xff:x", "QUERY_STRING": "&&=&a"},
        {"REMOTE_ADDR": "", "SERVER_PROTOCOL": "", "SERVER_PORT": ""},
        {"HTTP_TRACEPARENT": "00-garbage", "HTTP_B3": "-", "HTTP_TRACESTATE": "\x00"},
        {"HTTP_BAGGAGE": "=;,,%%", "HTTP_X_B3_TRACEID": "zz"},
        {"HTTP_HOST": "shop:" + "9" * 5000},
    ],
)
def test_bad_requests_are_served(app: Flask, environ: dict[str, str]) -> None:
    """No header, however broken, keeps a request from being answered."""
    built = {**EnvironBuilder("/orders/7").get_environ(), **environ}

    _, status, _ = run_wsgi_app(app, built)

    assert int(status[:3]) in (200, 400)


def test_sampled_out(app: Flask, measured: Measured, kept: Kept) -> None:
    """An unsampled request is not recorded; it has ids, and is measured."""
    plain = Flask("plain")
    telemetry = observe(plain, measured)
    provider = TracerProvider(sampler=sampling.ALWAYS_OFF, shutdown_on_exit=False)
    telemetry.observer = replace(
        telemetry.start(),
        spans=ServerSpans(make_starter(provider.get_tracer("test"))),
    )

    @plain.get("/orders")
    def orders() -> str:
        assert not trace.get_current_span().is_recording()
        return "x"

    response = plain.test_client().get("/orders")

    assert response.headers["traceresponse"].endswith("-00")
    assert len(measured.requests) == 1


def test_sampler_that_looks(measured: Measured, spans: Spans) -> None:
    """A user's own sampler sees every attribute of the request."""
    seen: list[dict[str, Any]] = []

    class Looking(sampling.Sampler):
        def should_sample(
            self,
            parent_context: Any,
            trace_id: int,
            name: str,
            kind: Any = None,
            attributes: Any = None,
            links: Any = None,
            trace_state: Any = None,
        ) -> sampling.SamplingResult:
            seen.append(dict(attributes))
            return sampling.SamplingResult(sampling.Decision.DROP)

        def get_description(self) -> str:
            return "looking"

    provider = TracerProvider(
        sampler=sampling.ParentBased(Looking()), shutdown_on_exit=False
    )
    app = Flask("looked at")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", lambda: provider)
        telemetry = observe(app, measured)
        telemetry.start()
        app.test_client().get("/x", headers={"User-Agent": "curl"})

    assert seen[0]["user_agent.original"] == "curl"


def test_nothing_is_traced_without_a_provider(measured: Measured) -> None:
    """Without a provider a request has no ids, and is measured."""
    app = Flask("untraced")
    telemetry = observe(app, measured)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
        telemetry.start()

    response = app.test_client().get("/x")

    assert "traceresponse" not in response.headers
    assert len(measured.requests) == 1
