"""Serves the metrics on a port of their own, in a background thread."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from ...config.values import find_key, find_origin
from ..errors import BadPort

__all__ = ["serve_on_port"]

logger = logging.getLogger(__name__)


@contextmanager
def serve_on_port(
    settings: Mapping[str, Any], answer: Callable[..., Any]
) -> Iterator[None]:
    """Serve ``answer`` during the block, if the settings name a port.

    Args:
        settings: ``port``, and ``address``, by default every interface.
        answer: The WSGI application, for every path.

    Raises:
        BadPort: ``port`` is not a port number.
    """
    server = _listen(settings) if settings.get("port") is not None else None
    if server is None:
        yield
        return
    server.set_app(answer)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    opener = os.getpid()
    try:
        yield
    finally:
        # The serving thread does not exist in a forked child.
        if os.getpid() == opener:
            server.shutdown()
        server.server_close()


def _listen(settings: Mapping[str, Any]) -> _Server | None:
    port, address = _read_port(settings), settings.get("address", "0.0.0.0")
    try:
        server = _Server(address, port)
    except OSError as error:
        # If another worker has the port, that worker serves the metrics of all workers.
        logger.info("Metrics are not served on port %d: %s.", port, error.strerror)
        return None
    logger.info("Metrics are served on port %d.", port)
    return server


class _Server(ThreadingMixIn, WSGIServer):
    """A WSGI server with a thread for each request, so that none waits for another."""

    daemon_threads = True

    def __init__(self, address: str, port: int) -> None:
        family, *_, found = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self.address_family = family
        super().__init__(found[:2], _Handler)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        # The base class would resolve the host's name, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = map(str, self.server_address[:2])  # type: ignore[assignment]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    """A handler that logs no request, and resolves no name."""

    timeout = 30  # seconds: a client that sends nothing

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def address_string(self) -> str:
        return str(self.client_address[0])


def _read_port(settings: Mapping[str, Any]) -> int:
    try:
        port = int(settings["port"])
    except (TypeError, ValueError):
        port = -1
    if not 0 <= port < 65536:
        key, origin = find_key(settings, "port"), find_origin(settings, "port")
        raise BadPort(key, settings["port"], origin)
    return port
