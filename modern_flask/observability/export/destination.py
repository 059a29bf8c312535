"""Reads the destination of spans from the environment.

``OTEL_EXPORTER`` is the kit's own variable. The OpenTelemetry specification defines
``OTEL_TRACES_EXPORTER`` and the ``OTEL_EXPORTER_*`` variables
(configuration/sdk-environment-variables). Those for Jaeger come from its former
exporter.
"""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from ...config.masking import redact
from ..errors import BadEndpoint, UnreadableFile
from ..variables import find_variable_origin, is_disabled
from .kinds import choose_kinds

__all__ = ["Destination", "choose_destinations"]

_ZIPKIN = "http://localhost:9411/api/v2/spans"
_JAEGER = "http://jaeger-collector:14268/api/traces"
_OTLP = "http://localhost:4318"
# A header's name and value (RFC 9110, section 5).
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_VISIBLE = re.compile(r"[\t\x20-\x7e]*")
TIMEOUT = 10.0  # seconds for one response, the specification's default

logger = logging.getLogger(__name__)

_NONE: Mapping[str, Any] = {}
_Settings = Mapping[str, Any]
_Encoder = Callable[[Sequence[Any]], bytes]


@dataclass(frozen=True)
class Destination:
    """A back end for spans, with its encoding and the details of its requests.

    Args:
        kind: The name of the back end in the configuration.
        endpoint: The URL; empty for the console.
        content_type: The media type of a body.
        encoding: ``zipkin``, ``thrift``, ``otlp`` or ``console``; ``exporter`` for an
            exporter of another package, which its ``kind`` names.
        headers: Further headers, which may hold credentials.
        timeout: Seconds for one response.
        compressed: Whether large bodies are compressed with gzip.
        authority: A file with the certificates to trust; None for the system's.
        certificate: The client's certificate, alone or with its key.
    """

    kind: str
    endpoint: str = field(repr=False)
    content_type: str
    encoding: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = TIMEOUT
    compressed: bool = True
    authority: str | None = None
    certificate: tuple[str, str] | str | None = field(default=None, repr=False)

    @property
    def key(self) -> tuple[Any, ...]:
        """A key that is equal for destinations that can share one uploader."""
        name = self.kind if self.encoding == "exporter" else self.encoding
        return (name, self.endpoint, tuple(sorted(self.headers.items())))

    def load_encoder(self) -> _Encoder:
        """Import the function that turns spans into a body."""
        if self.encoding == "zipkin":
            from .zipkin import encode

            return encode
        if self.encoding == "thrift":
            from .jaeger import encode as encode_thrift

            return encode_thrift
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        return lambda spans: encode_spans(spans).SerializeToString()

    def __str__(self) -> str:
        if self.encoding == "exporter":
            return f"the exporter {self.kind}"
        return f"{self.kind} at {redact(self.endpoint)}" if self.endpoint else "stdout"


def choose_destinations(
    environ: Mapping[str, str], settings: _Settings = _NONE
) -> list[Destination]:
    """Choose the back ends that the environment names; none for no tracing.

    ``OTEL_EXPORTER`` names one. ``OTEL_TRACES_EXPORTER`` is OpenTelemetry's own, and
    others set it for many services at once: it may name several, and exporters of other
    packages; a name that nothing installed has is logged.

    Args:
        environ: The environment that OpenTelemetry reads.
        settings: The ``OTEL_`` section; it has the origin of each value.

    Raises:
        UnknownChoice: ``OTEL_EXPORTER`` names no exporter.
        BadEndpoint: An endpoint is not a URL.
        UnreadableFile: A certificate or a key can't be read.
    """
    kinds = choose_kinds(environ, settings)
    if is_disabled(environ):
        return []
    _warn_of_agent(environ)
    return [_make_destination(kind, environ, settings) for kind in kinds]


def _make_destination(
    kind: str, environ: Mapping[str, str], settings: _Settings
) -> Destination:
    if kind == "console":
        return Destination("console", "", "", "console")
    if kind == "zipkin":
        return _make_zipkin(environ, settings)
    if kind == "jaeger" and environ.get("OTEL_EXPORTER_JAEGER_ENDPOINT"):
        return _make_jaeger(environ, settings)
    if kind in ("otlp", "jaeger"):
        return _make_otlp(kind, environ, settings)
    return Destination(kind, "", "", "exporter")


def _warn_of_agent(environ: Mapping[str, str]) -> None:
    for variable in ("HOST", "PORT"):
        name = f"OTEL_EXPORTER_JAEGER_AGENT_{variable}"
        if environ.get(name):
            logger.warning(
                "%s is set, but Jaeger's agent no longer exists. Set "
                "OTEL_EXPORTER_OTLP_ENDPOINT to the collector, such as "
                "http://jaeger-collector:4318.",
                name,
            )


