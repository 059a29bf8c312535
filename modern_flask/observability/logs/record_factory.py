"""Adds the ids of the trace, the service and the route to every log record.

The names ``otel*`` are those of OpenTelemetry's ``LoggingInstrumentor``, which only one
party of a process can use, and which sets no ids by default.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import has_request_context, request
from opentelemetry import trace

from .fields import FIELDS, ROUTE, find_service

__all__ = ["add_fields"]

_Factory = Callable[..., logging.LogRecord]


@contextmanager
def add_fields() -> Iterator[None]:
    """Add the fields to all records of the process until the block ends.

    The factory that was there before still makes the records. Blocks may overlap: the
    last one that ends puts that factory back. If other code has set a factory that
    calls this one, it stays where it is, and adds nothing anymore.
    """
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _FieldFactory):
        factory = _FieldFactory(factory)
        logging.setLogRecordFactory(factory)
    factory.users += 1
    try:
        yield
    finally:
        factory.users -= 1
        if factory.users == 0 and logging.getLogRecordFactory() is factory:
            logging.setLogRecordFactory(factory.inner)


class _FieldFactory:
    """Makes a record with ``inner``, and adds the fields while somebody uses it."""

    def __init__(self, inner: _Factory) -> None:
        self.inner = inner
        self.users = 0

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.inner(*args, **kwargs)
        if self.users:
            _add_fields(record)
        return record


def _add_fields(record: logging.LogRecord) -> None:
    fields = vars(record)
    fields.update(FIELDS)
    fields["otelServiceName"] = find_service()
    span = trace.get_current_span()
    if span is not trace.INVALID_SPAN:
        trace_id, span_id, _, flags, _, valid = span.get_span_context()
        if valid:
            fields["otelTraceID"] = f"{trace_id:032x}"
            fields["otelSpanID"] = f"{span_id:016x}"
            fields["otelTraceSampled"] = bool(flags & 1)
    if has_request_context():
        rule = request.url_rule
        if rule is not None:
            fields[ROUTE] = rule.rule
