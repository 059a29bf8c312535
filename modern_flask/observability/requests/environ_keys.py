"""The names under which the telemetry of a request is kept.

This module does not import OpenTelemetry, which reads the environment at its import.
Server settings and error pages import this module before the configuration is in the
environment.
"""

__all__ = ["IDS", "RULE", "SIZE", "TRACE_ID", "UNCOUNTED", "UNTRACED"]

# Keys of the WSGI environment.
TRACE_ID = "modern_flask.trace_id"  # 32 hexadecimal digits; the access log reads it
RULE = "modern_flask.rule"  # the URL rule that matched
SIZE = "modern_flask.size"  # bytes of a file that the server itself sends
UNCOUNTED = "modern_flask.uncounted"

# An attribute of an exception: (trace id, span id).
IDS = "_modern_flask_ids"

# An attribute of a view.
UNTRACED = "_modern_flask_untraced"
