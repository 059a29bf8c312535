"""Sends responses, and never waits for a client longer than it must."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from time import monotonic

from .connection import Connection
from .limits import Limits
from .outgoing import DONT_WAIT, Outgoing

__all__ = ["Sender"]


class Sender:
    """Sends bytes at once if the client takes them; the loop sends the rest.

    Args:
        limits: The limits of the worker.
        wake: Wakes the loop, from any thread.
    """

    def __init__(self, limits: Limits, wake: Callable[[], None]) -> None:
        self._limits, self._wake = limits, wake
        self.is_stopping = False
        """Whether each response is the last one of its connection."""
        self.unsent: deque[Connection] = deque()
        """Connections of which the loop must send the rest."""

    def send(self, connection: Connection, data: bytes) -> None:
        """Send bytes; those that the client does not take now are kept."""
        if connection.is_broken:
            return
        outgoing = connection.outgoing
        if outgoing is not None:
            outgoing.add(data)
            self._push(connection, outgoing)
            return
        try:
            sent = connection.sock.send(data, DONT_WAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            connection.is_broken = True
            return
        if sent < len(data):
            self._make_outgoing(connection).add(memoryview(data)[sent:])
            self._tell_loop(connection)

    def send_file(
        self, connection: Connection, file: int, offset: int, count: int
    ) -> None:
        """Send a part of a file, and close its descriptor when all of it is sent."""
        outgoing = connection.outgoing or self._make_outgoing(connection)
        outgoing.add_file(file, offset, count)
        self._push(connection, outgoing)

    def flush(self, connection: Connection) -> bool:
        """Send what the client takes now; return whether nothing is left to send."""
        outgoing = connection.outgoing
        if outgoing is None or connection.is_broken:
            return True
        try:
            return outgoing.flush()
        except OSError:
            connection.is_broken = True
            return True

    def _make_outgoing(self, connection: Connection) -> Outgoing:
        memory = self._limits.unsent_memory
        outgoing = connection.outgoing = Outgoing(connection.sock, memory)
        return outgoing

    def _push(self, connection: Connection, outgoing: Outgoing) -> None:
        if self.flush(connection):
            return
        self._tell_loop(connection)
        if outgoing.size > self._limits.unsent_file:
            self._wait(connection, outgoing)

    def _tell_loop(self, connection: Connection) -> None:
        self.unsent.append(connection)
        self._wake()

    def _wait(self, connection: Connection, outgoing: Outgoing) -> None:
        """Wait in the app's thread until the client has taken the rest."""
        poll = select.poll()
        poll.register(connection.fd, select.POLLOUT)
        while outgoing.size:
            if not poll.poll(self._limits.write_timeout * 1000):
                connection.is_broken = True
            if self.flush(connection):
                return
            # The client takes it, so this is no call that hangs.
            connection.active = monotonic()
