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
    TraceState,
)
from opentelemetry.trace.propagation import _SPAN_KEY

from .conventions import describe

__all__ = ["ServerSpan", "make_starter"]

_UNSET = Status(StatusCode.UNSET)
_RANDOM = TraceFlags.RANDOM_TRACE_ID
_FLAGS = [TraceFlags(number) for number in range(4)]
_NO_STATE = TraceState()
_LOW = sampling.TraceIdRatioBased.TRACE_ID_LIMIT
_ROOM = 64  # attributes: more than a request has of its own

_Attributes = dict[str, Any]
_Environ = dict[str, Any]
# (name, the caller's context, the request) -> the span
_Start = Callable[[str, Context, _Environ], Span]


class ServerSpan(SdkSpan):
    """A recorded span of a request."""

    _events: Any = ()
    _links: Any = ()
    _kind = SpanKind.SERVER
    _status = _UNSET
    _end_time: int | None = None
    _instrumentation_info: Any = None
    _record_exception = _set_status_on_exception = True
    _record_end_metrics: Any = None

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: _Attributes,
    ) -> None:
        self._name, self._context, self._parent = name, context, parent
        self._attributes: Any = attributes
        self._lock = Lock()
        self._start_time = time_ns()

    @classmethod
    def of(cls, tracer: Any) -> type[ServerSpan]:
        """The class of the spans of ``tracer``, which holds what all of them share."""
        shared = {
            "_resource": tracer.resource,
            "_instrumentation_scope": tracer._instrumentation_scope,
            "_span_processor": tracer.span_processor,
            "_limits": tracer._span_limits,
            "_sampler": tracer.sampler,
        }
        return type(cls.__name__, (cls,), shared)

    def put(self, attributes: Mapping[str, Any], name: str | None) -> None:
        """Set attributes of ours, whose types are known to be right, and the name."""
        if type(self._attributes) is dict and self._end_time is None:
            self._attributes.update(attributes)
            self._name = name or self._name
            return
        super().set_attributes(attributes)
        if name:
            self.update_name(name)

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


def make_starter(tracer: Any) -> _Start:
    """The cheapest way to start a server span with ``tracer``."""
    kept = _kept(tracer.sampler) if type(tracer) is Tracer else None
    if kept is None or not _has_room(tracer._span_limits):
        return lambda name, parent, environ: tracer.start_span(
            name, parent, SpanKind.SERVER, describe(environ)
        )
    by_parent, bound = kept
    ids, on_start = tracer.id_generator, tracer.span_processor.on_start
    new_trace, new_span = ids.generate_trace_id, ids.generate_span_id
    random_flag = _RANDOM if ids.is_trace_id_random() else 0
    make = ServerSpan.of(tracer)

    def start(name: str, parent: Context, environ: _Environ) -> Span:
        caller = parent.get(_SPAN_KEY)
        origin = caller.get_span_context() if isinstance(caller, Span) else None
        if origin is None:
            trace_id, state = new_trace(), _NO_STATE
            flags, sampled = random_flag, trace_id & _LOW < bound
        elif origin.is_valid:
            trace_id, state = origin.trace_id, origin.trace_state
            flags = origin.trace_flags & _RANDOM
            sampled = origin.trace_flags & 1 if by_parent else trace_id & _LOW < bound
        else:
            # A remote caller without ids has decided all the same ("b3: 0").
            trace_id, state, flags = new_trace(), origin.trace_state, random_flag
            decided = by_parent and origin.is_remote
            sampled = origin.trace_flags & 1 if decided else trace_id & _LOW < bound
            origin = None
        # A SpanContext is this tuple; that its ids are valid need not be checked.
        spoken: SpanContext = tuple.__new__(
            SpanContext,
            (trace_id, new_span(), False, _FLAGS[flags | sampled], state, True),
        )
        if not sampled:
            return NonRecordingSpan(spoken)
        span = make(name, spoken, origin, describe(environ))
        on_start(span, parent_context=parent)
        return span

    return start


def _kept(sampler: Any) -> tuple[bool, int] | None:
    """What one of the SDK's own samplers decides; None for any other.

    Returns:
        Whether the caller's decision counts; and below which number, of the last 64
        bits of its id, a trace is kept that begins here.
    """
    kind = type(sampler)
    if not issubclass(kind, sampling.ParentBased):
        bound = _bound_of(sampler)
        return None if bound is None else (False, bound)
    expected = {
        "_remote_parent_sampled": sampling.ALWAYS_ON,
        "_remote_parent_not_sampled": sampling.ALWAYS_OFF,
        "_local_parent_sampled": sampling.ALWAYS_ON,
        "_local_parent_not_sampled": sampling.ALWAYS_OFF,
    }
    bound = _bound_of(sampler._root)
    if kind.should_sample is not sampling.ParentBased.should_sample or bound is None:
        return None
    if any(vars(sampler)[name] is not value for name, value in expected.items()):
        return None
    return True, bound


def _bound_of(sampler: Any) -> int | None:
    asked = type(sampler).should_sample
    if asked is sampling.StaticSampler.should_sample:
        always = sampler._decision is sampling.Decision.RECORD_AND_SAMPLE
        never = sampler._decision is sampling.Decision.DROP
        return _LOW + 1 if always else 0 if never else None
    if asked is sampling.TraceIdRatioBased.should_sample:
        return int(sampler.bound)
    return None


def _has_room(limits: Any) -> bool:
    number = limits.max_span_attributes
    return limits.max_span_attribute_length is None and (
        number is None or number >= _ROOM
    )
