"""Reads the plain head of a request, which is nearly every head.

Only what gunicorn's own parser reads in the same way counts as plain. Every other head
is left to that parser, so gunicorn decides what a valid request is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn.http.message import _ip_in_allow_list

__all__ = ["PlainHeads", "has_bare_line_feed"]

_PLAIN = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[\x21-\x7e]*) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*)\r\n"
)
# Fields that change how the message is framed or answered.
_UNUSUAL = frozenset(
    {b"TRANSFER-ENCODING", b"EXPECT", b"UPGRADE", b"TRAILER", b"TE", b"HTTP2-SETTINGS"}
)
_LONGEST_HEAD = 4000  # bytes; a longer one is rare, and gunicorn's limits decide
_MOST_NAMES = 1000  # a client must not make the table of names grow
_DIGITS = re.compile(r"[0-9]{1,15}")


class PlainHeads:
    """Makes the environ of requests with a plain head.

    Args:
        cfg: Gunicorn's settings. Its limits hold here too.
        script_name: The prefix of all paths (PEP 3333). With one, no head is plain.
    """

    def __init__(self, cfg: Any, script_name: str = "") -> None:
        self._cfg = cfg
        limits = (cfg.limit_request_line, cfg.limit_request_field_size)
        self._longest = min(_LONGEST_HEAD, *(limit for limit in limits if limit > 0))
        self._most_fields = cfg.limit_request_fields
        if script_name:
            self._longest = 0
        self._keys: dict[bytes, str] = {}
        self._secure = {
            "HTTP_" + name.replace("-", "_"): value
            for name, value in cfg.secure_scheme_headers.items()
        }

    def read(
        self, data: bytes, end: int, base: Mapping[str, Any], peer: Any
    ) -> dict[str, Any] | None:
        """Make the environ of a request.

        Args:
            data: Bytes that begin with the head.
            end: The index of the empty line that ends the head.
            base: The part of the environ that is the same for all requests.
            peer: The address of the peer.

        Returns:
            None if the head is not plain.
        """
        match = _PLAIN.match(data, 0, end + 4)
        if match is None or match.end() != end + 4 or end > self._longest:
            return None
        method, target, block = match.groups()
        environ = dict(base)
        keys = self._keys
        lines = block.split(b"\r\n")
        lines.pop()
        if len(lines) > self._most_fields:
            return None
        for line in lines:
            name, _, value = line.partition(b":")
            key = keys.get(name)
            if key is None:
                key = self._add_key(name)
            if not key or key in environ:
                return None
            environ[key] = value.decode("latin-1").strip(" \t")
        return self._finish(environ, method, target.decode("ascii"), peer)

    def _add_key(self, name: bytes) -> str:
        """Return the key of a field's name; empty if the field is unusual."""
        upper = name.upper()
        key = "" if upper in _UNUSUAL else upper.decode("ascii").replace("-", "_")
        if key and upper not in (b"CONTENT-TYPE", b"CONTENT-LENGTH"):
            key = "HTTP_" + key
        if len(self._keys) < _MOST_NAMES:
            self._keys[name] = key
        return key

    def _finish(
        self, environ: dict[str, Any], method: bytes, target: str, peer: Any
    ) -> dict[str, Any] | None:
        if "#" in target or target[:2] == "//":
            return None
        length = environ.get("CONTENT_LENGTH")
        if length is not None and not _DIGITS.fullmatch(length):
            return None
        if not self._secure.keys().isdisjoint(environ):
            given = self._secure.keys() & environ.keys()
            if len(given) > 1:
                # They may contradict each other.
                return None
            if self._is_trusted(peer):
                (name,) = given
                secure = environ[name] == self._secure[name]
                environ["wsgi.url_scheme"] = "https" if secure else "http"
        environ["REQUEST_METHOD"] = method.decode("ascii")
        environ["RAW_URI"] = target
        path, _, environ["QUERY_STRING"] = target.partition("?")
        if "%" in path:
            path = unquote_to_bytes(path).decode("latin-1")
        environ["PATH_INFO"] = path
        return environ

    def _is_trusted(self, peer: Any) -> bool:
        """Whether the peer is a proxy that may set the scheme."""
        if not isinstance(peer, tuple):
            return True
        cfg = self._cfg
        networks = cfg.forwarded_allow_networks()
        return bool(_ip_in_allow_list(peer[0], cfg.forwarded_allow_ips, networks))


def has_bare_line_feed(data: bytes, searched: int) -> bool:
    """Whether a line ends without CR, so that a head can't become valid.

    Args:
        data: Lines.
        searched: The number of bytes that were searched before.
    """
    if data[searched - 1 : searched] == b"\r":
        searched -= 1
    return data.count(b"\n", searched) != data.count(b"\r\n", searched)
