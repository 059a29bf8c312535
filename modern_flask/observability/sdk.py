"""All private names of OpenTelemetry that the kit uses are in this module.

If a release moves one of them, only this file and its tests break. Each function and
class says why there is no public way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from copy import copy
from functools import partial
from threading import Lock
from time import time_ns
from typing import Any, NamedTuple

from opentelemetry import context as _context
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, sampling
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation import _SPAN_KEY

__all__ = [
    "SPAN_KEY",
    "TRACE_ID_MASK",
    "SamplingRule",
    "ServerSpan",
    "attach",
    "copy_span",
    "count_dropped",
    "detach",
    "has_room",
    "is_suppressed",
    "make_logger_provider",
    "read_attributes",
    "read_sampling_rule",
    "suppress_in_thread",
    "suppress_spans",
]

SPAN_KEY = _SPAN_KEY
"""The key of the current span in a context.

``set_span_in_context`` copies the whole context for this one value. With the key, a
request makes its context with a single copy, and reads the caller's span with two calls
less.
"""

TRACE_ID_MASK = sampling.TraceIdRatioBased.TRACE_ID_LIMIT
"""The bits of a trace id that :class:`TraceIdRatioBased` compares with its bound."""

_UNSET = Status(StatusCode.UNSET)
_ROOM = 64  # attributes; the kit itself sets fewer on a request

# `attach` and `detach` make four calls around this variable, and each request needs
# them at least four times. There is no public name for the variable.
_variable = getattr(_context._RUNTIME_CONTEXT, "_current_context", None)
attach: Callable[[Context], Any] = _context.attach
"""``opentelemetry.context.attach``, without the calls around its context variable."""
detach: Callable[[Any], None] = _context.detach
"""``opentelemetry.context.detach``, without the calls around its context variable."""
if isinstance(_variable, ContextVar):
    attach, detach = _variable.set, _variable.reset

is_suppressed: Callable[[], object] = partial(
    _context.get_value, _SUPPRESS_INSTRUMENTATION_KEY
)
"""Whether the current context suppresses spans.

``opentelemetry.instrumentation.utils`` has a public function, but it reads two keys.
This function runs for every SQL statement and every Redis command.
"""


def suppress_spans(parent: Context | None = None) -> Context:
    """Make a context in which no instrumentation makes a span.

    The public ``suppress_instrumentation`` is a context manager that attaches the
    context at once, but a request attaches its context several times.

    Args:
        parent: The context to derive from; the current one by default.
    """
    return _context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True, parent)


def suppress_in_thread() -> None:
    """Suppress spans in this thread until it ends."""
    _context.attach(suppress_spans())


def copy_span(
    span: ReadableSpan,
    attributes: Mapping[str, Any] | None = None,
    events: Sequence[Event] | None = None,
    status: Status | None = None,
) -> ReadableSpan:
    """Copy an ended span with other attributes, events or status.

    ``ReadableSpan`` has no setters, and its constructor does not accept the numbers of
    dropped attributes, events and links. The copy keeps every part that is None here.
    """
    found = copy(span)
    if attributes is not None:
        bounded = BoundedAttributes(attributes=attributes)
        bounded.dropped = span.dropped_attributes
        found._attributes = bounded
    if events is not None:
        listed = BoundedList.from_seq(len(events), events)
        listed.dropped = span.dropped_events
        found._events = listed
    if status is not None:
        found._status = status
    return found


def read_attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of an ended span, which no longer change.

    The public property makes a proxy, and the SDK's class is a mapping in Python. To
    iterate over either of them takes longer than to encode the span.
    """
    attributes: Any = span._attributes
    return getattr(attributes, "_dict", attributes) or {}


def count_dropped(span: ReadableSpan) -> tuple[int, int, int]:
    """Return the numbers of dropped attributes, events and links of an ended span.

    Each of the public properties checks the type of an abstract class first.
    """
    return (
        getattr(span._attributes, "dropped", 0),
        getattr(span._events, "dropped", 0),
        getattr(span._links, "dropped", 0),
    )


