"""OpenTelemetry's own variables, checked before it would raise a bare ValueError.

Samplers and resource attributes it reads itself, and says in one line what it can't
(opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from ..config.values import Origin, find_origin
from ..errors import UnknownChoice
from .errors import BadLimit

__all__ = ["check_limits", "check_propagators", "origin_in"]

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
    """
    Raises:
        BadLimit: A limit of spans is no whole number from 0 on.
    """
    for variable in LIMITS:
        value = environ.get(variable, "").strip()
        if value and not (value.isascii() and value.isdecimal()):
            raise BadLimit(variable, value, origin_in(settings, variable, environ))


def check_propagators(environ: Mapping[str, str], settings: _Settings) -> None:
    """To be called before OpenTelemetry is imported, which loads them.

    Raises:
        UnknownChoice: One that is not installed.
    """
    value = environ.get(_PROPAGATORS)
    names = [part.strip() for part in value.split(",")] if value else []
    known = {"none"}
    if names:
        known |= {each.name for each in entry_points(group="opentelemetry_propagator")}
    for name in names:
        if name not in known:
            origin = origin_in(settings, _PROPAGATORS, environ)
            raise UnknownChoice(_PROPAGATORS, name, "propagator", origin, sorted(known))


def origin_in(
    settings: _Settings, variable: str, environ: Mapping[str, str]
) -> Origin | None:
    """Where the variable's value was set, if it is the configuration's."""
    name = variable.removeprefix("OTEL_").lower()
    same = str(settings.get(name)) == environ[variable]
    return find_origin(settings, name) if same else None
