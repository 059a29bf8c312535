"""Masks secrets in a span before it is sent: in URLs, in the status, in events."""

from __future__ import annotations

from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from ...config.masking import redact_lines
from ..sdk import copy_span, read_attributes

__all__ = ["redact_span"]


def redact_span(span: ReadableSpan) -> ReadableSpan:
    """Return ``span``, or a masked copy if it may contain a secret.

    The span itself does not change, because other processors may read it, too.
    Attributes are masked if they contain a URL. The text of an exception is always
    masked.
    """
    attributes, status, events = read_attributes(span), span.status, span.events
    suspects = [name for name, value in attributes.items() if _has_url(value)]
    if not suspects and not events and not status.description:
        return span
    urls = {name: _redact_value(attributes[name]) for name in suspects}
    description = status.description
    return copy_span(
        span,
        attributes={**attributes, **urls} if urls else None,
        events=[_redact_event(event) for event in events] if events else None,
        status=Status(status.status_code, _redact_value(description))
        if description
        else None,
    )


def _has_url(value: Any) -> bool:
    if isinstance(value, str):
        return "://" in value
    return isinstance(value, list | tuple) and any(map(_has_url, value))


def _redact_event(event: Event) -> Event:
    found = event.attributes or {}
    attributes = BoundedAttributes(
        attributes={name: _redact_value(value) for name, value in found.items()}
    )
    attributes.dropped = event.dropped_attributes
    return Event(event.name, attributes, event.timestamp)


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        # A file's name may hold surrogates for its bytes, which no back end accepts.
        return redact_lines(value).encode(errors="replace").decode()
    if isinstance(value, list | tuple):
        return tuple(map(_redact_value, value))
    return value
