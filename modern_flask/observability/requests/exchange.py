"""One request and its answer: where its span and its metric begin and end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
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
from opentelemetry.trace.propagation import _SPAN_KEY

from .conventions import METHODS
from .exclusions import IDS, RULE, SIZE, TRACE_ID, UNCOUNTED
from .server_span import ServerSpan

if TYPE_CHECKING:
    from ..metrics.metrics import Metrics
    from .middleware import RequestTelemetry

__all__ = ["Exchange", "record"]

_UNMATCHED = "/404"
_FAILURE = "modern_flask.exception"
_RECORDED = "modern_flask.exception_recorded"
_END: Any = object()  # of a body
# OpenTelemetry's attach and detach, without the four calls around this variable: each
# request needs them at least four times.
_variable = getattr(context._RUNTIME_CONTEXT, "_current_context", None)
_attach: Callable[[Context], Any] = context.attach
_detach: Callable[[Any], None] = context.detach
if isinstance(_variable, ContextVar):
    _attach, _detach = _variable.set, _variable.reset
# Through the proxy of the request, looked up once.
_request: Callable[[], Any] = request._get_current_object  # type: ignore[attr-defined]


class Exchange:
    """One request and its answer; the server iterates this object itself."""

    # On the class: most exchanges never change them.
    span: Span | None = None
    trace_id: str | None = None
    sampled = 0
    told: tuple[str, str] | None = None
    context: Context | None = None
    measured = True
    status = "500"
    headers: Iterable[tuple[str, str]] = ()
    size = 0
    parts: Any = None

    def __init__(
        self,
        telemetry: RequestTelemetry,
        metrics: Metrics,
        environ: dict[str, Any],
        start_response: Any,
    ) -> None:
        self.begun = perf_counter()
        self.telemetry, self.metrics = telemetry, metrics
        self.environ, self.start_response = environ, start_response

    def enter(self) -> None:
        """Begin the span, with the caller's as its parent."""
        telemetry, environ = self.telemetry, self.environ
        parent = telemetry.parent(environ)
        if parent is None:
            if not telemetry.traced:
                return
            parent = context.get_current()
        method = environ["REQUEST_METHOD"]
        name = method if method in METHODS else "HTTP"
        span = telemetry.start_span(name, parent, environ)
        trace_id, span_id, _, flags, _, valid = span.get_span_context()
        if not valid:
            return
        self.span, self.context = span, Context({**parent, _SPAN_KEY: span})
        self.trace_id = environ[TRACE_ID] = text = f"{trace_id:032x}"
        self.sampled = flags & 1
        told = f"00-{text}-{span_id:016x}-{self.sampled:02x}"
        self.told = ("traceresponse", told)

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

    def run(self) -> Iterable[bytes]:
        environ, inside = self.environ, self.context
        token = _attach(inside) if inside is not None else None
        if self.measured:
            self.metrics.enter()
        try:
            self.parts = body = self.telemetry.inner(environ, self.start)
        except BaseException as error:
            self.end(error)
            raise
        finally:
            if token is not None:
                _detach(token)
        if type(body) is environ.get("wsgi.file_wrapper"):
            # The server sends it by the system's own call; it stays what it is.
            return _followed(body, self)
        return self

    def start(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        self.status = status[:3]
        _note_rule(self.environ)
        if self.told is not None:
            headers = [*headers, self.told]
        self.headers = headers
        return self.start_response(status, headers, *rest)

    def __iter__(self) -> Iterator[bytes]:
        """The body, each part of it made while the context is active."""
        inside, parts = self.context, iter(self.parts)
        token = None
        while True:
            if inside is not None:
                token = _attach(inside)
            try:
                part = next(parts, _END)
            except BaseException as error:
                self.end(error)
                raise
            finally:
                if token is not None:
                    _detach(token)
            if part is _END:
                return
            self.size += len(part)
            yield part

    def close(self) -> None:
        close = getattr(self.parts, "close", None)
        inside = self.context
        token = _attach(inside) if inside is not None else None
        try:
            if close is not None:
                close()
        except BaseException as error:
            self.end(error)
            raise
        finally:
            if token is not None:
                _detach(token)
            self.end()

    def end(self, error: BaseException | None = None) -> None:
        if self.begun < 0:
            return
        seconds, self.begun = perf_counter() - self.begun, -1.0
        environ, metrics = self.environ, self.metrics
        rule = environ.get(RULE)
        if error is not None:
            environ.setdefault(_FAILURE, type(error).__qualname__)
            if self.told is not None:
                # The server tells of it when the context is gone; an exception that
                # takes no attribute is told without ids.
                with suppress(Exception):
                    setattr(error, IDS, self.told[1].split("-")[1:3])
        if self.measured:
            metrics.leave()
            if _FAILURE in environ:
                metrics.exception(rule or _UNMATCHED, environ[_FAILURE])
            if UNCOUNTED not in environ:
                metrics.request(
                    environ["REQUEST_METHOD"],
                    rule or _UNMATCHED,
                    self.status,
                    seconds,
                    self.size,
                    self.trace_id if self.sampled else None,
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
            # Whatever Flask turned into an answer is recorded already.
            if error is not None and _RECORDED not in environ:
                span.record_exception(error)
            found["error.type"] = environ.get(_FAILURE, status)
            span.set_status(Status(StatusCode.ERROR))
        if isinstance(span, ServerSpan):
            span.put(found, name)
        else:
            span.set_attributes(found)
            if name:
                span.update_name(name)
        span.end()


def _followed(body: Any, exchange: Exchange) -> Iterable[bytes]:
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
    followed: Iterable[bytes] = body
    return followed


def _note_rule(environ: dict[str, Any]) -> None:
    """The context is gone when the body is closed: keep what the metric needs.

    The response starts inside it, which costs less than a hook on each request.
    """
    try:
        rule = _request().url_rule
    except RuntimeError:
        # Something between us and Flask has answered.
        return
    if rule is not None:
        environ[RULE] = rule.rule


def record(sender: Flask, exception: BaseException, **_: Any) -> None:
    """Note what Flask turns into an answer, while its context is there."""
    _note_rule(request.environ)
    request.environ[_FAILURE] = type(exception).__qualname__
    span = trace.get_current_span()
    if span.is_recording():
        span.record_exception(exception)
        request.environ[_RECORDED] = True
