"""Starts the spans of requests in a third of the time that OpenTelemetry's SDK needs.

The span is :class:`~modern_flask.observability.sdk.ServerSpan`. This module applies the
rules of the SDK's own samplers without a :class:`SamplingResult`. It calls any other
sampler as the SDK does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
)

from ..provider import KitProvider
from ..sdk import (
    SPAN_KEY,
    TRACE_ID_MASK,
    ServerSpan,
    is_enabled,
    is_instrumented_app,
    read_sampling_rule,
    supports_server_span,
)
from .conventions import describe

__all__ = [
    "SCOPE",
    "ServerSpans",
    "StartSpan",
    "choose_spans",
    "is_server_span_of_others",
    "make_starter",
    "put_on_span",
    "records_exceptions",
]

SCOPE = "modern_flask.http"
"""The instrumentation scope of the kit's server spans."""

_RANDOM = TraceFlags.RANDOM_TRACE_ID
_FLAGS = [TraceFlags(number) for number in range(4)]
_NO_STATE = TraceState()
_LOW = TRACE_ID_MASK

_Environ = dict[str, Any]
# (name, the caller's context, the request) -> the span; None if the tracer is disabled
StartSpan = Callable[[str, Context, _Environ], Span | None]


class ServerSpans:
    """The server spans of one app.

    Args:
        start: Starts one.
        traced: Whether requests get spans.
        left: Whether OpenTelemetry's own instrumentor makes the spans of this app.
    """

    __slots__ = ("__weakref__", "left", "start", "traced")

    def __init__(
        self, start: StartSpan, traced: bool = True, left: bool = False
    ) -> None:
        self.start, self.traced, self.left = start, traced, left

    def enable(self) -> None:
        self.traced = True


def choose_spans(app: Any) -> ServerSpans:
    """Choose who makes the server spans of ``app``, at its first request."""
    if is_instrumented_app(app):
        return ServerSpans(_start_nothing, traced=False, left=True)
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        # A provider that another app sets later must not enable this app.
        return ServerSpans(_start_nothing, traced=False)
    spans = ServerSpans(make_starter(provider.get_tracer(SCOPE)))
    if isinstance(provider, KitProvider) and provider.idle:
        # The back end of another app must not enable this app either, but a processor
        # that somebody adds receives the spans of all apps.
        spans.traced = False
        provider.when_added(spans.enable)
    return spans


def _start_nothing(name: str, parent: Context, environ: _Environ) -> None:
    return None


def make_starter(tracer: Any) -> StartSpan:
    """Make the fastest function that can start a server span with ``tracer``."""
    if isinstance(tracer, trace.NoOpTracer):
        return _start_nothing
    rule = read_sampling_rule(tracer.sampler) if type(tracer) is Tracer else None
    if rule is None or not supports_server_span(tracer):

        def start_as_the_sdk(
            name: str, parent: Context, environ: _Environ
        ) -> Span | None:
            if not is_enabled(tracer):
                return None
            found = describe(environ)
            span: Span = tracer.start_span(name, parent, SpanKind.SERVER, found)
            return span

        return start_as_the_sdk
    by_parent, bound = rule
    ids, on_start = tracer.id_generator, tracer.span_processor.on_start
    new_trace, new_span = ids.generate_trace_id, ids.generate_span_id
    random_flag = _RANDOM if ids.is_trace_id_random() else 0
    make = ServerSpan.of(tracer)

    def start(name: str, parent: Context, environ: _Environ) -> Span | None:
        if not is_enabled(tracer):
            return None
        caller = parent.get(SPAN_KEY)
        origin = caller.get_span_context() if isinstance(caller, Span) else None
        if origin is None:
            trace_id, state = new_trace(), _NO_STATE
            flags, sampled = random_flag, trace_id & _LOW < bound
        elif origin.is_valid:
            trace_id, state = origin.trace_id, origin.trace_state
            flags = origin.trace_flags & _RANDOM
            sampled = origin.trace_flags & 1 if by_parent else trace_id & _LOW < bound
        else:
            # A remote caller without ids may have decided nevertheless ("b3: 0").
            trace_id, state, flags = new_trace(), origin.trace_state, random_flag
            decided = by_parent and origin.is_remote
            sampled = origin.trace_flags & 1 if decided else trace_id & _LOW < bound
            origin = None
        # SpanContext is a tuple, and its constructor checks the ids: these are valid.
        context: SpanContext = tuple.__new__(
            SpanContext,
            (trace_id, new_span(), False, _FLAGS[flags | sampled], state, True),
        )
        if not sampled:
            return NonRecordingSpan(context)
        span = make(name, context, origin, describe(environ))
        on_start(span, parent_context=parent)
        return span

    return start


def is_server_span_of_others(span: Any) -> bool:
    """Whether ``span`` is the request's own span, made by a middleware around the app.

    The kit's own span is not: a view may call another app.
    """
    if getattr(span, "kind", None) is not SpanKind.SERVER:
        return False
    return _find_scope(span) != SCOPE


def put_on_span(span: Any, found: Mapping[str, Any], name: str | None) -> None:
    """Set the kit's attributes and name on the SDK's span; those of others stay."""
    known = getattr(span, "attributes", None) or {}
    span.set_attributes({key: found[key] for key in found if key not in known})
    # The kit's own first name is the method alone.
    if name and getattr(span, "name", None) in (None, name.partition(" ")[0]):
        span.update_name(name)


def records_exceptions(span: Any) -> bool:
    """Whether OpenTelemetry's own instrumentor of Flask records what views raise."""
    return _find_scope(span) == "opentelemetry.instrumentation.flask"


def _find_scope(span: Any) -> str | None:
    name: str | None = getattr(
        getattr(span, "instrumentation_scope", None), "name", None
    )
    return name
