"""Copies of ended spans, with other attributes, events or status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cache
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Status, StatusCode

__all__ = ["copy_span", "count_dropped", "read_attributes"]


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
    make = _copy_span if _can_copy() else _rebuild_span
    found: ReadableSpan = make(span, attributes, events, status)
    return found


def _copy_span(span: ReadableSpan, attributes: Any, events: Any, status: Any) -> Any:
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


@cache
def _can_copy() -> bool:
    """Whether the private names of a span are the expected ones.

    If they are not, a copy would still hold what was to be masked.
    """
    event, status = Event("b"), Status(StatusCode.OK)
    # Without a resource, the constructor makes one, which needs threads: none start at
    # the interpreter's exit.
    empty = Resource.get_empty()
    span = ReadableSpan("a", resource=empty, attributes={"a": 1}, events=[])
    try:
        found = _copy_span(span, {"b": 2}, [event], status)
        changed = (dict(found.attributes), found.events, found.status)
    except Exception:
        return False
    return changed == ({"b": 2}, (event,), status)


def _rebuild_span(span: ReadableSpan, attributes: Any, events: Any, status: Any) -> Any:
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        span.attributes if attributes is None else attributes,
        span.events if events is None else events,
        span.links,
        span.kind,
        status=span.status if status is None else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def read_attributes(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes of an ended span, which no longer change.

    The public property makes a proxy, and the SDK's class is a mapping in Python. To
    iterate over either of them takes longer than to encode the span.
    """
    try:
        attributes: Any = span._attributes
    except AttributeError:
        return span.attributes or {}
    return getattr(attributes, "_dict", attributes) or {}


def count_dropped(span: ReadableSpan) -> tuple[int, int, int]:
    """Return the numbers of dropped attributes, events and links of an ended span.

    Each of the public properties checks the type of an abstract class first.
    """
    try:
        held = (span._attributes, span._events, span._links)
    except AttributeError:
        return (span.dropped_attributes, span.dropped_events, span.dropped_links)
    attributes, events, links = (getattr(each, "dropped", 0) for each in held)
    return attributes, events, links
