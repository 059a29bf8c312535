"""A worker's loop in this process, on a free port of loopback."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as GunicornWorker

from modern_flask.server.worker.access_log import AccessLog
from modern_flask.server.worker.drain import Drain
from modern_flask.server.worker.limits import Limits
from modern_flask.server.worker.listeners import Listener
from modern_flask.server.worker.loop import Loop
from modern_flask.server.worker.service import Service
from modern_flask.server.worker.turns import Turns, make_turns

App = Callable[[dict[str, Any], Any], Any]


class Running:
    """A loop that runs in a thread, as it does in the main thread of a worker."""

    def __init__(self, service: Service, threads: int, path: str) -> None:
        family = socket.AF_UNIX if path else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.listen(64)
        self.address = self.socket.getsockname()
        self.pipe = os.pipe()
        for end in self.pipe:
            os.set_blocking(end, False)
        self.errors: list[str] = []
        report = partial(
            GunicornWorker.handle_error,
            SimpleNamespace(log=service.log, cfg=service.cfg),
        )
        listener = Listener(SimpleNamespace(sock=self.socket), service.cfg)
        self.signals = b""
        self.is_draining = self.is_closing = False
        self.loop = Loop(service, [listener], self.pipe, report, self._note, self._beat)
        self.drain = Drain(self.loop, delay=0.0, grace=20.0)
        self.turns: Turns = make_turns(self.loop, service, lambda: None, threads)
        self.thread = threading.Thread(target=self.turns.run, daemon=True)
        self.thread.start()

    def _note(self, data: bytes) -> None:
        self.signals += data

    def _beat(self, now: float) -> None:
        if self.is_draining and not self.drain.has_begun:
            self.drain.begin(monotonic())
        # A test that is over need not wait until it is quiet for a while.
        is_quiet = (
            self.is_closing and not self.loop.ready and not self.loop.count_busy()
        )
        if self.drain.is_done(now) or is_quiet:
            self.turns.stop()

    def stop(self) -> None:
        self.is_draining = self.is_closing = True
        self.loop.beat_now()
        self.loop.wake()
        self.thread.join(60)
        assert not self.thread.is_alive()
        for connection in list(self.loop.connections.values()):
            self.loop.close(connection)
        self.socket.close()
        for end in self.pipe:
            os.close(end)

    def connect(self) -> socket.socket:
        client = socket.socket(self.socket.family, socket.SOCK_STREAM)
        client.settimeout(60)
        client.connect(self.address)
        return client

    def talk(self, *parts: bytes) -> bytes:
        """Send parts, and read until the worker closes the connection."""
        with self.connect() as client:
            for part in parts:
                client.sendall(part)
            return read_all(client)


def read_all(client: socket.socket) -> bytes:
    found = b""
    while data := client.recv(65536):
        found += data
    return found


def read_response(client: socket.socket) -> tuple[bytes, bytes]:
    """Read one response: its head, and a body of the length that it names."""
    found = b""
    while b"\r\n\r\n" not in found:
        data = client.recv(65536)
        assert data, found
        found += data
    head, _, body = found.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        data = client.recv(65536)
        assert data, (found, body)
        body += data
    return head, body


@contextmanager
def running(
    app: App,
    *,
    threads: int = 1,
    pages: Any = None,
    logger: Any = Logger,
    path: str = "",
    settings: dict[str, Any] | None = None,
    before: Any = None,
    after: Any = None,
    **limits: Any,
) -> Iterator[Running]:
    """Serve ``app`` during the block, with settings of gunicorn and limits."""
    cfg = Config()
    for name, value in {"keepalive": 30, **(settings or {})}.items():
        cfg.set(name, value)
    if threads > 1:
        cfg.set("threads", threads)
    log = logger(cfg)
    logging.getLogger("gunicorn.error").propagate = True
    service = Service(
        app=app,
        pages=pages,
        cfg=cfg,
        log=log,
        access_log=AccessLog(log, cfg),
        limits=Limits(**limits),
        before=before,
        after=after,
    )
    found = Running(service, threads, path)
    try:
        yield found
    finally:
        found.stop()
        for each in (log.access_log, log.error_log):
            for handler in list(each.handlers):
                if getattr(handler, "_gunicorn", False):
                    each.removeHandler(handler)
                    handler.close()


def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """An app that says what it got."""
    body = environ["wsgi.input"].read()
    text = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {len(body)}\n".encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]


@pytest.fixture
def worker() -> Iterator[Running]:
    """A worker that serves :func:`answer`."""
    with running(answer) as found:
        yield found
