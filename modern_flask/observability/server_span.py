"""The span of a request, as OpenTelemetry's SDK has it, made at a third of the cost.

It is the SDK's own ``Span`` in every respect but its birth: its attributes are a plain
dict until somebody else sets one, and its lists of events and links are made when there
is something to put into them. The SDK's own samplers are asked without the
:class:`SamplingResult` that only others need; any other sampler is asked as the SDK
does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import Tracer, sampling
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from .conventions import describe

__all__ = ["ServerSpan", "make_starter"]

UNSET = Status(StatusCode.UNSET)
RANDOM = TraceFlags.RANDOM_TRACE_ID
FLAGS = [TraceFlags(number) for number in range(4)]
ROOM = 64  # attributes: more than a request has of its own

Attributes = dict[str, Any]
Decide = Callable[[SpanContext, int], bool]
Environ = dict[str, Any]
# (name, the caller's context, the request) -> the span
Start = Callable[[str, Context | None, Environ], Span]


class ServerSpan(SdkSpan):
    """A recorded span of a request."""

    _events: Any = ()
    _links: Any = ()
    _kind = SpanKind.SERVER
    _status = UNSET
    _end_time: int | None = None
    _instrumentation_info: Any = None
    _record_exception = _set_status_on_exception = True
    _record_end_metrics: Any = None

    def __init__(
        self,
        tracer: Any,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Attributes,
    ) -> None:
        self._name, self._context, self._parent = name, context, parent
        self._attributes: Any = attributes
        self._resource = tracer.resource
        self._instrumentation_scope = tracer._instrumentation_scope
        self._span_processor = tracer.span_processor
        self._limits = tracer._span_limits
        self._sampler = tracer.sampler
        self._lock = Lock()
        self._start_time = time_ns()

    def put(self, attributes: Mapping[str, Any]) -> None:
        """Set attributes of ours, whose types are known to be right."""
        if type(self._attributes) is dict:
            self._attributes.update(attributes)
        else:
            super().set_attributes(attributes)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._bound()
        super().set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self._bound()
        super().set_attribute(key, value)

    def _bound(self) -> None:
        """What others set is checked, counted and cut as the SDK does."""
        with self._lock:
            if type(self._attributes) is dict and self._end_time is None:
                self._attributes = BoundedAttributes(
                    self._limits.max_span_attributes,
                    self._attributes,
                    immutable=False,
                    max_value_len=self._limits.max_span_attribute_length,
                )

    def _add_event(self, event: Any) -> None:
        if self._events == ():
            self._events = self._new_events()  # type: ignore[no-untyped-call]
        super()._add_event(event)

    def _add_link(self, link: Any) -> None:
        if self._links == ():
            self._links = self._new_links(())
        super()._add_link(link)

    def end(self, end_time: int | None = None) -> None:
        if type(self._attributes) is not dict or self._end_time is not None:
            super().end(end_time)
            return
        self._end_time = time_ns() if end_time is None else end_time
        processor = self._span_processor
        processor._on_ending(self)
        # Nothing can be set any more: it is its own readable copy.
        processor.on_end(self)


def make_starter(tracer: Any) -> Start:
    """The cheapest way to start a server span with ``tracer``."""
    decide = _decision(tracer.sampler) if type(tracer) is Tracer else None
    if decide is None or not _has_room(tracer._span_limits):
        return lambda name, parent, environ: tracer.start_span(
            name, parent, SpanKind.SERVER, describe(environ)
        )
    ids, processor = tracer.id_generator, tracer.span_processor
    random_flag = RANDOM if ids.is_trace_id_random() else 0
    decides: Decide = decide

    def start(name: str, parent: Context | None, environ: Environ) -> Span:
        caller: SpanContext = trace.get_current_span(parent).get_span_context()
        known = caller.is_valid
        trace_id = caller.trace_id if known else ids.generate_trace_id()
        sampled = decides(caller, trace_id)
        flags = (caller.trace_flags & RANDOM if known else random_flag) | sampled
        state = caller.trace_state if known else None
        spoken = SpanContext(
            trace_id, ids.generate_span_id(), False, FLAGS[flags], state
        )
        if not sampled:
            return NonRecordingSpan(spoken)
        origin = caller if known else None
        span = ServerSpan(tracer, name, spoken, origin, describe(environ))
        processor.on_start(span, parent_context=parent)
        return span

    return start


def _decision(sampler: Any) -> Decide | None:
    """What one of the SDK's own samplers decides; None for any other."""
    kind = type(sampler)
    if not issubclass(kind, sampling.ParentBased):
        return _root_decision(sampler)
    expected = {
        "_remote_parent_sampled": sampling.ALWAYS_ON,
        "_remote_parent_not_sampled": sampling.ALWAYS_OFF,
        "_local_parent_sampled": sampling.ALWAYS_ON,
        "_local_parent_not_sampled": sampling.ALWAYS_OFF,
    }
    root = _root_decision(sampler._root)
    if kind.should_sample is not sampling.ParentBased.should_sample or root is None:
        return None
    if any(vars(sampler)[name] is not value for name, value in expected.items()):
        return None
    decides = root

    def by_parent(caller: SpanContext, trace_id: int) -> bool:
        if caller.is_valid:
            return bool(caller.trace_flags & 1)
        return decides(caller, trace_id)

    return by_parent


def _root_decision(sampler: Any) -> Decide | None:
    asked = type(sampler).should_sample
    if asked is sampling.StaticSampler.should_sample:
        always = sampler._decision is sampling.Decision.RECORD_AND_SAMPLE
        never = sampler._decision is sampling.Decision.DROP
        return (lambda caller, trace_id: always) if always or never else None
    if asked is sampling.TraceIdRatioBased.should_sample:
        bound, limit = sampler.bound, sampling.TraceIdRatioBased.TRACE_ID_LIMIT
        return lambda caller, trace_id: trace_id & limit < bound
    return None


def _has_room(limits: Any) -> bool:
    number = limits.max_span_attributes
    return limits.max_span_attribute_length is None and (
        number is None or number >= ROOM
    )
