"""Sends the log over OTLP, by the SDK's own exporter, with secrets masked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk.resources import Resource

from ...config.masking import mask_value, redact_lines
from ..sdk import make_logger_provider

__all__ = ["has_handler", "make_provider", "send_lines"]

# Gunicorn's loggers pass nothing on to the root logger.
_LOGGERS = ("", "gunicorn.error", "gunicorn.access")
# Fields that the handler would copy from the kit's own lines: the trace is known.
_KNOWN = ("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName", "members")


def has_handler() -> bool:
    """Whether another one sends the lines already, such as opentelemetry-instrument."""
    return any(
        type(handler).__name__ == "LoggingHandler"
        for handler in logging.getLogger().handlers
    )


def make_provider(resource: Resource, session: requests.Session) -> Any:
    """Make a provider whose records are masked, queued and sent in batches.

    Args:
        resource: Describes this process.
        session: The session for the requests of the exporter.
    """
    return make_logger_provider(resource, session, _Masking())


@contextmanager
def send_lines(provider: Any) -> Iterator[None]:
    """Send every line that is logged during the block."""
    handler = LoggingHandler(logger_provider=provider)
    handler.addFilter(_is_of_service)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def _is_of_service(record: logging.LogRecord) -> bool:
    """Leave out lines about the sending itself: each would be sent, and fail, again."""
    of_exporter = record.name.startswith("opentelemetry.")
    return not (of_exporter or (record.threadName or "").startswith("OtelBatch"))


class _Masking:
    """A processor of the SDK that masks secrets before the record is queued."""

    def on_emit(self, log_record: Any) -> None:
        record = log_record.log_record
        if isinstance(record.body, str):
            record.body = redact_lines(record.body)
        record.attributes = {
            name: _mask(name, value)
            for name, value in (record.attributes or {}).items()
            if name not in _KNOWN
        }

    def shutdown(self) -> None:
        """Nothing waits here."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def _mask(name: str, value: Any) -> Any:
    return (
        redact_lines(value)
        if name.startswith("exception.")
        else mask_value(name, value)
    )
