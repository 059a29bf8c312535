"""The rest of a response that a slow client has not taken yet."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import deque
from typing import Any

from .spool import make_file, write_all

__all__ = ["DONT_WAIT", "Outgoing"]

DONT_WAIT = socket.MSG_DONTWAIT
_BLOCK = 262144
_SENDS_FILES = sys.platform == "linux"


class _FilePart:
    """Bytes of a file that are still to be sent."""

    __slots__ = ("count", "file", "is_closed_at_end", "offset")

    def __init__(self, file: int, offset: int, count: int, close: bool) -> None:
        self.file, self.offset, self.count = file, offset, count
        self.is_closed_at_end = close

    def send(self, sock: socket.socket) -> int:
        """Send bytes without waiting, and return their number."""
        if _SENDS_FILES:
            return os.sendfile(sock.fileno(), self.file, self.offset, self.count)
        block = os.pread(self.file, min(_BLOCK, self.count), self.offset)
        return sock.send(block, DONT_WAIT)


class Outgoing:
    """Bytes that wait for a client: in memory, then in a temporary file.

    The app's thread adds to them while the loop sends them.

    Args:
        sock: The client's socket.
        memory: Bytes in memory; what follows them goes to the file.
    """

    def __init__(self, sock: socket.socket, memory: int) -> None:
        self._sock, self._memory = sock, memory
        self._parts: deque[memoryview | _FilePart] = deque()
        self._spool: Any = None
        self._spooled = 0
        self._in_memory = 0
        self.size = 0
        self.lock = threading.Lock()

    def add(self, data: bytes | memoryview) -> None:
        """Add bytes behind all others."""
        with self.lock:
            self.size += len(data)
            if self._in_memory + len(data) <= self._memory:
                self._in_memory += len(data)
                self._parts.append(memoryview(data))
                return
            if self._spool is None:
                self._spool = make_file()
                # sendfile has no flag that keeps it from waiting.
                self._sock.setblocking(False)
            write_all(self._spool, data)
            last = self._parts[-1] if self._parts else None
            if isinstance(last, _FilePart) and last.file == self._spool.fileno():
                last.count += len(data)
            else:
                part = _FilePart(
                    self._spool.fileno(), self._spooled, len(data), close=False
                )
                self._parts.append(part)
            self._spooled += len(data)

    def add_file(self, file: int, offset: int, count: int) -> None:
        """Add ``count`` bytes of a file, and close its descriptor when all is sent."""
        with self.lock:
            self._sock.setblocking(False)
            self.size += count
            self._parts.append(_FilePart(file, offset, count, close=True))

    def flush(self) -> bool:
        """Send what the client takes now; return whether nothing is left.

        Raises:
            OSError: The connection is lost, or a file is shorter than it was.
        """
        with self.lock:
            while self._parts:
                try:
                    self._send(self._parts[0])
                except BlockingIOError:
                    return False
            if self._spooled:
                # A long stream must not fill the disk.
                self._spool.seek(0)
                self._spool.truncate()
                self._spooled = 0
            return True

    def _send(self, part: memoryview | _FilePart) -> None:
        if isinstance(part, memoryview):
            sent = self._sock.send(part, DONT_WAIT)
            self._in_memory -= sent
            self.size -= sent
            if sent == len(part):
                self._parts.popleft()
            else:
                self._parts[0] = part[sent:]
            return
        sent = part.send(self._sock)
        if not sent:
            raise OSError("the file is shorter than its response")
        self.size -= sent
        part.offset += sent
        part.count -= sent
        if not part.count:
            self._parts.popleft()
            if part.is_closed_at_end:
                os.close(part.file)

    def close(self) -> None:
        """Forget everything that is not sent."""
        with self.lock:
            for part in self._parts:
                if isinstance(part, _FilePart) and part.is_closed_at_end:
                    os.close(part.file)
            self._parts.clear()
            if self._spool is not None:
                self._spool.close()
