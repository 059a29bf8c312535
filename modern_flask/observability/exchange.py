"""One request and its answer: where its span and its metric begin and end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    Status,
    StatusCode,
)

from .conventions import METHODS
from .marks import RULE, TRACE_ID, UNCOUNTED
from .server_span import ServerSpan

if TYPE_CHECKING:
    from .metrics import Metrics
    from .middleware import RequestTelemetry

__all__ = ["Exchange", "record"]

UNMATCHED = "/404"
FAILURE = "modern_flask.exception"
RECORDED = "modern_flask.exception_recorded"


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "begun",
        "context",
        "environ",
        "headers",
        "measured",
        "size",
        "span",
        "status",
        "telemetry",
    )

    def __init__(self, telemetry: RequestTelemetry, environ: dict[str, Any]) -> None:
        self.telemetry, self.environ = telemetry, environ
        self.begun = perf_counter()
        self.status = "500"
        self.size = 0
        self.measured = True
        self.headers: list[tuple[str, str]] = []
        self.span: Span | None = None
        self.context: Context | None = None

    def enter(self) -> None:
        telemetry, environ = self.telemetry, self.environ
        parent = telemetry.parent(environ)
        if parent is None and not telemetry.traced:
            return
        method = environ["REQUEST_METHOD"]
        name = method if method in METHODS else "HTTP"
        self._adopt(telemetry.start_span(name, parent, environ), parent)

    def enter_quietly(self) -> None:
        """No span, nor orphans of what the view does; the caller's trace ends here."""
        parent = self.telemetry.parent(self.environ)
        caller = trace.get_current_span(parent).get_span_context()
        ids = RandomIdGenerator()
        unsampled = SpanContext(
            caller.trace_id or ids.generate_trace_id(),
            caller.span_id or ids.generate_span_id(),
            is_remote=False,
        )
        quiet = context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True, parent)
        self.context = trace.set_span_in_context(NonRecordingSpan(unsampled), quiet)

    def _adopt(self, span: Span, parent: Context | None) -> None:
        spoken = span.get_span_context()
        if not spoken.is_valid:
            return
        self.span, self.context = span, trace.set_span_in_context(span, parent)
        self.environ[TRACE_ID] = f"{spoken.trace_id:032x}"

    def run(self, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            self.status, self.headers = status[:3], headers
            _note_rule(self.environ)
            if self.span is not None:
                spoken = self.span.get_span_context()
                flags = int(spoken.trace_flags) & 1
                ids = f"{self.environ[TRACE_ID]}-{spoken.span_id:016x}"
                headers = [*headers, ("traceresponse", f"00-{ids}-{flags:02x}")]
            return start_response(status, headers, *rest)

        inside = self.context
        token = context.attach(inside) if inside is not None else None
        metrics = self.telemetry.metrics
        assert metrics is not None
        if self.measured:
            metrics.enter()
        try:
            body = self.telemetry.inner(self.environ, start)
        except BaseException as error:
            self.end(error)
            raise
        finally:
            if token is not None:
                context.detach(token)
        wrapper = self.environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and type(body) is wrapper:
            # The server sends it by the system's own call; it stays what it is.
            return _followed(body, self)
        return _Body(self, body)

    def end(self, error: BaseException | None = None) -> None:
        environ, telemetry = self.environ, self.telemetry
        metrics = telemetry.metrics
        if metrics is None or self.begun < 0:
            return
        seconds, self.begun = perf_counter() - self.begun, -1.0
        rule = environ.get(RULE)
        if error is not None:
            environ.setdefault(FAILURE, type(error).__qualname__)
        if self.measured:
            metrics.leave()
            if FAILURE in environ:
                metrics.exception(rule or UNMATCHED, environ[FAILURE])
            if UNCOUNTED not in environ:
                self._count(metrics, rule or UNMATCHED, seconds)
        span = self.span
        if span is None:
            return
        if span.is_recording():
            self._describe(span, rule, error)

    def _count(self, metrics: Metrics, handler: str, seconds: float) -> None:
        span = self.span
        sampled = span is not None and span.get_span_context().trace_flags.sampled
        metrics.request(
            self.environ["REQUEST_METHOD"],
            handler,
            self.status,
            seconds,
            self.size,
            self.environ[TRACE_ID] if sampled else None,
        )

    def _describe(
        self, span: Span, rule: str | None, error: BaseException | None
    ) -> None:
        environ, status = self.environ, self.status
        found: dict[str, Any] = {"http.response.status_code": int(status)}
        if rule:
            method = environ["REQUEST_METHOD"]
            span.update_name(f"{method if method in METHODS else 'HTTP'} {rule}")
            found["http.route"] = rule
        failed = error is not None or status >= "500"
        if failed:
            # Whatever Flask turned into an answer is recorded already.
            if error is not None and RECORDED not in environ:
                span.record_exception(error)
            found["error.type"] = environ.get(FAILURE, status)
            span.set_status(Status(StatusCode.ERROR))
        if isinstance(span, ServerSpan):
            span.put(found)
        else:
            span.set_attributes(found)
        span.end()


class _Body:
    """The response's body; the context is active while a part of it is made."""

    __slots__ = ("exchange", "next", "parts")

    def __init__(self, exchange: Exchange, parts: Iterable[bytes]) -> None:
        self.exchange, self.parts = exchange, parts

    def __iter__(self) -> Iterator[bytes]:
        self.next = iter(self.parts).__next__
        return self

    def __next__(self) -> bytes:
        inside = self.exchange.context
        if inside is None:
            return self._part()
        token = context.attach(inside)
        try:
            return self._part()
        finally:
            context.detach(token)

    def _part(self) -> bytes:
        try:
            part = self.next()
            self.exchange.size += len(part)
            return part
        except StopIteration:
            raise
        except BaseException as error:
            self.exchange.end(error)
            raise

    def close(self) -> None:
        close = getattr(self.parts, "close", None)
        inside = self.exchange.context
        token = context.attach(inside) if inside is not None else None
        try:
            if close is not None:
                close()
        finally:
            if token is not None:
                context.detach(token)
            self.exchange.end()


def _followed(body: Any, exchange: Exchange) -> Iterable[bytes]:
    close = getattr(body, "close", None)
    for name, value in exchange.headers:
        if name.lower() == "content-length" and value.isdecimal():
            exchange.size = int(value)

    def close_and_end() -> None:
        try:
            if close is not None:
                close()
        finally:
            exchange.end()

    body.close = close_and_end
    followed: Iterable[bytes] = body
    return followed


def _note_rule(environ: dict[str, Any]) -> None:
    """The context is gone when the body is closed: keep what the metric needs.

    The response starts inside it, which costs less than a hook on each request.
    """
    try:
        rule = request.url_rule
    except RuntimeError:
        # Something between us and Flask has answered.
        return
    if rule is not None:
        environ[RULE] = rule.rule


def record(sender: Flask, exception: BaseException, **_: Any) -> None:
    """Note what Flask turns into an answer, while its context is there."""
    _note_rule(request.environ)
    request.environ[FAILURE] = type(exception).__qualname__
    span = trace.get_current_span()
    if span.is_recording():
        span.record_exception(exception)
        request.environ[RECORDED] = True
