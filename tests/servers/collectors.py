"""Trace collectors that keep what real exporters send, and fail on demand."""

import gzip
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self

from tests.servers.eventually import eventually
from tests.servers.processes import free_port

Span = dict[str, Any]


class Received(NamedTuple):
    """One request as it arrived; a stopped collector receives none."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes  # decompressed
    size: int  # of the body on the wire


class Collector:
    """An HTTP server on loopback that keeps spans.

    ``spans`` holds the spans of the requests that it answered with success,
    ``requests`` every request. A fault lasts until :meth:`heal`.
    """

    path: ClassVar[str]
    status: ClassVar[int] = 200

    def __init__(self) -> None:
        self.port = 0
        self.spans: list[Span] = []
        self.requests: list[Received] = []
        self._server: _Server | None = None
        self._status = self.status
        self._delay: float | None = 0.0

    def decode(self, body: bytes) -> list[Span]:
        """The spans of a request's body."""
        raise NotImplementedError

    def answer(self) -> tuple[str, bytes]:
        """Content type and body of a success."""
        return "text/plain", b""

    @property
    def url(self) -> str:
        """The URL to which an exporter sends."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.refuse()

    def _listen(self) -> None:
        while self._server is None:
            port = self.port or free_port()
            try:
                self._server = _Server(port, self)
            except OSError:
                if self.port:
                    raise
        self.port = port
        self._server.start()

    def refuse(self) -> None:
        """Close the port and every connection: connecting fails at once."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def fail(self, status: int = 503) -> None:
        """Answer with an error; the spans are not kept."""
        self._status = status

    def fall_silent(self) -> None:
        """Accept requests and never answer."""
        self._delay = None

    def slow_down(self, seconds: float) -> None:
        """Answer each request so many seconds later."""
        self._delay = seconds

    def heal(self) -> None:
        """Work again on the same port; unanswered requests are dropped."""
        self.refuse()
        self._status, self._delay = self.status, 0.0
        self._listen()

    def clear(self) -> None:
        """Delete the spans and requests."""
        self.spans.clear()
        self.requests.clear()

    def wait_for(
        self, wanted: int | Callable[[Span], bool], timeout: float = 30
    ) -> list[Span]:
        """Wait until spans have arrived.

        Args:
            wanted: The least number of spans, or a condition that one of them meets.
            timeout: Seconds.

        Returns:
            All spans, or all that meet the condition.
        """
        number = wanted if isinstance(wanted, int) else 1

        def found() -> list[Span]:
            spans = list(self.spans)
            if callable(wanted):
                spans = [span for span in spans if wanted(span)]
            return spans if len(spans) >= number else []

        try:
            return eventually(found, timeout) if number else list(self.spans)
        except AssertionError:
            names = [span["name"] for span in self.spans]
            message = f"The spans did not come in {timeout} s; these did: {names}"
            raise AssertionError(message) from None

    def take(self, received: Received, ended: threading.Event) -> bool:
        """Keep a request and delay it by the fault; whether to answer it."""
        self.requests.append(received)
        return not ended.wait(self._delay)

    def judge(self, received: Received) -> tuple[int, str, bytes]:
        """The response to a request; a success keeps its spans."""
        if received.path != self.path:
            return 404, "text/plain", b""
        if self._status == self.status:
            self.spans.extend(self.decode(received.body))
            return (self.status, *self.answer())
        return self._status, "text/plain", b"out of order"


class ZipkinCollector(Collector):
    """Zipkin v2: JSON to ``/api/v2/spans``; it keeps spans as they were sent."""

    path = "/api/v2/spans"
    status = 202

    def decode(self, body: bytes) -> list[Span]:
        spans: list[Span] = json.loads(body)
        return spans


class OtlpCollector(Collector):
    """OTLP/HTTP: protobuf to ``/v1/traces``.

    A span is a dictionary of trace_id, span_id, parent_id (hex; empty for a root),
    name, kind and status ("SERVER", "ERROR"), message, start and end (ns), attributes,
    events, links, resource, scope.
    """

    path = "/v1/traces"

    def decode(self, body: bytes) -> list[Span]:
        from tests.servers.otlp import read_spans

        return read_spans(body)

    def answer(self) -> tuple[str, bytes]:
        return "application/x-protobuf", b""  # an ExportTraceServiceResponse


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, collector: Collector) -> None:
        self.collector = collector
        self.connections: set[socket.socket] = set()
        self.ended = threading.Event()
        self.answering = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        super().__init__(("127.0.0.1", port), _Handler)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self.answering:
            self.ended.set()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore broken connections: the faults cause them on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        packed = self.headers.get("Content-Encoding") == "gzip"
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = gzip.decompress(raw) if packed else raw
        received = Received(self.path, headers, body, size=len(raw))
        server = self.server
        if server.collector.take(received, server.ended):
            # Kept spans are always answered: no fault starts between the two.
            with server.answering:
                if not server.ended.is_set():
                    self.respond(*server.collector.judge(received))
                    return
        self.close_connection = True

    def respond(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
