"""Decodes chunked bodies (RFC 9112, section 7.1)."""

from __future__ import annotations

import re
from typing import Any

from gunicorn.http.body import CHUNK_EXT_RE, ChunkedReader
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    InvalidChunkSize,
    InvalidHeader,
    LimitRequestHeaders,
)
from gunicorn.http.unreader import IterUnreader

from .heads import has_bare_line_feed

__all__ = ["ChunkDecoder"]

# The group is atomic, so that a line that does not end costs no more than its length.
_LINE = re.compile(
    rb"([0-9a-fA-F]{1,15})(?>%b)\r\n" % CHUNK_EXT_RE.pattern  # gunicorn's grammar
)
_LONGEST_LINE = 8192
_LONGEST_TRAILERS = 4 * _LONGEST_LINE


class ChunkDecoder:
    """Decodes the bytes of a chunked body as they come.

    Gunicorn's reader copies all bytes that it holds for each chunk, so a body of small
    chunks would stop the loop. Here only malformed lines and the trailers are left to
    it: it decides what is valid.

    Args:
        request: Gunicorn's request, which gets the trailers.

    Attributes:
        is_complete: Whether the end of the body has come.
        rest: What follows the body, once it is complete.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._missing = 0  # bytes of the current chunk
        self._needs_line_end = self._is_in_trailers = False
        self.is_complete = False
        self.rest = b""

    def decode(self, data: bytes) -> bytes:
        """Return the bytes of the body in ``data``.

        Raises:
            Exception: One of :mod:`gunicorn.http.errors`: the body is malformed.
        """
        searched = len(self.rest)
        data, self.rest = self.rest + data, b""
        position, parts = 0, []
        while not self._is_in_trailers:
            if self._missing:
                part = data[position : position + self._missing]
                parts.append(part)
                position += len(part)
                self._missing -= len(part)
            if self._missing or len(data) < position + 2:
                break
            if self._needs_line_end:
                if data[position : position + 2] != b"\r\n":
                    raise ChunkMissingTerminator(data[position : position + 2])
                position += 2
                self._needs_line_end = False
            # A line that comes in many parts is not searched again for each of them.
            match = None if searched else _LINE.match(data, position)
            if match is not None and match.end() - position <= _LONGEST_LINE:
                position, size = match.end(), int(match[1], 16)
            else:
                end = _find_line_end(data, position, searched)
                if end < 0:
                    break
                size = self._read_size(data[position : end + 2])
                position = end + 2
            self._missing = size
            self._needs_line_end = bool(size)
            self._is_in_trailers = not size
            searched = 0
        self.rest = data[position:]
        if self._is_in_trailers:
            self._read_trailers(searched)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_size(self, line: bytes) -> int:
        """Let gunicorn read a line that is malformed, or that came in parts."""
        reader = _make_reader(self._request)
        # The second line end is that of the trailers, if the size is 0.
        size, _ = reader.parse_chunk_size(IterUnreader(()), line + b"\r\n")
        return int(size)

    def _read_trailers(self, searched: int) -> None:
        data = self.rest
        if data[:2] == b"\r\n":
            end = 2
        else:
            end = data.find(b"\r\n\r\n", max(0, searched - 3)) + 4
            if end < 4:
                if len(data) > _LONGEST_TRAILERS:
                    raise LimitRequestHeaders("limit request trailer section size")
                if has_bare_line_feed(data, searched):
                    raise InvalidHeader("bare LF as line terminator")
                return
            reader = _make_reader(self._request)
            reader.parse_trailers(IterUnreader(()), data[:end])
        self.is_complete, self.rest = True, data[end:]


def _make_reader(request: Any) -> Any:
    reader = ChunkedReader(request, IterUnreader(()))
    # Its generator and the reader would keep each other alive.
    reader.parser = None
    return reader


def _find_line_end(data: bytes, position: int, searched: int) -> int:
    """Find the end of a line; -1 if it has not come yet.

    Raises:
        InvalidChunkSize: The line is too long, or it can't become valid.
    """
    end = data.find(b"\r\n", max(position, searched - 1))
    length = (len(data) if end < 0 else end) - position
    if length > _LONGEST_LINE or (end < 0 and b"\n" in data[position:]):
        raise InvalidChunkSize(data[position : position + 20])
    return end
