"""Reads and sends the ids of a trace in B3 and W3C headers side by side.

github.com/openzipkin/b3-propagation, w3.org/TR/trace-context
"""

from __future__ import annotations

import os
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    DefaultGetter,
    DefaultSetter,
    Getter,
    Setter,
)
from opentelemetry.trace import (
    INVALID_SPAN_ID,
    INVALID_TRACE_ID,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["B3", "is_debug", "set_propagators"]

_GETTER: Getter[Any] = DefaultGetter()
_SETTER: Setter[Any] = DefaultSetter()
DEBUG = "d"
_SAMPLED = {"1", "true", "True", DEBUG}
_DENIED = {"0", "false", "False"}
# The trace state carries the flag to every span of the trace, also in W3C's headers.
_STATE = "b3"


def set_propagators() -> None:
    """Read and send B3 and W3C headers, unless ``OTEL_PROPAGATORS`` says otherwise.

    If a request carries both, W3C's headers win.
    """
    if os.environ.get("OTEL_PROPAGATORS"):
        return
    propagate.set_global_textmap(
        CompositePropagator(
            [TraceContextTextMapPropagator(), B3(), W3CBaggagePropagator()]
        )
    )


class B3(B3MultiFormat):
    """OpenTelemetry's propagator, corrected where it differs from B3's specification.

    It reads the single header and the multiple headers, and sends the multiple ones. If
    there are ids without a decision, this service decides (B3 calls that "deferred").
    If there is a decision without ids, it applies to the trace that begins here: the
    caller's span then has flags but no valid ids. "Debug" is kept and sent on. If W3C's
    headers were read before, their ids win, and "debug" is added to them.
    """

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = _GETTER,
    ) -> Context:
        context = Context() if context is None else context
        headers = {}
        for key in (self.SINGLE_HEADER_KEY, *self.fields):
            if values := getter.get(carrier, key):
                headers[key] = next(iter(values))
        if not headers:
            return context
        decision = self._read_decision(headers)
        caller = trace.get_current_span(context).get_span_context()
        if not (caller.is_valid and caller.is_remote):
            # OpenTelemetry reads multiple headers without a decision as a denial.
            complete = {self.SAMPLED_KEY: "1", **headers}
            context = super().extract(complete, context, _GETTER)
            caller = trace.get_current_span(context).get_span_context()
        if not caller.is_valid:
            # If the ids are invalid, the decision is not trusted either.
            has_ids = self._has_ids(headers)
            return context if has_ids else self._apply_decision(decision, context)
        if decision == DEBUG and caller.trace_flags.sampled:
            span = NonRecordingSpan(_add_debug(caller))
            return trace.set_span_in_context(span, context)
        return context

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = _SETTER,
    ) -> None:
        span = trace.get_current_span(context).get_span_context()
        if not span.is_valid:
            return
        setter.set(carrier, self.TRACE_ID_KEY, f"{span.trace_id:032x}")
        setter.set(carrier, self.SPAN_ID_KEY, f"{span.span_id:016x}")
        sampled = span.trace_flags.sampled
        if sampled and is_debug(span):
            # Debug implies the decision, so the decision is not sent.
            setter.set(carrier, self.FLAGS_KEY, "1")
        else:
            setter.set(carrier, self.SAMPLED_KEY, "1" if sampled else "0")

    @property
    def fields(self) -> set[str]:
        return super().fields | {self.FLAGS_KEY}

    def _read_decision(self, headers: dict[str, str]) -> str | None:
        single = headers.get(self.SINGLE_HEADER_KEY)
        if single is not None:
            parts = single.split("-")
            return parts[0] if len(parts) == 1 else next(iter(parts[2:]), None)
        if headers.get(self.FLAGS_KEY) == "1":
            return DEBUG
        return headers.get(self.SAMPLED_KEY)

    def _has_ids(self, headers: dict[str, str]) -> bool:
        single = headers.get(self.SINGLE_HEADER_KEY)
        if single is not None:
            return "-" in single
        return self.TRACE_ID_KEY in headers or self.SPAN_ID_KEY in headers

    def _apply_decision(self, decision: str | None, context: Context) -> Context:
        """Add to the context a caller that has a decision but no ids."""
        if decision not in _SAMPLED | _DENIED:
            return context
        flags = TraceFlags(TraceFlags.SAMPLED if decision in _SAMPLED else 0)
        caller = SpanContext(INVALID_TRACE_ID, INVALID_SPAN_ID, True, flags)
        if decision == DEBUG:
            caller = _add_debug(caller)
        return trace.set_span_in_context(NonRecordingSpan(caller), context)


def is_debug(span: SpanContext) -> bool:
    """Whether B3's debug flag is on in the span's trace."""
    # Most traces have no state, and checking its length is cheap.
    return bool(span.trace_state) and span.trace_state.get(_STATE) == DEBUG


def _add_debug(span: SpanContext) -> SpanContext:
    others = [pair for pair in span.trace_state.items() if pair[0] != _STATE]
    state = TraceState([(_STATE, DEBUG), *others])
    return SpanContext(
        span.trace_id, span.span_id, span.is_remote, span.trace_flags, state
    )
