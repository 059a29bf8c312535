"""Bytes that are kept in memory up to a bound, and beyond it in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from typing import Any

__all__ = ["Spool", "make_file", "write_all"]

_BLOCK = 65536


class Spool:
    """Bytes of a body.

    Args:
        memory: Bytes that stay in memory; more of them go to a temporary file.
        expected: The number of bytes to come, if it is known.
    """

    def __init__(self, memory: int, expected: int = 0) -> None:
        self._memory, self._size = memory, 0
        self._file: Any = make_file() if expected > memory else BytesIO()

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            OSError: The disk is full, for example.
        """
        self._size += len(data)
        file = self._file
        if isinstance(file, BytesIO):
            if self._size <= self._memory:
                file.write(data)
                return
            self._file = make_file()
            write_all(self._file, file.getvalue())
        write_all(self._file, data)

    def open(self) -> Any:
        """Return all bytes as a file that reads lines as quickly as blocks."""
        self._file.seek(0)
        if not isinstance(self._file, BytesIO):
            self._file = BufferedReader(self._file, _BLOCK)
        return self._file

    def iterate(self) -> Iterator[bytes]:
        """Yield all bytes in blocks."""
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            yield block

    def close(self) -> None:
        self._file.close()


def make_file() -> Any:
    """Make a temporary file that is deleted when nothing refers to it anymore.

    It has no buffer: the flush of one would fail again when a full disk has already
    ended a request.
    """
    return tempfile.TemporaryFile(buffering=0)


def write_all(file: Any, data: bytes | memoryview) -> None:
    """Write to a file without a buffer, which may take a part only (write(2)).

    Raises:
        OSError: The disk is full, for example.
    """
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
