"""The methods that are known. Any other method is client input: no metric has it."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["METHODS", "load_methods"]

_VARIABLE = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
# RFC 9110, section 9, and RFC 5789.
_STANDARD = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)

METHODS = set(_STANDARD)
"""The known methods of the process; :func:`load_methods` sets them."""


def load_methods(environ: Mapping[str, str]) -> None:
    """Read the known methods from OpenTelemetry's variable; by default HTTP's own.

    The names in the variable are separated by commas. They replace the default, and
    case matters (opentelemetry.io/docs/specs/semconv/http/http-spans).
    """
    names = {name.strip() for name in environ.get(_VARIABLE, "").split(",")} - {""}
    known = names or _STANDARD
    # Another thread may be looking up a method: a known one never disappears.
    METHODS.update(known)
    METHODS.intersection_update(known)
