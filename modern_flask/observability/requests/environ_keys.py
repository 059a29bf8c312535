"""The names under which the telemetry of a request is kept.

This module does not import OpenTelemetry, which reads the environment at its import.
Server settings and error pages import this module before the configuration is in the
environment.
"""

import sys
from collections.abc import Mapping
from typing import Any

__all__ = [
    "ADOPTS",
    "IDS",
    "RULE",
    "SIZE",
    "TRACE_ID",
    "UNCOUNTED",
    "UNTRACED",
    "find_trace_id",
]

# Keys of the WSGI environment.
TRACE_ID = "modern_flask.trace_id"  # 32 hexadecimal digits; the access log reads it
RULE = "modern_flask.rule"  # the URL rule that matched
SIZE = "modern_flask.size"  # bytes of a file that the server itself sends
UNCOUNTED = "modern_flask.uncounted"
ADOPTS = "modern_flask.adopts"  # OpenTelemetry's own instrumentor makes the span

# An attribute of an exception: (trace id, span id).
IDS = "_modern_flask_ids"

# An attribute of a view.
UNTRACED = "_modern_flask_untraced"


def find_trace_id(environ: Mapping[str, Any]) -> str | None:
    """Find the id of a request's trace, also where its span is not the kit's."""
    found: str | None = environ.get(TRACE_ID)
    if found is None and ADOPTS in environ:
        trace: Any = sys.modules["opentelemetry.trace"]
        span = trace.get_current_span().get_span_context()
        return f"{span.trace_id:032x}" if span.is_valid else None
    return found
