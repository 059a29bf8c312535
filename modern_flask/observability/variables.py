"""Checks OpenTelemetry's own variables before it raises a bare ValueError.

Samplers and resource attributes need no check: OpenTelemetry logs one line for a value
that it can't read
(opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from ..config.values import Origin, find_origin
from ..errors import UnknownChoice
from .errors import BadLimit

__all__ = [
    "check_limits",
    "check_propagators",
    "find_variable_origin",
    "is_disabled",
    "list_without_effect",
]

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

# Standard variables for parts of the SDK that a service of the kit does not have:
# metrics and logs go other ways, and the kit's own middleware makes the server spans.
_WITHOUT_EFFECT = re.compile(
    "OTEL_(?:METRICS|LOGS)_EXPORTER|OTEL_EXPORTER_OTLP_(?:METRICS|LOGS)_.+"
    "|OTEL_EXPORTER_OTLP_(?:TRACES_)?INSECURE|OTEL_EXPORTER_PROMETHEUS_.+"
    "|OTEL_METRIC_EXPORT_.+|OTEL_METRICS_EXEMPLAR_FILTER|OTEL_BLRP_.+|OTEL_LOGRECORD_.+"
    "|OTEL_LOG_LEVEL|OTEL_(?:EXPERIMENTAL_)?CONFIG_FILE|OTEL_PYTHON_ID_GENERATOR"
    "|OTEL_PYTHON_(?:METER|LOGGER)_PROVIDER|OTEL_PYTHON_(?:DISTRO|CONFIGURATOR)"
    "|OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED"
    "|OTEL_PYTHON_LOG_(?:AUTO_INSTRUMENTATION|HANDLER_LEVEL|CODE_ATTRIBUTES)"
    "|OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_.+"
    "|OTEL_EXPORTER_ZIPKIN_PROTOCOL|OTEL_EXPORTER_JAEGER_(?:PROTOCOL|CERTIFICATE|GRPC_.+)"
)
_NO_VALUES = ("", "none", "false")

_Settings = Mapping[str, Any]


def is_disabled(environ: Mapping[str, str]) -> bool:
    """Whether ``OTEL_SDK_DISABLED`` switches all of OpenTelemetry off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def list_without_effect(environ: Mapping[str, str]) -> list[str]:
    """List the standard variables that are set and have no effect on a service.

    Args:
        environ: The environment that OpenTelemetry reads.
    """
    found = [
        name
        for name, value in environ.items()
        if _WITHOUT_EFFECT.fullmatch(name) and value.strip().lower() not in _NO_VALUES
    ]
    if environ.get("OTEL_EXPORTER") and environ.get("OTEL_TRACES_EXPORTER"):
        found.append("OTEL_TRACES_EXPORTER")
    return sorted(found)


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
