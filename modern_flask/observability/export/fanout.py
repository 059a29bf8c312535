"""Passes the spans of a process to the back ends of its apps."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)

from ...config.masking import redact, redact_lines
from ...failures import describe
from ...waiting import DeadlinePassed, call_within
from ..provider import FLUSH_DEADLINE
from .destination import Destination
from .kinds import make_exporter
from .redaction import redact_span

__all__ = ["Fanout"]

logger = logging.getLogger(__name__)


class Fanout(SpanProcessor):
    """Passes spans to every back end in use. Apps with the same back end share it."""

    def __init__(self) -> None:
        self.backends: dict[Any, tuple[SpanProcessor, int]] = {}
        self.processors: tuple[SpanProcessor, ...] = ()

    def join(self, destination: Destination) -> bool:
        """Send spans to ``destination``; return False if its exporter can't be made."""
        processor, users = self.backends.get(destination.key, (None, 0))
        if processor is None:
            processor = _make_processor(destination)
        if processor is None:
            return False
        self._put(destination, processor, users + 1)
        return True

    def leave(self, destination: Destination) -> None:
        """Stop sending spans for one app; the last one flushes and closes the rest."""
        processor, users = self.backends[destination.key]
        self._put(destination, processor, users - 1)
        if users > 1:
            return
        try:
            # The kit's uploader keeps this deadline itself; other exporters have none.
            call_within(FLUSH_DEADLINE + 1, processor.shutdown, "close spans")
        except DeadlinePassed:
            logger.warning("Spans may be lost: %s did not close.", destination)
        except Exception as error:
            logger.warning(
                "Spans may be lost: %s did not close (%s).",
                destination,
                redact(describe(error)),
            )

    def _put(
        self, destination: Destination, processor: SpanProcessor, users: int
    ) -> None:
        self.backends[destination.key] = (processor, users)
        if users == 0:
            del self.backends[destination.key]
        self.processors = tuple(found for found, _ in self.backends.values())

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Do nothing: a span is sent when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        for processor in self.processors:
            processor.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        flushed = [p.force_flush(timeout_millis) for p in self.processors]
        return all(flushed)


def _make_processor(destination: Destination) -> SpanProcessor | None:
    if destination.encoding == "console":
        return SimpleSpanProcessor(
            ConsoleSpanExporter(
                formatter=lambda span: f"{redact_span(span).to_json()}\n"
            )
        )
    if destination.encoding != "exporter":
        # A service without a back end does not pay for the import of requests.
        from .uploader import Limits, Uploader

        return Uploader(destination, Limits.read(os.environ))
    try:
        return BatchSpanProcessor(_RedactingExporter(make_exporter(destination.kind)))
    except Exception as error:
        # OpenTelemetry's own variable never stops a service.
        reason = redact_lines(f"{type(error).__name__}: {error}")
        logger.warning("No traces are sent to %s: %s.", destination, reason)
        return None


class _RedactingExporter(SpanExporter):
    """Gives an exporter of another package spans without secrets."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        return self._exporter.export([redact_span(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
