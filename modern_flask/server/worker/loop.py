"""The event loop: accepts connections, and moves them from one state to the next.

One thread runs it at a time, the one that holds ``lock``. It never waits for a client,
and never calls the app.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from .connection import Connection, State
from .listeners import Listener, read_wait
from .poller import READ, WRITE, Poller
from .receiver import Receiver, Refused
from .sender import Sender
from .service import Service, make_error

__all__ = ["Loop"]

_ACCEPTS = 64  # connections in one round
_LINGER = 2.0  # seconds
_BEAT = 1.0  # seconds
_STOP_BEAT = 0.02
_TRUSTED_WAIT = 0.001  # seconds: below, the clock of the loop says enough
_FAILED = make_error(500, "Internal Server Error")
_TIMEOUT = make_error(408, "Request Timeout")
_OVERLOADED = make_error(
    503, "Service Unavailable", "too many requests wait", "Retry-After: 1"
)
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Loop:
    """Holds the connections of a worker.

    Args:
        service: The app, and how it is served.
        listeners: The listening sockets.
        pipe: The read end and the write end of the pipe that wakes the loop. Gunicorn
            writes the numbers of signals to it.
        report: Gunicorn's ``handle_error``.
        handle_signals: Called with the bytes of the pipe.
        beat: Called about once a second.
    """

    def __init__(
        self,
        service: Service,
        listeners: list[Listener],
        pipe: tuple[int, int],
        report: Callable[..., None],
        handle_signals: Callable[[bytes], None],
        beat: Callable[[float], None],
    ) -> None:
        self._service, self._pipe = service, pipe
        self._handle_signals, self._beat = handle_signals, beat
        self.listeners = {listener.fd: listener for listener in listeners}
        self._accepting = dict(self.listeners)
        self._poller = Poller()
        self.sender = Sender(service.limits, self.wake)
        self._receiver = Receiver(service, self.sender, report)
        self.lock = threading.Lock()
        self.connections: dict[int, Connection] = {}
        self.ready: deque[Connection] = deque()
        """Complete requests for the app, the oldest first."""
        self.pages: Callable[[Connection], bool] = lambda connection: False
        """Answers a request for a page of the kit; returns False for other requests."""
        self.returned: deque[Connection] = deque()
        """Connections whose request another thread has answered."""
        self.polled = self._begun = self._before = monotonic()
        self._next_beat = 0.0
        self._poller.register(pipe[0], READ)
        for fd in self._accepting:
            self._poller.register(fd, READ)

    def wake(self) -> None:
        """Make a loop that waits look around, from any thread."""
        with suppress(BlockingIOError):
            os.write(self._pipe[1], b"\0")

    def beat_now(self) -> None:
        """Call ``beat`` at the next step."""
        self._next_beat = 0.0

    def step(self, wait: bool) -> None:
        """Handle what has happened.

        Args:
            wait: Whether to wait until something happens.
        """
        now = monotonic()
        if now >= self._next_beat:
            self._next_beat = now + (_STOP_BEAT if self.sender.is_stopping else _BEAT)
            self._close_late(now)
            self._resume_accepting()
            self._beat(now)
        waits = wait and not self.returned
        seconds = max(0.0, self._next_beat - now) if waits else 0.0
        events = self._poller.wait(seconds)
        # Bytes that are there now came after the loop looked the last time, or while
        # it waited. So they can't have waited for longer than that.
        woken = monotonic()
        self._before = self._begun if woken - now < 5e-5 else woken
        self._begun = woken
        for fd, event in events:
            if fd in self._accepting:
                self._accept(self._accepting[fd])
            elif fd == self._pipe[0]:
                self._handle_signals(os.read(fd, 4096))
            elif (connection := self.connections.get(fd)) is not None:
                self._guard(connection, self._handle, event)
        while self.sender.unsent:
            self._watch_unsent(self.sender.unsent.popleft())
        while self.returned:
            self.finish(self.returned.popleft())
        self.polled = monotonic()

    def stop_accepting(self) -> None:
        """Leave the listening sockets to others."""
        self._pause_accepting()
        self.listeners.clear()

    def _pause_accepting(self) -> None:
        """Let connections wait in the kernel until the next beat."""
        for fd in self._accepting:
            self._poller.unregister(fd)
        self._accepting.clear()

    def _resume_accepting(self) -> None:
        for fd in self.listeners.keys() - self._accepting.keys():
            self._poller.register(fd, READ)
            self._accepting[fd] = self.listeners[fd]

    def _accept(self, listener: Listener) -> None:
        most = self._service.cfg.worker_connections
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _FULL and self._close_one_idle():
                    continue
                if error.errno != errno.ECONNABORTED:
                    self._service.log.error("accept: %s", error)
                    self._pause_accepting()
                return
            connection = Connection(sock, address, listener, self._begun)
            connection.deadline += self._service.limits.head_timeout
            if len(self.connections) >= most and not self._close_one_idle():
                self._pause_accepting()
            self.connections[connection.fd] = connection
            self._guard(connection, self._receive)
            if not self._accepting:
                return

    def _close_one_idle(self) -> bool:
        """Make room for a connection; return False if none is idle."""
        for connection in self.connections.values():
            if connection.state == State.IDLE and not connection.buffer:
                self.close(connection)
                return True
        return False

    def _guard(
        self, connection: Connection, handle: Callable[..., None], *words: int
    ) -> None:
        """Call ``handle``; an error, such as a full disk, ends only this connection."""
        try:
            handle(connection, *words)
        except Exception:
            self._service.log.exception("A connection failed.")
            self._end(connection, _FAILED)

    def _handle(self, connection: Connection, event: int) -> None:
        state = connection.state
        if state == State.APP:
            self._handle_in_app(connection, event)
        elif state == State.WRITE:
            self._flush(connection)
        elif state == State.LINGER:
            self._drop_input(connection)
        else:
            self._receive(connection)

    def _handle_in_app(self, connection: Connection, event: int) -> None:
        """Send the rest of a stream; what the client sends meanwhile waits."""
        has_rest = event & WRITE and not self.sender.flush(connection)
        self._watch(connection, WRITE if has_rest else 0)

    def _watch_unsent(self, connection: Connection) -> None:
        is_open = self.connections.get(connection.fd) is connection
        if is_open and connection.state == State.APP:
            self._watch(connection, WRITE)

    def _receive(self, connection: Connection) -> None:
        try:
            if self._receiver.receive(connection):
                self._admit(connection)
            else:
                self._watch(connection, READ)
        except Refused as refused:
            self._end(connection, refused.response)

    def _admit(self, connection: Connection) -> None:
        """Put a complete request behind those that wait for the app."""
        connection.state = State.APP
        if self.sender.is_stopping or not self._service.cfg.keepalive:
            connection.keep = False
        if self.pages(connection):
            return
        if len(self.ready) >= self._service.limits.queue_limit:
            self._end(connection, _OVERLOADED)
            return
        waited = self._begun - self._before if self._before < self._begun else 0.0
        if waited > _TRUSTED_WAIT:
            waited = read_wait(connection.sock)
        connection.arrived = self._begun - waited
        self.ready.append(connection)

    def finish(self, connection: Connection) -> None:
        """Go on with a connection whose request was answered."""
        connection.forget_request()
        if connection.is_broken:
            self.close(connection)
        elif connection.outgoing is not None:
            connection.state = State.WRITE
            connection.deadline = monotonic() + self._service.limits.write_timeout
            self._flush(connection)
        else:
            self._go_on(connection)

    def _flush(self, connection: Connection) -> None:
        outgoing = connection.outgoing
        assert outgoing is not None
        before = outgoing.size
        if not self.sender.flush(connection):
            if outgoing.size != before:
                timeout = self._service.limits.write_timeout
                connection.deadline = monotonic() + timeout
            self._watch(connection, WRITE)
            return
        outgoing.close()
        connection.outgoing = None
        if connection.is_broken:
            self.close(connection)
        else:
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        """Read the next request of a connection, or end it."""
        if not connection.keep:
            self._end(connection)
            return
        connection.state = State.IDLE
        connection.idle_since = monotonic()
        connection.deadline = connection.idle_since + self._service.cfg.keepalive
        if not connection.buffer:
            self._watch(connection, READ)
            return
        try:
            if self._receiver.read_head(connection):
                self._admit(connection)
            else:
                self._watch(connection, READ)
        except Refused as refused:
            self._end(connection, refused.response)

    def _end(self, connection: Connection, last: bytes = b"") -> None:
        """Send the last bytes, and close in a way that lets the client read them.

        A close with unread bytes resets the connection (RFC 9112, section 9.6), so the
        client closes first, or it has time to do so.
        """
        connection.forget_request()
        if last:
            self.sender.send(connection, last)
        if connection.is_broken:
            self.close(connection)
        elif connection.outgoing is not None:
            connection.keep, connection.buffer = False, b""
            connection.state = State.WRITE
            connection.deadline = monotonic() + self._service.limits.write_timeout
            self._watch(connection, WRITE)
        elif last or connection.buffer:
            self._linger(connection)
        else:
            self.close(connection)

    def _linger(self, connection: Connection) -> None:
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close(connection)
            return
        connection.state, connection.buffer = State.LINGER, b""
        connection.deadline = monotonic() + _LINGER
        self._watch(connection, READ)

    def _drop_input(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(connection)

    def close(self, connection: Connection) -> None:
        """Close a connection at once."""
        if self.connections.pop(connection.fd, None) is None:
            return
        if connection.interest:
            with suppress(OSError, KeyError):
                self._poller.unregister(connection.fd)
        if connection.outgoing is not None:
            connection.outgoing.close()
        connection.forget_request()
        connection.sock.close()
        connection.is_broken = True

    def _watch(self, connection: Connection, interest: int) -> None:
        before = connection.interest
        if before == interest:
            return
        if not before:
            self._poller.register(connection.fd, interest)
        elif interest:
            self._poller.modify(connection.fd, interest)
        else:
            self._poller.unregister(connection.fd)
        connection.interest = interest

    def _close_late(self, now: float) -> None:
        """Close the connections of clients that are too slow."""
        late = [
            connection
            for connection in self.connections.values()
            if connection.deadline < now and connection.state != State.APP
        ]
        for connection in late:
            if connection.state in (State.HEAD, State.BODY):
                self._end(connection, _TIMEOUT)
            else:
                self.close(connection)

    def count_busy(self) -> int:
        """Count the connections that have a request or a response under way."""
        resting = (State.IDLE, State.LINGER)
        return sum(each.state not in resting for each in self.connections.values())

    def has_fresh_idle(self, since: float) -> bool:
        """Whether a connection has been idle only since then: a request may come."""
        return any(
            each.state == State.IDLE and each.idle_since > since
            for each in self.connections.values()
        )

    def refuse_waiting(self, response: bytes) -> None:
        """Answer all requests that wait for the app."""
        while self.ready:
            self._end(self.ready.popleft(), response)
