"""Collects the body of a request before the app is called."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader

__all__ = ["ChunkedBody", "CountedBody", "iterate_blocks", "make_file"]

_BLOCK = 65536
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LONGEST_LINE = 8192
_TRAILERS = -1


class CountedBody:
    """A body whose length is known.

    Args:
        length: Bytes.
        memory: A longer body goes to a temporary file.
    """

    def __init__(self, length: int, memory: int) -> None:
        self.missing = length
        self.received = 0
        self.file: Any = BytesIO() if length <= memory else make_file()

    def feed(self, data: bytes) -> bytes | None:
        """Add bytes; return those that follow the body, None while it is not there."""
        part = data[: self.missing]
        self.file.write(part)
        self.missing -= len(part)
        self.received += len(part)
        return None if self.missing else data[len(part) :]

    def open(self) -> Any:
        """Return the complete body as a file."""
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        self.file.close()


class ChunkedBody:
    """A chunked body (RFC 9112, section 7.1).

    This only finds its end, chunk by chunk. Gunicorn's reader decodes it, and refuses
    what is malformed.

    Args:
        request: Gunicorn's request, which gets the trailers.
        memory: A longer body goes to a temporary file.
    """

    def __init__(self, request: Any, memory: int) -> None:
        self._request, self._memory = request, memory
        self.received = 0
        self.is_malformed = False
        self.file: Any = make_file(memory)
        self._decoded: Any = None
        self._rest = b""
        self._skip = 0  # bytes of the current chunk, with its line end, or _TRAILERS

    def feed(self, data: bytes) -> bytes | None:
        """Add bytes; return those that follow the body, None while it is not there."""
        self.received += len(data)
        data, position = self._rest + data, 0
        while True:
            if self._skip == _TRAILERS:
                return self._feed_trailers(data, position)
            step = min(self._skip, len(data) - position)
            position, self._skip = position + step, self._skip - step
            if self._skip:
                break
            match = _CHUNK.match(data, position)
            if match is None:
                if self._is_bad_line(data[position:]):
                    self.file.write(data)
                    self.is_malformed = True
                    return b""
                break
            size = int(match[1], 16)
            position, self._skip = match.end(), size + 2 if size else _TRAILERS
        self.file.write(data[:position])
        self._rest = data[position:]
        return None

    def _feed_trailers(self, data: bytes, position: int) -> bytes | None:
        if data[position : position + 2] == b"\r\n":
            end = position + 2
        else:
            end = data.find(b"\r\n\r\n", position) + 4
            if end < 4:
                if len(data) - position > 4 * _LONGEST_LINE:
                    self.file.write(data)
                    self.is_malformed = True
                    return b""
                self.file.write(data[:position])
                self._rest = data[position:]
                return None
        self.file.write(data[:end])
        return data[end:]

    @staticmethod
    def _is_bad_line(line: bytes) -> bool:
        return len(line) > _LONGEST_LINE or b"\n" in line

    def open(self) -> Any:
        """Decode the complete body, and return it as a file.

        Raises:
            Exception: One of :mod:`gunicorn.http.errors`.
        """
        self.file.seek(0)
        reader = ChunkedReader(self._request, IterUnreader(iterate_blocks(self.file)))
        body, self._decoded = Body(reader), make_file(self._memory)
        self._request.body = body
        while part := body.read(_BLOCK):
            self._decoded.write(part)
        self._decoded.seek(0)
        return self._decoded

    def close(self) -> None:
        self.file.close()
        if self._decoded is not None:
            self._decoded.close()

    def take_raw(self) -> Iterator[bytes]:
        """Yield the encoded bytes so far, for a body that is too long to collect."""
        self.file.seek(0)
        yield from iterate_blocks(self.file)
        if self._rest:
            yield self._rest


def make_file(memory: int = 0) -> Any:
    """Make a temporary file that is deleted when nothing refers to it anymore.

    Args:
        memory: Bytes that stay in memory; 0 for none.
    """
    if memory:
        return tempfile.SpooledTemporaryFile(memory)
    return tempfile.TemporaryFile(buffering=0)


def iterate_blocks(file: Any) -> Iterator[bytes]:
    """Yield the blocks of a file from its position on."""
    while block := file.read(_BLOCK):
        yield block
