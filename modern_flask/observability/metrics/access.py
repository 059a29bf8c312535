"""Who may read the metrics: a token, and the addresses of the scrapers."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from ipaddress import (
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from werkzeug.wrappers import Response

from ...config.values import find_key, find_origin
from ..errors import BadAddress, EmptyToken

__all__ = ["Access"]

_Network = IPv4Network | IPv6Network


class Access:
    """Refuses requests without the token, or from an address that is not allowed.

    Args:
        settings: ``token``, which a scraper sends as a bearer token (RFC 6750, section
            2.1); ``allowed_addresses``, a list, or a text with commas, of addresses and
            networks. A setting that is missing refuses nobody.

    Raises:
        EmptyToken: The token is an empty text.
        BadAddress: One of the addresses can't be parsed.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._token = _read_token(settings)
        self._networks = _read_networks(settings)

    def refuse(self, environ: Mapping[str, Any]) -> Response | None:
        """Return the response for a request that may not read; None for one that may.

        The address is that of the peer: behind a proxy it is the proxy's.
        """
        if self._networks is not None and not self._contains(environ):
            return _make_refusal(403, "This address may not read the metrics.")
        if self._token is not None:
            scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            # WSGI decodes headers as Latin-1 (PEP 3333).
            sent = token.strip().encode("latin-1")
            if scheme.lower() != "bearer" or not compare_digest(sent, self._token):
                refusal = _make_refusal(401, "The metrics need a bearer token.")
                refusal.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
                return refusal
        return None

    def _contains(self, environ: Mapping[str, Any]) -> bool:
        try:
            # A peer on a Unix socket has no address.
            address = ip_address(environ.get("REMOTE_ADDR") or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks or ())


def _make_refusal(status: int, text: str) -> Response:
    return Response(text + "\n", status, content_type="text/plain; charset=utf-8")


def _read_token(settings: Mapping[str, Any]) -> bytes | None:
    token = settings.get("token")
    if token is None:
        return None
    if not str(token).strip():
        raise EmptyToken(find_key(settings, "token"), find_origin(settings, "token"))
    return str(token).strip().encode()


def _read_networks(settings: Mapping[str, Any]) -> list[_Network] | None:
    name = "allowed_addresses"
    given = settings.get(name)
    if given is None:
        return None
    parts = given.split(",") if isinstance(given, str) else given
    found: list[_Network] = []
    for part in parts if isinstance(parts, list | tuple | set) else [parts]:
        text = str(part).strip()
        try:
            # Not strict: 10.1.2.3/8 means the network of that address.
            found.append(ip_network(text, strict=False))
        except ValueError:
            key, origin = find_key(settings, name), find_origin(settings, name)
            raise BadAddress(key, text, origin) from None
    return found
