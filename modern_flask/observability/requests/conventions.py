"""The attributes of a request's span after the stable conventions for HTTP servers.

opentelemetry.io/docs/specs/semconv/http/http-spans
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...config.masking import MASK, is_secret
from ..http_methods import METHODS

__all__ = ["describe", "path_of", "route_of"]

_PAIR = re.compile(r"([^=&]+)=([^&]*)")
# A client may send any text: int() raises for 5,000 digits, and a back end rejects a
# number of more than 64 bits.
_PORT = re.compile(r"[0-9]{1,5}")
# Names from the conventions; `is_secret` knows the others.
_SIGNATURES = frozenset({"awsaccesskeyid", "signature", "sig", "x-goog-signature"})


def describe(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that are known before the app handles the request."""
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
        found["url.query"] = _PAIR.sub(_mask_pair, query)
    peer = environ.get("REMOTE_ADDR")
    if peer:
        # Werkzeug's ProxyFix puts the client's address there. Only ProxyFix knows which
        # proxies are trusted; anybody can forge the raw header.
        found["client.address"] = peer
        behind = environ.get("werkzeug.proxy_fix.orig")
        found["network.peer.address"] = behind["REMOTE_ADDR"] if behind else peer
        # Some servers put a number there, others a text.
        number = environ.get("REMOTE_PORT")
        if type(number) is str:
            number = int(number) if _PORT.fullmatch(number) else None
        if number:
            found["network.peer.port"] = number
    agent = environ.get("HTTP_USER_AGENT")
    if agent:
        found["user_agent.original"] = agent
    protocol = environ.get("SERVER_PROTOCOL", "")
    if protocol.startswith("HTTP/"):
        found["network.protocol.version"] = protocol[5:]
    return found


def path_of(environ: Mapping[str, Any]) -> str:
    """Return the path as text. WSGI passes its bytes as Latin-1 (PEP 3333)."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return _decode(path) or "/"


def route_of(environ: Mapping[str, Any], rule: str) -> str:
    """Return the URL rule with the root of the application in front.

    The root is the path where a server, a proxy or Werkzeug's ``DispatcherMiddleware``
    has mounted the app.
    """
    root: str = environ.get("SCRIPT_NAME", "")
    return _decode(root).rstrip("/") + rule if root else rule


def _decode(path: str) -> str:
    if path.isascii():
        return path
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _mask_pair(pair: re.Match[str]) -> str:
    name = pair[1]
    secret = name.lower() in _SIGNATURES or is_secret(name)
    return f"{name}={MASK}" if secret else pair[0]
