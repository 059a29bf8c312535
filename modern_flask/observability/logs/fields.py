"""The fields that the kit adds to log records, and the service's name.

This module does not import OpenTelemetry, which reads the environment at its import:
gunicorn's master formats its lines before the configuration is in the environment.
"""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["FIELDS", "ROUTE", "find_service"]

FIELDS: dict[str, Any] = {
    "otelTraceID": "0",
    "otelSpanID": "0",
    "otelTraceSampled": False,
    "otelServiceName": "",
}
"""The fields of a record outside of any trace, with OpenTelemetry's own names."""

ROUTE = "otelHttpRoute"
"""The URL rule; only a record of a request has it. A natural name such as ``route``
would make :mod:`logging` refuse ``extra={"route": ...}``."""


def find_service() -> str:
    """Return the service's name. It belongs to the process, as its tracer provider."""
    global _last
    trace: Any = sys.modules.get("opentelemetry.trace")
    provider = trace.get_tracer_provider() if trace else None
    resource = getattr(provider, "resource", None)
    if resource is None:
        name = os.environ.get("OTEL_SERVICE_NAME") or os.environ.get("SERVICE_NAME")
        return name or ""
    if resource is not _last[0]:
        _last = resource, str(resource.attributes.get("service.name", ""))
    return _last[1]


# The last resource, and its service's name: this runs for every log record.
_last: tuple[Any, str] = None, ""
