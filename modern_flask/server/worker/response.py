"""Calls the app for one request, and frames its response (PEP 3333, RFC 9112)."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

from gunicorn import SERVER
from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName
from gunicorn.http.message import TOKEN_RE
from gunicorn.http.wsgi import HEADER_VALUE_RE, STATUS_RE, FileWrapper
from gunicorn.util import is_hoppish

from ..errors import ClientGone
from .connection import Connection
from .sender import Sender

__all__ = ["Answer"]

_NOTHING = -1
_CODE = re.compile(r"\d{3}")
_DROPPED = ""
_names: dict[str, str] = {}  # of fields that were checked, in lower case
_MOST_NAMES = 1000


class Answer:
    """The response of the app to one request.

    Args:
        connection: The connection of the request.
        sender: Sends bytes and parts of files.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_environ",
        "_has_body",
        "_head_is_sent",
        "_length",
        "_send",
        "_sender",
        "headers",
        "sent",
        "status",
    )

    def __init__(self, connection: Connection, sender: Sender) -> None:
        self._connection, self._sender, self._send = connection, sender, sender.send
        assert connection.environ is not None
        self._environ = connection.environ
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.sent = 0
        self._length = _NOTHING
        self._chunked = self._head_is_sent = False
        self._has_body = True

    @property
    def has_begun(self) -> bool:
        """Whether bytes of the response were sent."""
        return self._head_is_sent

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """The ``start_response`` of PEP 3333."""
        if exc_info:
            try:
                if self._head_is_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status:
            raise AssertionError("Response headers already set!")
        if not isinstance(status, str):
            raise TypeError(f"{status!r} is not a string")
        if not STATUS_RE.fullmatch(status):
            raise ValueError(f"Invalid status {status!r}")
        self.status, self.headers = status, headers
        return self.write

    def run(self, app: Callable[..., Iterable[bytes]]) -> Any:
        """Call the app, and send all that it gives; return its body, to be closed.

        Raises:
            BaseException: The error of the app, or of its response.
        """
        parts: Any = app(self._environ, self.start)
        try:
            if isinstance(parts, FileWrapper) and self._send_wrapped(parts):
                return parts
            for part in parts:
                if part or not isinstance(part, bytes):
                    self.write(part)
            self.finish()
        except BaseException:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
            raise
        return parts

    def write(self, part: bytes) -> None:
        """Send a part of the body, the first one together with the head.

        Raises:
            ClientGone: Nobody gets the rest, so a stream without end must not go on.
        """
        if not isinstance(part, bytes):
            # Not the part itself: it may contain a secret.
            raise TypeError(f"a part of the body is {type(part).__name__}, not bytes")
        head = b""
        if not self._head_is_sent:
            head = self._make_head()
        if not self._has_body:
            part = b""
        elif self._length != _NOTHING:
            part = part[: self._length - self.sent]
        self.sent += len(part)
        if self._chunked and part:
            part = b"%X\r\n%b\r\n" % (len(part), part)
        if data := head + part:
            self._send(self._connection, data)
        if self._connection.is_broken:
            raise ClientGone
        self._connection.active = time.monotonic()

    def send_hints(self, headers: Iterable[tuple[Any, Any]]) -> None:
        """Send ``103 Early Hints`` (RFC 8297), gunicorn's ``wsgi.early_hints``.

        Raises:
            InvalidResponseHeaderName: A name is not a token.
            InvalidResponseHeader: A value has a character that is not allowed.
        """
        if self._head_is_sent or self._environ["SERVER_PROTOCOL"] != "HTTP/1.1":
            return
        lines = ["HTTP/1.1 103 Early Hints\r\n"]
        for name, value in headers:
            field = [
                text.decode("latin-1") if isinstance(text, bytes) else text
                for text in (name, value)
            ]
            _check_name(field[0])
            if not HEADER_VALUE_RE.fullmatch(field[1]):
                raise InvalidResponseHeader(f"{field[0]!r}")
            lines.append(f"{field[0]}: {field[1].strip()}\r\n")
        text = "".join(lines) + "\r\n"
        self._send(self._connection, text.encode("latin-1"))

    def finish(self) -> None:
        """Send what ends the response."""
        data = b"" if self._head_is_sent else self._make_head()
        if self._chunked:
            data += b"0\r\n\r\n"
        elif self._has_body and self.sent < self._length:
            # Its end can't be seen by the client but by the end of the connection.
            self._connection.keep = False
        if data:
            self._send(self._connection, data)

    def _send_wrapped(self, wrapper: FileWrapper) -> bool:
        """Let the kernel send a real file; return False if that is not possible."""
        file = wrapper.filelike
        try:
            number, offset = file.fileno(), os.lseek(file.fileno(), 0, os.SEEK_CUR)
            size = os.fstat(number).st_size - offset
        except (OSError, AttributeError, io.UnsupportedOperation):
            return False
        if not self.status or self._head_is_sent:
            return False
        head = self._make_head()
        count = size if self._length == _NOTHING else min(self._length, size)
        if self._chunked or count <= 0 or not self._has_body:
            self._send(self._connection, head)
            return self._end_wrapped(wrapper)
        self.sent = count
        self._send(self._connection, head)
        self._sender.send_file(self._connection, os.dup(number), offset, count)
        if count < self._length:
            self._connection.keep = False
        return True

    def _end_wrapped(self, wrapper: FileWrapper) -> bool:
        if self._has_body:
            for part in wrapper:
                self.write(part)
        self.finish()
        return True

    def _make_head(self) -> bytes:
        if not self.status:
            raise AssertionError("The app has not called start_response.")
        connection, environ = self._connection, self._environ
        code = self.status[:3]
        lines = []
        for name, value in self.headers:
            lower = _names.get(name)
            if lower is None:
                lower = _check_name(name)
            if not isinstance(value, str):
                raise TypeError(f"{value!r} is not a string")
            if not HEADER_VALUE_RE.fullmatch(value):
                # The name only: the value may be a secret.
                raise InvalidResponseHeader(f"{name!r}")
            if lower == "content-length":
                if code == "204" or code[0] == "1":
                    continue
                self._length = int(value)
            elif not lower and code != "101":
                continue
            lines.append(f"{name}: {value.strip()}\r\n")
        self._has_body = not (
            environ["REQUEST_METHOD"] == "HEAD"
            or code in ("204", "304")
            or code[0] == "1"
        )
        if self._has_body and self._length == _NOTHING:
            if environ["SERVER_PROTOCOL"] == "HTTP/1.1":
                self._chunked = True
                lines.append("Transfer-Encoding: chunked\r\n")
            else:
                connection.keep = False
        if self._sender.is_stopping:
            connection.keep = False
        if code != "101":
            kept = "keep-alive" if connection.keep else "close"
            lines.append(f"Connection: {kept}\r\n")
        head = (
            f"HTTP/1.1 {self.status}\r\nServer: {SERVER}\r\nDate: {_date.read()}\r\n"
            f"{''.join(lines)}\r\n"
        ).encode("latin-1")
        self._head_is_sent = connection.has_begun = True
        return head


def _check_name(name: str) -> str:
    """Return the lower-case name; empty for a field of the connection itself."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is not a string")
    if not TOKEN_RE.fullmatch(name):
        raise InvalidResponseHeaderName(f"{name!r}")
    lower = _DROPPED if is_hoppish(name) else name.lower()
    if len(_names) < _MOST_NAMES:
        _names[name] = lower
    return lower


class _Date:
    """The present date for a ``Date`` field, made once a second."""

    def __init__(self) -> None:
        self._second, self._text = 0, ""

    def read(self) -> str:
        now = int(time.time())
        if now != self._second:
            self._text, self._second = formatdate(now, usegmt=True), now
        return self._text


_date = _Date()