class ServerSpan(SdkSpan):
    """A recorded span of a request: the SDK's own ``Span`` with a faster constructor.

    The attributes are a plain dict until other code sets one. The lists of events and
    links are made when the first event or link is added. The SDK's constructor has no
    option for that, and it takes most of the time of a span.
    """

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
        attributes: dict[str, Any],
    ) -> None:
        self._name, self._context, self._parent = name, context, parent
        self._attributes: Any = attributes
        self._lock = Lock()
        self._start_time = time_ns()

    @classmethod
    def of(cls, tracer: Any) -> type[ServerSpan]:
        """Make the class for spans of ``tracer``, with the values that they share."""
        shared = {
            "_resource": tracer.resource,
            "_instrumentation_scope": tracer._instrumentation_scope,
            "_span_processor": tracer.span_processor,
            "_limits": tracer._span_limits,
            "_sampler": tracer.sampler,
        }
        return type(cls.__name__, (cls,), shared)

    def put(self, attributes: Mapping[str, Any], name: str | None) -> None:
        """Set the name and the kit's own attributes. Their types need no check."""
        if type(self._attributes) is dict and self._end_time is None:
            self._attributes.update(attributes)
            self._name = name or self._name
            return
        super().set_attributes(attributes)
        if name:
            self.update_name(name)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._bound_attributes()
        super().set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self._bound_attributes()
        super().set_attribute(key, value)

    def _bound_attributes(self) -> None:
        """Check, count and truncate the attributes of other code, as the SDK does."""
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
        # An ended span does not change, so the processor needs no readable copy.
        processor.on_end(self)


def has_room(tracer: Any) -> bool:
    """Whether the kit's own attributes of a request fit the limits of ``tracer``.

    A tracer has no public attribute for the limits of its provider.
    """
    limits = tracer._span_limits
    number = limits.max_span_attributes
    return limits.max_span_attribute_length is None and (
        number is None or number >= _ROOM
    )


class SamplingRule(NamedTuple):
    """The rule of one of the SDK's own samplers.

    Args:
        by_parent: Whether the caller's decision counts.
        bound: A trace that begins here is sampled if the last 64 bits of its id are
            below this number.
    """

    by_parent: bool
    bound: int


def read_sampling_rule(sampler: Any) -> SamplingRule | None:
    """Read the rule of one of the SDK's own samplers; None for any other sampler.

    The only public method of a sampler makes a :class:`SamplingResult` at each request,
    and a sampler has no public attributes for its arguments.
    """
    kind = type(sampler)
    if not issubclass(kind, sampling.ParentBased):
        bound = _read_bound(sampler)
        return None if bound is None else SamplingRule(False, bound)
    expected = {
        "_remote_parent_sampled": sampling.ALWAYS_ON,
        "_remote_parent_not_sampled": sampling.ALWAYS_OFF,
        "_local_parent_sampled": sampling.ALWAYS_ON,
        "_local_parent_not_sampled": sampling.ALWAYS_OFF,
    }
    bound = _read_bound(sampler._root)
    if kind.should_sample is not sampling.ParentBased.should_sample or bound is None:
        return None
    if any(vars(sampler)[name] is not value for name, value in expected.items()):
        return None
    return SamplingRule(True, bound)


def _read_bound(sampler: Any) -> int | None:
    method = type(sampler).should_sample
    if method is sampling.StaticSampler.should_sample:
        always = sampler._decision is sampling.Decision.RECORD_AND_SAMPLE
        never = sampler._decision is sampling.Decision.DROP
        return TRACE_ID_MASK + 1 if always else 0 if never else None
    if method is sampling.TraceIdRatioBased.should_sample:
        return int(sampler.bound)
    return None


def make_logger_provider(resource: Resource, session: Any, first: Any) -> Any:
    """Make a provider that sends log records over OTLP, in batches.

    The SDK's modules for logs have private names, because they are not stable. They are
    imported here, and not above, because the exporter comes with an extra.

    Args:
        resource: Describes this process.
        session: The session for the requests of the exporter.
        first: A processor that sees each record before it is queued.
    """
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(first)
    exporter = OTLPLogExporter(session=session)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return provider
