"""B3 headers: one or several are read, several are sent.

github.com/openzipkin/b3-propagation
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat
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

__all__ = ["B3", "is_debug"]

_GETTER: Getter[Any] = DefaultGetter()
_SETTER: Setter[Any] = DefaultSetter()
DEBUG = "d"
_KEPT = {"1", "true", "True", DEBUG}
_DENIED = {"0", "false", "False"}
# The trace's state carries the flag to every span of it, and past W3C's headers.
_STATE = "b3"


class B3(B3MultiFormat):
    """OpenTelemetry's own, with what it reads otherwise than B3 says.

    Ids without a decision leave the decision to us (B3 calls that "deferred"), and a
    decision without ids holds for the trace that begins here: its span has no valid
    ids, only flags. "Debug" is kept, and goes on. Where W3C's headers were read before,
    they are believed, and "debug" is added to them.
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
        decision = self._decision(headers)
        believed = trace.get_current_span(context).get_span_context()
        if not (believed.is_valid and believed.is_remote):
            # OpenTelemetry takes several headers without a decision for a denial.
            whole = {self.SAMPLED_KEY: "1", **headers}
            context = super().extract(whole, context, _GETTER)
            believed = trace.get_current_span(context).get_span_context()
        if not believed.is_valid:
            # Ids that are none are no reason to believe the rest.
            has_ids = self._has_ids(headers)
            return context if has_ids else self._decided(decision, context)
        if decision == DEBUG and believed.trace_flags.sampled:
            caller = NonRecordingSpan(_debugged(believed))
            return trace.set_span_in_context(caller, context)
        return context

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = _SETTER,
    ) -> None:
        spoken = trace.get_current_span(context).get_span_context()
        if not spoken.is_valid:
            return
        setter.set(carrier, self.TRACE_ID_KEY, f"{spoken.trace_id:032x}")
        setter.set(carrier, self.SPAN_ID_KEY, f"{spoken.span_id:016x}")
        sampled = spoken.trace_flags.sampled
        if sampled and is_debug(spoken):
            # It implies the decision, which is not sent beside it.
            setter.set(carrier, self.FLAGS_KEY, "1")
        else:
            setter.set(carrier, self.SAMPLED_KEY, "1" if sampled else "0")

    @property
    def fields(self) -> set[str]:
        return super().fields | {self.FLAGS_KEY}

    def _decision(self, headers: dict[str, str]) -> str | None:
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

    def _decided(self, decision: str | None, context: Context) -> Context:
        """A caller that has no ids, only an opinion."""
        if decision not in _KEPT | _DENIED:
            return context
        flags = TraceFlags(TraceFlags.SAMPLED if decision in _KEPT else 0)
        caller = SpanContext(INVALID_TRACE_ID, INVALID_SPAN_ID, True, flags)
        if decision == DEBUG:
            caller = _debugged(caller)
        return trace.set_span_in_context(NonRecordingSpan(caller), context)


def is_debug(spoken: SpanContext) -> bool:
    """Whether B3's debug flag is on in the span's trace."""
    # Most traces have no state, and its length is cheap.
    return bool(spoken.trace_state) and spoken.trace_state.get(_STATE) == DEBUG


def _debugged(spoken: SpanContext) -> SpanContext:
    others = [pair for pair in spoken.trace_state.items() if pair[0] != _STATE]
    state = TraceState([(_STATE, DEBUG), *others])
    return SpanContext(
        spoken.trace_id, spoken.span_id, spoken.is_remote, spoken.trace_flags, state
    )
