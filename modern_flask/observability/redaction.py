"""What is sent of a span: its URLs, its status and its events without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Status

from ..config.masking import redact_lines

__all__ = ["harmless"]


def harmless(span: ReadableSpan) -> ReadableSpan:
    """``span``, or a copy where something in it may be secret: others may read it too.

    An attribute is suspect where it holds a URL; what an exception says, always.
    """
    attributes, status, events = span.attributes or {}, span.status, span.events
    suspects = [name for name, value in attributes.items() if _has_url(value)]
    if not suspects and not events and not status.description:
        return span
    urls = {name: _redacted(attributes[name]) for name in suspects}
    shown = copy(span)
    if urls:
        whole = {**attributes, **urls}
        shown._attributes = _bounded(whole, span.dropped_attributes)
    if events:
        told = BoundedList.from_seq(len(events), map(_event, events))
        told.dropped = span.dropped_events
        shown._events = told
    if status.description:
        shown._status = Status(status.status_code, _redacted(status.description))
    return shown


def _has_url(value: Any) -> bool:
    if isinstance(value, str):
        return "://" in value
    return isinstance(value, list | tuple) and any(map(_has_url, value))


def _event(event: Event) -> Event:
    said = {name: _redacted(value) for name, value in (event.attributes or {}).items()}
    attributes = _bounded(said, event.dropped_attributes)
    return Event(event.name, attributes, event.timestamp)


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        # What stands for the bytes of a file's name is no text to a backend.
        return redact_lines(value).encode(errors="replace").decode()
    return tuple(map(_redacted, value)) if isinstance(value, list | tuple) else value


def _bounded(attributes: Mapping[str, Any], dropped: int) -> BoundedAttributes:
    """Of these attributes, with the number of those that had no room."""
    found = BoundedAttributes(attributes=attributes)
    found.dropped = dropped
    return found
