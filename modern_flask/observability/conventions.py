"""A WSGI environment in the words of the stable conventions for HTTP servers.

opentelemetry.io/docs/specs/semconv/http/http-spans
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..config.masking import MASK, is_secret

__all__ = ["METHODS", "describe", "path_of"]

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
_PAIR = re.compile(r"([^=&]+)=([^&]*)")
# The header is the client's: int() refuses 5,000 digits, and a backend 64 bits.
_PORT = re.compile(r"[0-9]{1,5}")
# The conventions name these; the kit's own rule finds the others.
_SIGNATURES = frozenset({"awsaccesskeyid", "signature", "sig", "x-goog-signature"})


def describe(environ: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are known before the request is handled."""
    method = environ["REQUEST_METHOD"]
    found: dict[str, Any] = {
        "http.request.method": method,
        "url.scheme": environ["wsgi.url_scheme"],
        "url.path": path_of(environ),
    }
    if method not in METHODS:
        found["http.request.method"] = "_OTHER"
        found["http.request.method_original"] = method
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME")
    if host:
        address, colon, port = host.rpartition(":")
        named = bool(colon) and _PORT.fullmatch(port) is not None
        found["server.address"] = address if named else host
        port = port if named else environ.get("SERVER_PORT", "")
        if _PORT.fullmatch(port):
            found["server.port"] = int(port)
    query = environ.get("QUERY_STRING")
    if query:
        found["url.query"] = _PAIR.sub(_hidden, query)
    peer = environ.get("REMOTE_ADDR")
    if peer:
        # Werkzeug's ProxyFix has put the client's address there, and it alone knows
        # which proxies are trusted; the raw header can be forged.
        found["client.address"] = peer
        behind = environ.get("werkzeug.proxy_fix.orig")
        found["network.peer.address"] = behind["REMOTE_ADDR"] if behind else peer
    agent = environ.get("HTTP_USER_AGENT")
    if agent:
        found["user_agent.original"] = agent
    protocol = environ.get("SERVER_PROTOCOL", "")
    if protocol.startswith("HTTP/"):
        found["network.protocol.version"] = protocol[5:]
    return found


def path_of(environ: Mapping[str, Any]) -> str:
    """The path as text: WSGI hands over its bytes as Latin-1."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if not path.isascii():
        path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    return path or "/"


def _hidden(pair: re.Match[str]) -> str:
    name = pair[1]
    secret = name.lower() in _SIGNATURES or is_secret(name)
    return f"{name}={MASK}" if secret else pair[0]
