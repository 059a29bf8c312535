"""One request and its response: begins and ends the span and the metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
)

from ..http_methods import METHODS
from ..passing import pass_on
from ..sdk import SPAN_KEY, ServerSpan, attach, detach, get_current, suppress_spans
from .caller import read_headers
from .environ_keys import ADOPTS, IDS, RULE, SIZE, TRACE_ID, UNCOUNTED
from .server_span import (
    ServerSpans,
    is_server_span_of_others,
    put_on_span,
    records_exceptions,
)

if TYPE_CHECKING:
    from ..metrics.registry import Metrics

__all__ = ["Exchange", "RequestObserver", "record_exception"]

_UNMATCHED = "/404"
_FAILURE = "modern_flask.exception"
_RECORDED = "modern_flask.exception_recorded"
_END: Any = object()  # of a body
# The function that the request proxy calls, looked up once.
_find_request: Callable[[], Any] = request._get_current_object  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class RequestObserver:
    """The parts that observe all requests of one app.

    Args:
        wsgi_app: The app that answers.
        metrics: Counts the requests.
        spans: Starts the span of a request.
        read_caller: Reads the caller's context; None for a request without one.
    """

    wsgi_app: Callable[[dict[str, Any], Any], Iterable[bytes]]
    metrics: Metrics
    spans: ServerSpans
    read_caller: Callable[[dict[str, Any]], Context | None]


class Exchange:
    """One request and its response; the server iterates over this object itself."""

    # These are on the class because most exchanges never change them.
    span: Span | None = None
    trace_id: str | None = None
    sampled = 0
    header: tuple[str, str] | None = None
    context: Context | None = None
    measured = True
    adopts = False  # the span that OpenTelemetry's own instrumentor makes
    status = "500"
    headers: Iterable[tuple[str, str]] = ()
    size = 0
    parts: Any = None

    def __init__(
        self,
        observer: RequestObserver,
        environ: dict[str, Any],
        start_response: Any,
    ) -> None:
        self.begun = perf_counter()
        self.observer, self.metrics = observer, observer.metrics
        self.environ, self.start_response = environ, start_response

    def enter(self) -> None:
        """Start the span, with the caller's span as its parent."""
        observer, environ = self.observer, self.environ
        # First read both attributes: Python has no fast path to call them directly.
        read_caller, spans = observer.read_caller, observer.spans
        current = get_current()
        if current and is_server_span_of_others(current.get(SPAN_KEY)):
            self._note_ids(trace.get_current_span(current).get_span_context())
            return
        if spans.left:
            self.adopts = environ[ADOPTS] = True
            return
        parent = read_caller(environ)
        if not spans.traced:
            if parent is not None:
                self._pass_on(parent)
            return
        start_span, caller = spans.start, parent
        if parent is None:
            parent = current
        method = environ["REQUEST_METHOD"]
        span = start_span(method if method in METHODS else "HTTP", parent, environ)
        if span is None:
            if caller is not None:
                self._pass_on(caller)
            return
        trace_id, span_id, _, flags, _, valid = span.get_span_context()
        if not valid:
            return
        self.span, self.context = span, Context({**parent, SPAN_KEY: span})
        self.trace_id = environ[TRACE_ID] = text = f"{trace_id:032x}"
        self.sampled = flags & 1
        ids = f"00-{text}-{span_id:016x}-{self.sampled:02x}"
        self.header = ("traceresponse", ids)

    def _pass_on(self, caller: Context) -> None:
        """Let the calls of the request carry the caller's headers, without a span."""
        self.context = pass_on(caller, read_headers(self.environ))
        self._note_ids(trace.get_current_span(caller).get_span_context())

    def _note_ids(self, span: SpanContext) -> None:
        """Keep the ids of a span that is not the kit's, for logs and answers."""
        if span.is_valid:
            self.trace_id = self.environ[TRACE_ID] = text = f"{span.trace_id:032x}"
            self.sampled = span.trace_flags & 1
            ids = f"00-{text}-{span.span_id:016x}-{self.sampled:02x}"
            self.header = ("traceresponse", ids)

    def enter_untraced(self) -> None:
        """Start no span for the request. Calls in its view make no spans either.

        The caller's trace ends here.
        """
        parent = self.observer.read_caller(self.environ)
        caller = trace.get_current_span(parent).get_span_context()
        ids = RandomIdGenerator()
        unsampled = SpanContext(
            caller.trace_id or ids.generate_trace_id(),
            caller.span_id or ids.generate_span_id(),
            is_remote=False,
        )
        self.context = trace.set_span_in_context(
            NonRecordingSpan(unsampled), suppress_spans(parent)
        )

    def run(self) -> Iterable[bytes]:
        """Call the app, and return the body that the server iterates over."""
        environ, inside = self.environ, self.context
        wsgi_app = self.observer.wsgi_app
        token = attach(inside) if inside is not None else None
        if self.measured:
            self.metrics.enter()
        try:
            self.parts = body = wsgi_app(environ, self.start)
        except BaseException as error:
            self.end(error)
            raise
        finally:
            if token is not None:
                detach(token)
        if type(body) is environ.get("wsgi.file_wrapper"):
            # The server recognizes the class, and sends such a file by a system call.
            return _end_on_close(body, self)
        return self

    def start(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        """Replace ``start_response``: record the status and add the header."""
        self.status = status[:3]
        _note_rule(self.environ)
        if self.adopts:
            self._note_ids(trace.get_current_span().get_span_context())
        if self.header is not None:
            headers = [*headers, self.header]
        self.headers = headers
        return self.start_response(status, headers, *rest)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body. The request's context is active while each part is made."""
        inside, parts = self.context, iter(self.parts)
        token = None
        while True:
            if inside is not None:
                token = attach(inside)
            try:
                part = next(parts, _END)
            except BaseException as error:
                self.end(error)
                raise
            finally:
                if token is not None:
                    detach(token)
            if part is _END:
                return
            self.size += len(part)
            yield part

    def close(self) -> None:
        """Close the body, and end the request."""
        close = getattr(self.parts, "close", None)
        inside = self.context
        token = attach(inside) if inside is not None else None
        try:
            if close is not None:
                close()
        except BaseException as error:
            self.end(error)
            raise
        finally:
            if token is not None:
                detach(token)
            self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Measure the request and end its span; a second call does nothing."""
        if self.begun < 0:
            return
        seconds, self.begun = perf_counter() - self.begun, -1.0
        environ, metrics = self.environ, self.metrics
        rule = environ.get(RULE)
        if error is not None:
            environ.setdefault(_FAILURE, type(error).__qualname__)
            if self.header is not None:
                # The server logs the error when the context no longer exists. If the
                # exception accepts no attribute, the log line has no ids.
                with suppress(Exception):
                    setattr(error, IDS, self.header[1].split("-")[1:3])
        if self.measured:
            metrics.leave()
            if _FAILURE in environ:
                metrics.count_exception(rule or _UNMATCHED, environ[_FAILURE])
            if UNCOUNTED not in environ:
                status = self.status
                failed = error is not None or status >= "500"
                metrics.count_request(
                    environ["REQUEST_METHOD"],
                    rule or _UNMATCHED,
                    status,
                    seconds,
                    self.size,
                    self.trace_id if self.sampled else None,
                    environ["wsgi.url_scheme"],
                    environ.get(_FAILURE, status) if failed else "",
                )
        span = self.span
        if span is not None and span.is_recording():
            self._describe(span, rule, error)

    def _describe(
        self, span: Span, rule: str | None, error: BaseException | None
    ) -> None:
        environ, status, name = self.environ, self.status, None
        found: dict[str, Any] = {"http.response.status_code": int(status)}
        if rule:
            method = environ["REQUEST_METHOD"]
            name = f"{method if method in METHODS else 'HTTP'} {rule}"
            found["http.route"] = rule
        if error is not None or status >= "500":
            # An error that Flask turned into a response is already recorded.
            if error is not None and _RECORDED not in environ:
                span.record_exception(error)
            found["error.type"] = environ.get(_FAILURE, status)
            status_set = getattr(span, "status", None)
            if status_set is None or status_set.is_unset:
                span.set_status(Status(StatusCode.ERROR))
        if isinstance(span, ServerSpan):
            span.put(found, name)
        else:
            put_on_span(span, found, name)
        span.end()


def _end_on_close(body: Any, exchange: Exchange) -> Iterable[bytes]:
    """End ``exchange`` when ``body`` is closed, and return the same body."""
    close = getattr(body, "close", None)
    for name, value in exchange.headers:
        if name.lower() == "content-length" and value.isdecimal():
            exchange.size = exchange.environ[SIZE] = int(value)

    def close_and_end() -> None:
        try:
            if close is not None:
                close()
        finally:
            exchange.end()

    body.close = close_and_end
    same: Iterable[bytes] = body
    return same


def _note_rule(environ: dict[str, Any]) -> None:
    """Keep the URL rule for the metric, which is counted after Flask's context ends.

    This runs when the response starts, inside the context. That costs less than a hook
    on each request.
    """
    try:
        rule = _find_request().url_rule
    except RuntimeError:
        # A middleware between this one and Flask has responded.
        return
    if rule is not None:
        environ[RULE] = rule.rule


def record_exception(sender: Flask, exception: BaseException, **_: Any) -> None:
    """Record an exception that Flask turns into a response, inside its context."""
    _note_rule(request.environ)
    request.environ[_FAILURE] = type(exception).__qualname__
    span = trace.get_current_span()
    if span.is_recording() and not records_exceptions(span):
        span.record_exception(exception)
        request.environ[_RECORDED] = True
