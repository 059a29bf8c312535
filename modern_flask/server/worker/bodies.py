"""Collects the body of a request before the app is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .chunks import ChunkDecoder
from .spool import Spool

__all__ = ["ChunkedBody", "CountedBody"]


class CountedBody:
    """A body whose length is known.

    Args:
        length: Bytes.
        memory: A longer body goes to a temporary file.
    """

    def __init__(self, length: int, memory: int) -> None:
        self.missing = length
        self.received = 0
        self._spool = Spool(memory, length)

    def feed(self, data: bytes) -> bytes | None:
        """Add bytes; return those that follow the body, None while it is not there."""
        part = data[: self.missing]
        self._spool.write(part)
        self.missing -= len(part)
        self.received += len(part)
        return None if self.missing else data[len(part) :]

    def open(self) -> Any:
        """Return the complete body as a file."""
        return self._spool.open()

    def close(self) -> None:
        self._spool.close()


class ChunkedBody:
    """A chunked body (RFC 9112, section 7.1).

    Args:
        request: Gunicorn's request, which gets the trailers.
        memory: A longer body goes to a temporary file.
    """

    def __init__(self, request: Any, memory: int) -> None:
        self.received = 0
        self._decoder = ChunkDecoder(request)
        self._spool = Spool(memory)

    def feed(self, data: bytes) -> bytes | None:
        """Add bytes; return those that follow the body, None while it is not there.

        Raises:
            Exception: One of :mod:`gunicorn.http.errors`: the body is malformed.
        """
        self.received += len(data)
        self._spool.write(self._decoder.decode(data))
        return self._decoder.rest if self._decoder.is_complete else None

    def open(self) -> Any:
        """Return the complete body as a file."""
        return self._spool.open()

    def stream(self, more: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the body when it is too long to be collected.

        Args:
            more: The encoded bytes that follow those that were fed.

        Raises:
            Exception: One of :mod:`gunicorn.http.errors`: the body is malformed.
        """
        yield from self._spool.iterate()
        decoder = self._decoder
        for data in more:
            if part := decoder.decode(data):
                yield part
            if decoder.is_complete:
                return

    def close(self) -> None:
        self._spool.close()
