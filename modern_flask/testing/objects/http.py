"""An HTTP/1.1 server on 127.0.0.1 that can be made to fail."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["Answer", "HttpServer", "Refused", "Request"]


@dataclass
class Request:
    """A request, with its text decoded and its header names in lower case."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    bucket: str = ""
    key: str = ""


@dataclass
class Answer:
    """An answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The server answers a request with an error.

    Args:
        status: The HTTP status.
        code: The vendor's code.
        message: The text for people.
        signed: The text that should have been signed; vendors send it back.
    """

    def __init__(
        self, status: int, code: str, message: str = "", signed: str = ""
    ) -> None:
        self.status, self.code, self.message = status, code, message or code
        self.signed = signed
        super().__init__(code)


class HttpServer(ThreadingHTTPServer):
    """A server with a thread for each connection; ``close`` closes all connections."""

    daemon_threads = True

    def __init__(
        self, serve: Callable[[Request], tuple[Answer, dict[str, Any]]]
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.serve = serve
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: clients that disconnect are part of the tests."""

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    """Reads requests and writes responses, with the failures that the faults define."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # head and body of an answer in one packet
    server: HttpServer

    def answer(self) -> None:
        answer, faults = self.server.serve(self._read_request())
        if "delay" in faults:
            self.server.closing.wait(faults["delay"])
        if "drop" in faults or "lose" in faults:
            self.close_connection = True
            return
        body = answer.body
        self.send_response(answer.status)
        length = answer.headers.pop("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        if "corrupt" in faults and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        if "truncate" in faults:
            self.close_connection = True
            body = body[: faults["truncate"]]
        if "drip" in faults:
            self._drip(body, faults["drip"])
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes, pause: float) -> None:
        for byte in body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.closing.wait(pause):
                return

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def _read_request(self) -> Request:
        # A client that uses this server as its proxy sends the whole URL.
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(
            method=self.command,
            host=parts.netloc or headers.get("host", ""),
            path=unquote(parts.path) or "/",
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=headers,
            body=self._read_body(headers),
        )

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue
        return b"".join(pieces)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: tests read ``requests``."""
