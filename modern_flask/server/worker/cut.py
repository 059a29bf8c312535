"""A call of the app that is cut: its log lines, its span and its metric."""

from __future__ import annotations

import traceback
from contextlib import suppress
from types import FrameType
from typing import Any

from flask import Flask

from ..errors import RequestCut
from .connection import Connection
from .response import Answer
from .service import Service

__all__ = ["describe_call", "end_call"]

_TRACE_ID = "modern_flask.trace_id"
_CODE = Answer.run.__code__
_CALLER = (_CODE.co_name, _CODE.co_filename)


def describe_call(
    app: Flask | None, environ: Any, frame: FrameType | None, seconds: float
) -> str:
    """Describe a call for the log: method, route, trace and stack.

    Args:
        app: The Flask app, if it is one with a container.
        environ: The environ of the request.
        frame: The innermost frame of the thread of the call, if it is known.
        seconds: The duration of the call until now.
    """
    if environ is None:
        return f"A call of the app was cut after {seconds:.1f} s."
    rule = _find_rule(app, environ)
    # Not the query: it may contain a token.
    target = rule or environ["RAW_URI"].partition("?")[0]
    trace_id = environ.get(_TRACE_ID, "")
    ids = f" (trace id {trace_id})" if trace_id else ""
    stack = "".join(_format_stack(frame)) if frame is not None else ""
    return (
        f"The request {environ['REQUEST_METHOD']} {target}{ids} was cut after "
        f"{seconds:.1f} s. Its thread was here:\n{stack}".rstrip()
    )


def _format_stack(frame: FrameType) -> list[str]:
    """Format the part of a stack that belongs to the app."""
    found = traceback.StackSummary.extract(traceback.walk_stack(frame))
    for number, line in enumerate(found):
        if (line.name, line.filename) == _CALLER:
            found = traceback.StackSummary.from_list(found[:number])
            break
    found.reverse()
    return found.format()


def end_call(
    service: Service,
    app: Flask | None,
    connection: Connection,
    frame: FrameType | None,
    seconds: float,
) -> None:
    """Book a call in the metric, the span and the access log."""
    environ = connection.environ
    if environ is None:
        return
    if app is not None:
        from ...observability.requests.middleware import end_running

        end_running(frame, _find_rule(app, environ), RequestCut(seconds))
    if service.access_log.is_on:
        status = "503 Service Unavailable"
        service.access_log.write(environ, connection.request, status, [], 0, seconds)


def _find_rule(app: Flask | None, environ: dict[str, Any]) -> str:
    """Return the URL rule of a request; empty if it matches none."""
    if app is not None:
        with suppress(Exception):
            adapter = app.create_url_adapter(app.request_class(dict(environ)))
            if adapter is not None:
                rule, _ = adapter.match(return_rule=True)
                return str(rule.rule)
    return ""
