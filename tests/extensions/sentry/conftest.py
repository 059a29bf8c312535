"""A Sentry that keeps what it is sent."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sentry_sdk


class Sink:
    """Receives envelopes: each is JSON lines, a header and a body for each item."""

    def __init__(self) -> None:
        self.items: list[tuple[str, dict[str, Any]]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                lines = [line for line in body.split(b"\n")[1:] if line]
                for head, item in zip(lines[::2], lines[1::2], strict=True):
                    sink.items.append((json.loads(head)["type"], json.loads(item)))
                self.answer({})

            def do_GET(self) -> None:
                self.answer({name.lower(): text for name, text in self.headers.items()})

            def answer(self, found: dict[str, str]) -> None:
                payload = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        """Another host name: the SDK adds no headers to calls of its own Sentry."""
        return f"http://localhost:{self.server.server_port}/"

    def read(self, kind: str) -> list[dict[str, Any]]:
        """What was sent: ``event`` or ``transaction``."""
        sentry_sdk.flush()
        return [item for found, item in self.items if found == kind]


@pytest.fixture(scope="session")
def server() -> Iterator[Sink]:
    sink = Sink()
    thread = threading.Thread(target=sink.server.serve_forever, args=[0.05])
    thread.start()
    yield sink
    sentry_sdk.get_client().close()
    sink.server.shutdown()
    thread.join()
    sink.server.server_close()


@pytest.fixture
def sink(server: Sink) -> Sink:
    """The sink, empty."""
    sentry_sdk.flush()
    server.items.clear()
    return server
