"""Checks OpenTelemetry's own variables before it raises a bare ValueError.

Samplers and resource attributes need no check: OpenTelemetry logs one line for a value
that it can't read
(opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from ..config.values import Origin, find_origin
from ..errors import UnknownChoice
from .errors import BadLimit

__all__ = ["check_limits", "check_propagators", "find_variable_origin"]

LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)
_PROPAGATORS = "OTEL_PROPAGATORS"

_Settings = Mapping[str, Any]


def check_limits(environ: Mapping[str, str], settings: _Settings) -> None:
    """Check the limits for spans.

    Args:
        environ: The environment that OpenTelemetry reads.
        settings: The ``OTEL_`` section; it has the origin of each value.

    Raises:
        BadLimit: A limit is not a whole number of 0 or more.
    """
    for variable in LIMITS:
        value = environ.get(variable, "").strip()
        if value and not (value.isascii() and value.isdecimal()):
            raise BadLimit(
                variable, value, find_variable_origin(settings, variable, environ)
            )


def check_propagators(environ: Mapping[str, str], settings: _Settings) -> None:
    """Check ``OTEL_PROPAGATORS`` before the import of OpenTelemetry loads them.

    Args:
        environ: The environment that OpenTelemetry reads.
        settings: The ``OTEL_`` section; it has the origin of each value.

    Raises:
        UnknownChoice: A propagator is not installed.
    """
    value = environ.get(_PROPAGATORS)
    names = [part.strip() for part in value.split(",")] if value else []
    known = {"none"}
    if names:
        known |= {each.name for each in entry_points(group="opentelemetry_propagator")}
    for name in names:
        if name not in known:
            origin = find_variable_origin(settings, _PROPAGATORS, environ)
            raise UnknownChoice(_PROPAGATORS, name, "propagator", origin, sorted(known))


def find_variable_origin(
    settings: _Settings, variable: str, environ: Mapping[str, str]
) -> Origin | None:
    """Return the origin of a variable's value; None if no ``OTEL_`` key has set it."""
    name = variable.removeprefix("OTEL_").lower()
    same = str(settings.get(name)) == environ[variable]
    return find_origin(settings, name) if same else None
