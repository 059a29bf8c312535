"""Reads streams of bytes as the worker does and as gunicorn's parser does."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from types import SimpleNamespace
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser
from gunicorn.workers.base import Worker as GunicornWorker

from modern_flask.server.worker.access_log import AccessLog
from modern_flask.server.worker.connection import Connection, State
from modern_flask.server.worker.limits import Limits
from modern_flask.server.worker.listeners import Listener
from modern_flask.server.worker.receiver import Receiver, Refused
from modern_flask.server.worker.sender import Sender
from modern_flask.server.worker.service import Service

__all__ = ["Found", "Ours", "compare", "make_config", "read_as_gunicorn"]

PEER = ("127.0.0.1", 5000)
SERVER = ("127.0.0.1", 8000)
_OF_SERVER = ("wsgi.errors", "wsgi.input", "wsgi.early_hints", "gunicorn.socket")


def make_config(**settings: Any) -> Config:
    """Make gunicorn's settings, with its Python parser."""
    cfg = Config()
    for name, value in {"http_parser": "python", **settings}.items():
        cfg.set(name, value)
    return cfg


@dataclass
class Found:
    """What a reader made of a stream.

    Args:
        requests: Environ, body, trailers and whether the connection is kept, of each.
        end: ``end`` after the last request, ``wait`` in a request that is not
            complete, ``refused`` if the rest is no request.
        error: Why it was refused.
    """

    requests: list[Any] = field(default_factory=list)
    end: str = "end"
    error: str = ""


def _show(environ: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in environ.items() if key not in _OF_SERVER}


def read_as_gunicorn(data: bytes, cfg: Config, peer: Any = PEER) -> Found:
    """Read a stream with gunicorn's parser."""
    found = Found()
    parser = RequestParser(cfg, [data], peer)
    sock = SimpleNamespace(send=lambda data: None)
    while True:
        try:
            request = next(parser)
            _, environ = wsgi.create(request, sock, peer, SERVER, cfg)
            body = request.body.read()
            missing = int(environ.get("CONTENT_LENGTH", len(body))) - len(body)
        except StopIteration:
            return found
        except NoMoreData:
            found.end = "wait"
            return found
        except Exception as error:
            found.end, found.error = "refused", f"{type(error).__name__}: {error}"
            return found
        if missing:
            found.end = "wait"
            return found
        trailers, kept = request.trailers, not request.should_close()
        found.requests.append((_show(environ), body, trailers, kept))


class _Pieces:
    """A socket whose client sends one piece after the other."""

    family = 2

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.pieces.reverse()
        self.sent = b""

    def recv(self, size: int, flags: int = 0) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        data = self.pieces.pop()
        if len(data) > size:
            self.pieces.append(data[size:])
        return data[:size]

    def send(self, data: bytes, flags: int = 0) -> int:
        self.sent += data
        return len(data)

    def setblocking(self, flag: bool) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def getsockname(self) -> Any:
        return SERVER


class Ours:
    """Reads streams with the worker's receiver.

    Args:
        cfg: Gunicorn's settings.
        limits: The worker's.
    """

    def __init__(self, cfg: Config, **limits: Any) -> None:
        log = Logger(cfg)
        service = Service(
            app=lambda environ, start_response: [],
            pages=None,
            cfg=cfg,
            log=log,
            access_log=AccessLog(log, cfg),
            limits=Limits(**limits),
        )
        sender = Sender(service.limits, lambda: None)
        report = partial(GunicornWorker.handle_error, SimpleNamespace(log=log, cfg=cfg))
        logging.getLogger("gunicorn.error").setLevel(logging.CRITICAL)
        self.receiver = Receiver(service, sender, report)
        self.listener = Listener(SimpleNamespace(sock=_Pieces([])), cfg)

    def read(self, pieces: Sequence[bytes], peer: Any = PEER) -> Found:
        """Read a stream that comes in pieces."""
        found, sock = Found(), _Pieces(pieces)
        connection = Connection(sock, peer, self.listener, monotonic())  # type: ignore[arg-type]
        try:
            while sock.pieces or connection.buffer:
                if not self._read_one(connection, sock):
                    found.end = "wait" if self._has_begun(connection) else "end"
                    return found
                found.requests.append(self._describe(connection))
                if not connection.keep:
                    return found
                connection.forget_request()
                connection.state = State.IDLE
        except Refused as refused:
            lines = refused.response.split(b"\r\n")
            found.end, found.error = "refused", lines[0].decode("latin-1")
        finally:
            connection.forget_request()
        return found

    def _has_begun(self, connection: Connection) -> bool:
        return connection.state == State.BODY or bool(connection.buffer)

    def _read_one(self, connection: Connection, sock: _Pieces) -> bool:
        if connection.buffer and self.receiver.read_head(connection):
            return True
        while sock.pieces:
            if self.receiver.receive(connection):
                return True
        return False

    def _describe(self, connection: Connection) -> Any:
        environ, request = connection.environ, connection.request
        assert environ is not None
        body = environ["wsgi.input"].read()
        trailers = request.trailers if request is not None else []
        seen = _show({**environ, "wsgi.multithread": False})
        return seen, body, trailers, connection.keep


def compare(ours: Found, gunicorn: Found) -> str:
    """Compare what both made of one stream.

    Returns:
        ``same``; ``stricter`` if only the worker refuses; ``later`` if gunicorn refuses
        what the worker still waits for, ``earlier`` if it is the other way; otherwise
        what is wrong, with ``WRONG``.
    """
    number = len(ours.requests)
    if ours.requests != gunicorn.requests[:number]:
        return "WRONG: another request"
    if number < len(gunicorn.requests):
        return "stricter" if ours.end == "refused" else "WRONG: a request is not read"
    if ours.end == gunicorn.end:
        return "same"
    if ours.end == "refused":
        return "earlier" if gunicorn.end == "wait" else "stricter"
    if gunicorn.end == "refused" and ours.end == "wait":
        return "later"
    return f"WRONG: {ours.end}, not {gunicorn.end}"
