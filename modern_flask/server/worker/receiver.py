"""Reads requests: bytes become a head, a head becomes an environ, a body is collected.

Everything here runs in the loop, so nothing waits.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain
from time import monotonic
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.body import Body, ChunkedReader, EOFReader, LengthReader
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import IterUnreader

from ..errors import ClientGone
from .bodies import ChunkedBody, CountedBody
from .connection import Connection, State
from .heads import PlainHeads, has_bare_line_feed
from .outgoing import DONT_WAIT
from .sender import Sender
from .service import Service, make_error

__all__ = ["Receiver", "Refused"]

_READ = 65536  # bytes in one call of recv
_LONGEST_HEAD = 131072  # bytes, unless limits of gunicorn are larger
_END = b"\r\n\r\n"
_TIMEOUT = make_error(408, "Request Timeout")


class Refused(Exception):
    """The bytes are no request that may be answered; the connection must end.

    Args:
        response: The last bytes for the client; empty for none.
    """

    def __init__(self, response: bytes = b"") -> None:
        self.response = response


class Receiver:
    """Reads the requests of connections.

    Args:
        service: The app, and how it is served.
        sender: Sends ``100 Continue``.
        report: Gunicorn's ``handle_error``, which logs and answers a bad request.
    """

    def __init__(
        self, service: Service, sender: Sender, report: Callable[..., None]
    ) -> None:
        self._service, self._sender, self._report = service, sender, report
        self._heads = PlainHeads(service.cfg, os.environ.get("SCRIPT_NAME", ""))
        limits = service.cfg.limit_request_line, service.cfg.limit_request_field_size
        self._longest_head = max(_LONGEST_HEAD, 2 * sum(limits))

    def receive(self, connection: Connection) -> bool:
        """Read what has come; return whether a request is complete.

        Raises:
            Refused: The connection must end.
        """
        try:
            data = connection.sock.recv(_READ, DONT_WAIT)
        except BlockingIOError:
            return False
        except OSError:
            raise Refused from None
        if not data:
            raise Refused
        if connection.state == State.BODY:
            return self._add_to_body(connection, data)
        searched = max(0, len(connection.buffer) - len(_END))
        connection.buffer += data
        return self.read_head(connection, searched)

    def read_head(self, connection: Connection, searched: int = 0) -> bool:
        """Read a head from the buffer; return whether a request is complete.

        Args:
            connection: A connection whose buffer has bytes.
            searched: The number of bytes in which no head ends.

        Raises:
            Refused: The connection must end.
        """
        buffer = connection.buffer
        end = buffer.find(_END, max(searched, 2 if buffer[:2] == b"\r\n" else 0))
        if end < 0:
            if connection.state != State.HEAD:
                connection.state = State.HEAD
                timeout = self._service.limits.head_timeout
                connection.deadline = monotonic() + timeout
            is_too_long = len(buffer) > self._longest_head
            if is_too_long or has_bare_line_feed(buffer, searched):
                return self._read_unusual(connection, buffer)
            return False
        listener = connection.listener
        environ = None
        if listener.is_tcp:
            environ = self._heads.read(
                buffer, end, listener.environ, connection.address
            )
        if environ is None:
            return self._read_unusual(connection, buffer[: end + len(_END)])
        address = connection.address
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address[0], str(address[1])
        environ["gunicorn.socket"] = connection.sock
        connection.environ = environ
        connection.keep = environ.get("HTTP_CONNECTION", "").lower() != "close"
        connection.buffer = buffer[end + len(_END) :]
        length = environ.get("CONTENT_LENGTH", "0")
        if int(length) == 0:
            environ["wsgi.input"] = BytesIO()
            return True
        return self._begin_counted(connection, int(length))

    def _read_unusual(self, connection: Connection, head: bytes) -> bool:
        """Let gunicorn's parser read a head, of which all bytes are there."""
        service, request = self._service, None
        writer: Any = _Writer(connection, self._sender)
        try:
            request = next(RequestParser(service.cfg, [head], connection.address))
            connection.buffer = connection.buffer[len(head) :]
            name = connection.listener.name
            _, environ = wsgi.create(
                request, writer, connection.address, name, service.cfg
            )
        except (NoMoreData, StopIteration):
            error: Exception = LimitRequestHeaders("limit request head size")
            raise self._refuse(None, connection, error) from None
        except Exception as error:
            raise self._refuse(request, connection, error) from None
        connection.request, connection.environ = request, environ
        environ["gunicorn.socket"] = connection.sock
        environ["wsgi.multithread"] = service.cfg.threads > 1
        connection.keep = not request.should_close()
        if "HTTP_UPGRADE" in environ:
            # The app may use the socket itself, and expects that it waits.
            connection.sock.setblocking(True)
        reader = request.body.reader
        if isinstance(reader, ChunkedReader):
            # The reader, its generator and the request would keep each other alive.
            reader.parser = request.body = None
            memory = service.limits.body_memory
            return self._begin(connection, ChunkedBody(request, memory))
        if reader.length:
            return self._begin_counted(connection, reader.length)
        return _give_body(connection, BytesIO())

    def _refuse(self, request: Any, connection: Connection, error: Any) -> Refused:
        """Log and answer a bad request as gunicorn does."""
        kept = _Kept()
        self._report(request, kept, connection.address, error)
        return Refused(bytes(kept.data))

    def _begin_counted(self, connection: Connection, length: int) -> bool:
        limits = self._service.limits
        if length > limits.body_file:
            first = [connection.buffer] if connection.buffer else []
            parts = chain(first, self._read_slowly(connection))
            connection.buffer, connection.keep = b"", False
            connection.is_streamed = True
            reader = LengthReader(IterUnreader(parts), length)
            return _give_body(connection, Body(reader))
        return self._begin(connection, CountedBody(length, limits.body_memory))

    def _begin(self, connection: Connection, body: CountedBody | ChunkedBody) -> bool:
        connection.state, connection.body = State.BODY, body
        connection.begun = monotonic()
        data, connection.buffer = connection.buffer, b""
        return self._add_to_body(connection, data)

    def _add_to_body(self, connection: Connection, data: bytes) -> bool:
        body, limits = connection.body, self._service.limits
        assert body is not None
        try:
            rest = body.feed(data)
        except ParseException as error:
            raise self._refuse(connection.request, connection, error) from None
        if rest is None:
            if body.received > limits.body_file and isinstance(body, ChunkedBody):
                parts = body.stream(self._read_slowly(connection))
                reader = EOFReader(IterUnreader(parts))
                connection.keep, connection.is_streamed = False, True
                return _give_body(connection, Body(reader))
            allowed = limits.body_timeout + body.received / limits.body_rate
            connection.deadline = min(
                monotonic() + limits.body_timeout, connection.begun + allowed
            )
            return False
        connection.buffer = rest
        return _give_body(connection, body.open())

    def _read_slowly(self, connection: Connection) -> Iterator[bytes]:
        """Yield what comes, in the app's thread, until the client is too slow."""
        limits, begun, received = self._service.limits, monotonic(), 0
        poll = select.poll()
        poll.register(connection.fd, select.POLLIN)
        while True:
            allowed = begun + limits.body_timeout + received / limits.body_rate
            left = min(limits.body_timeout, allowed - monotonic())
            if left <= 0 or not poll.poll(left * 1000):
                if not connection.has_begun:
                    self._sender.send(connection, _TIMEOUT)
                connection.is_broken = True
                raise TimeoutError("The client sends the body too slowly.")
            try:
                data = connection.sock.recv(_READ, DONT_WAIT)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                raise ClientGone
            received += len(data)
            yield data


def _give_body(connection: Connection, file: Any) -> bool:
    """Set the body of a request that is complete."""
    assert connection.environ is not None
    connection.environ["wsgi.input"] = file
    if connection.request is not None:
        connection.request.body = file
    return True


class _Writer:
    """What gunicorn needs of a socket to send interim responses."""

    def __init__(self, connection: Connection, sender: Sender) -> None:
        self._connection, self._sender = connection, sender

    def send(self, data: bytes) -> None:
        self._sender.send(self._connection, data)

    sendall = send


class _Kept:
    """Keeps what gunicorn would write to a socket, because writing there may wait."""

    def __init__(self) -> None:
        self.data = bytearray()

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.data += data
