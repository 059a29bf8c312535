"""What the parts of the worker share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .access_log import AccessLog
from .limits import Limits

__all__ = ["Service", "make_error"]

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(frozen=True)
class Service:
    """The app, and how it is served.

    Args:
        app: The WSGI application.
        pages: Answers probes without the app; None if the app has no such pages.
        cfg: Gunicorn's settings.
        log: Gunicorn's logger.
        access_log: Writes the lines of the requests.
        limits: The limits of the worker.
        before: Gunicorn's hook ``pre_request`` with the worker, if it is set.
        after: Its hook ``post_request``, if it is set.
        note_wait: Measures for how many seconds a request has waited.
        note_queue: Measures how many connections wait, and how many may wait.
    """

    app: WsgiApp
    pages: Any
    cfg: Any
    log: Any
    access_log: AccessLog
    limits: Limits
    before: Callable[[Any], None] | None = None
    after: Callable[[Any, Any, Any], None] | None = None
    note_wait: Callable[[float], None] | None = None
    note_queue: Callable[[int, int], None] | None = None


def make_error(status: int, reason: str, text: str = "", *fields: str) -> bytes:
    """Make a whole response that closes the connection."""
    body = f"{status} {reason}{': ' if text else ''}{text}\n"
    lines = (
        f"HTTP/1.1 {status} {reason}",
        "Connection: close",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        *fields,
    )
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