def _make_zipkin(environ: Mapping[str, str], settings: _Settings) -> Destination:
    url = _read_url(environ, settings, "OTEL_EXPORTER_ZIPKIN_ENDPOINT", _ZIPKIN)
    return Destination(
        "zipkin",
        url or _ZIPKIN,
        "application/json",
        "zipkin",
        timeout=_read_seconds(environ, "OTEL_EXPORTER_ZIPKIN_TIMEOUT"),
    )


def _make_jaeger(environ: Mapping[str, str], settings: _Settings) -> Destination:
    headers = {}
    user = environ.get("OTEL_EXPORTER_JAEGER_USER")
    if user:
        password = environ.get("OTEL_EXPORTER_JAEGER_PASSWORD", "")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    return Destination(
        "jaeger",
        _read_url(environ, settings, "OTEL_EXPORTER_JAEGER_ENDPOINT", _JAEGER),
        "application/x-thrift",
        "thrift",
        headers,
        _read_seconds(environ, "OTEL_EXPORTER_JAEGER_TIMEOUT"),
    )


def _make_otlp(
    kind: str, environ: Mapping[str, str], settings: _Settings
) -> Destination:
    protocol = _read(environ, "PROTOCOL")
    if protocol and protocol != "http/protobuf":
        logger.warning(
            "OTEL_EXPORTER_OTLP_PROTOCOL is %s; spans are sent as http/protobuf. "
            "Point OTEL_EXPORTER_OTLP_ENDPOINT at the port for HTTP, which is 4318 by "
            "default.",
            protocol,
        )
    endpoint = _read_url(
        environ, settings, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", _OTLP + "/v1/traces"
    )
    if not endpoint:
        root = _read_url(environ, settings, "OTEL_EXPORTER_OTLP_ENDPOINT", _OTLP)
        endpoint = (root or _OTLP).rstrip("/") + "/v1/traces"
    certificate = _read_path(environ, settings, "CLIENT_CERTIFICATE")
    key = _read_path(environ, settings, "CLIENT_KEY")
    return Destination(
        kind,
        endpoint,
        "application/x-protobuf",
        "otlp",
        _read_headers(environ),
        _read_seconds(
            environ, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"
        ),
        _is_compressed(environ),
        _read_path(environ, settings, "CERTIFICATE"),
        (certificate, key) if certificate and key else certificate,
    )


def _read_url(
    environ: Mapping[str, str], settings: _Settings, variable: str, example: str
) -> str:
    """Read a URL; empty if the variable is not set."""
    value = environ.get(variable, "").strip()
    if value:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable:
            origin = find_variable_origin(settings, variable, environ)
            raise BadEndpoint(variable, value, example, origin)
    return value


def _choose_variable(environ: Mapping[str, str], name: str) -> str:
    """Name the variable for traces if it is set, else the one for all signals."""
    special = f"OTEL_EXPORTER_OTLP_TRACES_{name}"
    return special if environ.get(special) else f"OTEL_EXPORTER_OTLP_{name}"


def _read(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(_choose_variable(environ, name)) or None


def _read_path(
    environ: Mapping[str, str], settings: _Settings, name: str
) -> str | None:
    path = _read(environ, name)
    if path and not os.access(path, os.R_OK):
        variable = _choose_variable(environ, name)
        origin = find_variable_origin(settings, variable, environ)
        raise UnreadableFile(variable, path, origin)
    return path


def _is_compressed(environ: Mapping[str, str]) -> bool:
    chosen = _read(environ, "COMPRESSION")
    if chosen not in (None, "gzip", "none"):
        logger.warning(
            "%s is neither gzip nor none; gzip is used.",
            _choose_variable(environ, "COMPRESSION"),
        )
    return chosen != "none"


def _read_headers(environ: Mapping[str, str]) -> dict[str, str]:
    """Read ``a=1,b=2``, with percent-encoded values (W3C Baggage, no properties)."""
    found = {}
    for part in (_read(environ, "HEADERS") or "").split(","):
        name, equals, value = part.partition("=")
        name, value = name.strip(), unquote(value.strip())
        if equals and _TOKEN.fullmatch(name) and _VISIBLE.fullmatch(value):
            found[name] = value
        elif part.strip():
            # The log line omits the part, because it may be a half of a password.
            logger.warning(
                "%s: a part that is not name=value is left out. Write a comma in a "
                "value as %%2C.",
                _choose_variable(environ, "HEADERS"),
            )
    return found


def _read_seconds(environ: Mapping[str, str], *variables: str) -> float:
    """Read seconds from the first variable that is set, as OpenTelemetry does."""
    for variable in variables:
        value = environ.get(variable)
        if not value:
            continue
        try:
            found = float(value)
        except ValueError:
            found = 0.0
        if 0 < found < float("inf"):
            return found
        logger.warning(
            "%s is not a number of seconds; %g s is used.", variable, TIMEOUT
        )
    return TIMEOUT
