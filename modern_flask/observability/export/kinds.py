"""Reads which exporters the environment names.

``OTEL_EXPORTER`` is the kit's own variable. The OpenTelemetry specification defines
``OTEL_TRACES_EXPORTER`` (configuration/sdk-environment-variables), and other packages
register exporters for it by an entry point.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ...errors import UnknownChoice, join_names
from ..variables import find_variable_origin

__all__ = ["choose_kinds", "make_exporter"]

_KINDS = ("console", "jaeger", "none", "otlp", "zipkin")
# The further names in OpenTelemetry for Python; the kit sends the same spans itself.
_VARIANTS = frozenset(
    {"otlp_proto_grpc", "otlp_proto_http", "otlp_json_http", "zipkin_json"}
    | {"zipkin_proto", "zipkin_proto_http", "jaeger_proto", "jaeger_thrift"}
)
_GROUP = "opentelemetry_traces_exporter"
_ENDPOINTS = (
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otlp"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp"),
    ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "zipkin"),
    ("OTEL_EXPORTER_JAEGER_ENDPOINT", "jaeger"),
)

logger = logging.getLogger(__name__)


def choose_kinds(environ: Mapping[str, str], settings: Mapping[str, Any]) -> list[str]:
    """Choose the exporters by their names; none for no tracing.

    Args:
        environ: The environment that OpenTelemetry reads.
        settings: The ``OTEL_`` section; it has the origin of each value.

    Raises:
        UnknownChoice: ``OTEL_EXPORTER`` names no exporter.
    """
    variable = "OTEL_EXPORTER"
    if value := environ.get(variable, "").strip().lower():
        kind = value.partition("_")[0]
        if kind not in _KINDS:
            origin = find_variable_origin(settings, variable, environ)
            raise UnknownChoice(variable, value, "exporter", origin, _KINDS)
        return [] if kind == "none" else [kind]
    if names := environ.get("OTEL_TRACES_EXPORTER", "").strip():
        found = [_find_kind(name.strip()) for name in names.split(",")]
        return [kind for kind in dict.fromkeys(found) if kind not in ("", "none")]
    kinds = [kind for variable, kind in _ENDPOINTS if environ.get(variable)]
    return kinds[:1]


def _find_kind(name: str) -> str:
    """Find the kind of an exporter; empty if nothing that is installed has the name."""
    plain = name.lower()
    if plain in _KINDS or plain in _VARIANTS or not name:
        return plain.partition("_")[0]
    if entry_points(group=_GROUP, name=name):
        return name
    _warn_of_unknown(name)
    return ""


@cache
def _warn_of_unknown(name: str) -> None:
    logger.warning(
        "OTEL_TRACES_EXPORTER names %s, but no installed package has an exporter with "
        "this name. No traces are sent there. Known names are %s.",
        name,
        join_names(_KINDS),
    )


def make_exporter(name: str) -> Any:
    """Make the exporter that another package has registered.

    Raises:
        Exception: The error of its import or of its constructor.
    """
    (found, *_) = entry_points(group=_GROUP, name=name)
    return found.load()()
