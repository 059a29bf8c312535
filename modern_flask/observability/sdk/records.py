"""Sends log records over OTLP. The SDK's modules for logs are private: not stable."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.resources import Resource

__all__ = ["make_logger_provider"]


def make_logger_provider(resource: Resource, session: Any, first: Any) -> Any:
    """Make a provider that sends log records over OTLP, in batches.

    The modules are imported here, and not above, because the exporter comes with an
    extra.

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
