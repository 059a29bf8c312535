"""Answers one request in a thread of the app."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from ..errors import ClientGone
from .connection import Connection
from .response import Answer
from .sender import Sender
from .service import Service, WsgiApp, make_error

__all__ = ["Caller"]


class Caller:
    """Calls the app, logs the request and its errors, and runs gunicorn's hooks.

    Args:
        service: The app, and how it is served.
        sender: Sends bytes and parts of files to a client.
    """

    def __init__(self, service: Service, sender: Sender) -> None:
        self._service = service
        self._sender = sender

    def answer(self, connection: Connection, app: WsgiApp) -> None:
        """Answer the request of ``connection``.

        An error of the app or of a hook is logged, and becomes a 500 or the end of the
        connection. It never gets out of here.
        """
        service, environ = self._service, connection.environ
        assert environ is not None
        begun = time.perf_counter()
        answer = Answer(connection, self._sender)
        environ["wsgi.early_hints"] = answer.send_hints
        body: Any = None
        try:
            if service.before is not None:
                request = connection.request or _make_request(connection)
                connection.request = request
                service.before(request)
            body = answer.run(app)
        except StopIteration:
            # A websocket of Flask-Sock has used the connection, and it has ended.
            connection.is_broken = True
        except ClientGone:
            connection.is_broken = True
            service.log.debug("A client has closed the connection.")
        # Not even SystemExit or GeneratorExit: the thread has other requests.
        except BaseException:
            self._fail(connection, answer)
        try:
            if service.access_log.is_on and not connection.is_broken:
                self._write_log(connection, answer, time.perf_counter() - begun)
            if body is not None and hasattr(body, "close"):
                body.close()
        except BaseException:
            service.log.exception("Error handling request %s", environ["RAW_URI"])
            connection.keep = False
        # The environ and the answer would keep each other alive.
        environ.pop("wsgi.early_hints", None)
        if service.after is not None:
            try:
                service.after(connection.request, environ, answer)
            except BaseException:
                service.log.exception("Exception in post_request hook")

    def _write_log(
        self, connection: Connection, answer: Answer, seconds: float
    ) -> None:
        self._service.access_log.write(
            connection.environ or {},
            connection.request,
            answer.status,
            answer.headers,
            answer.sent,
            seconds,
        )

    def _fail(self, connection: Connection, answer: Answer) -> None:
        """Log the error of the app that is handled, and answer with a 500."""
        environ: Any = connection.environ
        connection.keep = False
        self._service.log.exception(
            "Error handling request %s %s",
            environ["REQUEST_METHOD"],
            environ["RAW_URI"],
        )
        if answer.has_begun:
            # The client sees that the response is not complete.
            connection.is_broken = True
            return
        answer.status, answer.headers = "500 Internal Server Error", []
        try:
            self._sender.send(connection, make_error(500, "Internal Server Error"))
        except OSError:
            # The disk is full, for example, and the client has not taken its hints.
            connection.is_broken = True


def _make_request(connection: Connection) -> Any:
    """Make what the hooks of gunicorn need of a request with a plain head."""
    environ: Any = connection.environ
    return SimpleNamespace(
        method=environ["REQUEST_METHOD"],
        uri=environ["RAW_URI"],
        path=environ["PATH_INFO"],
        query=environ["QUERY_STRING"],
        fragment="",
        version=(1, 1),
        scheme=environ["wsgi.url_scheme"],
        headers=[
            (key.removeprefix("HTTP_").replace("_", "-"), value)
            for key, value in environ.items()
            if key.startswith(("HTTP_", "CONTENT_"))
        ],
        body=environ["wsgi.input"],
        peer_addr=connection.address,
        remote_addr=connection.address,
    )
