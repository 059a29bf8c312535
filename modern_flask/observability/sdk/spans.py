"""The lean span of a request, and whether it fits the installed SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Lock
from time import time_ns
from typing import Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

__all__ = ["ServerSpan", "has_room", "supports_server_span"]

_UNSET = Status(StatusCode.UNSET)
_ROOM = 64  # attributes; the kit itself sets fewer on a request

logger = logging.getLogger(__name__)


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
    _renamed = False

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
        """Set the kit's own attributes and name. What other code has set stays."""
        if type(self._attributes) is dict:
            if self._end_time is None:
                # Their types need no check.
                self._attributes.update(attributes)
        else:
            known = self._attributes
            super().set_attributes(
                {key: attributes[key] for key in attributes if key not in known}
            )
        if name and not self._renamed and self._end_time is None:
            self._name = name

    def update_name(self, name: str) -> None:
        self._renamed = True
        super().update_name(name)

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


def supports_server_span(tracer: Any) -> bool:
    """Whether a :class:`ServerSpan` of ``tracer`` is what the SDK's own span is.

    The class relies on private names. Spans that nobody receives show whether a release
    has moved one of them; then a warning is logged, and the SDK's own span is used.
    """
    try:
        kind = ServerSpan.of(tracer)
        kind._span_processor = SpanProcessor()
        return has_room(tracer) and all(_try_span(kind, act) for act in _ACTS)
    except Exception as error:
        logger.warning(
            "The lean span of a request does not fit this release of OpenTelemetry "
            "(%s: %s). The SDK's own span is used, which takes longer.",
            type(error).__name__,
            error,
        )
        return False


# What other code does to a span; the first one is the usual case.
_ACTS: tuple[Callable[[Any], None], ...] = (
    lambda span: None,
    lambda span: span.set_attribute("a", 1),
    lambda span: span.add_event("b"),
)


def _try_span(kind: type[ServerSpan], act: Callable[[Any], None]) -> bool:
    context = SpanContext(1, 2, False, trace.TraceFlags(1))
    span = kind("GET", context, None, {"c": 3})
    act(span)
    span.put({"d": 4}, "GET /")
    span.set_status(_UNSET)
    span.end(5)
    found = (span.name, span.context, span.end_time, span.is_recording())
    if found != ("GET /", context, 5, False) or span.kind is not SpanKind.SERVER:
        raise ValueError(f"unexpected {found}")
    attributes = dict(span.attributes or {})
    if attributes.pop("d", None) != 4 or attributes.pop("c", None) != 3:
        raise ValueError(f"unexpected {attributes}")
    if len(attributes) + len(span.events) + (act is _ACTS[0]) != 1:
        raise ValueError("an attribute or an event is missing")
    span.to_json()
    return True


def has_room(tracer: Any) -> bool:
    """Whether the kit's own attributes of a request fit the limits of ``tracer``.

    A tracer has no public attribute for the limits of its provider.
    """
    limits = tracer._span_limits
    number = limits.max_span_attributes
    return limits.max_span_attribute_length is None and (
        number is None or number >= _ROOM
    )
