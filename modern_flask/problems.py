"""HTTP errors as problem details (RFC 9457), with the id of their trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, InternalServerError

from .observability.requests.environ_keys import find_trace_id

__all__ = [
    "CONTENT_TYPE",
    "Halted",
    "answer_with_problems",
    "halt",
    "problem",
    "write_problem",
]

CONTENT_TYPE = "application/problem+json"

logger = logging.getLogger(__name__)


class Halted(Exception):
    """Ends a view and carries its response. The app's error handler sends it."""

    def __init__(self, *answer: Any) -> None:
        super().__init__("halt() has ended the view.")
        self.answer = answer


def halt(*answer: Any) -> NoReturn:
    """End the view here with an answer: a body, and optionally a status and headers.

    ``halt({"reason": "sold out"}, 409)`` answers as ``return`` does. A status alone,
    such as ``halt(404)``, becomes problem details. A transaction of the view is rolled
    back.

    Raises:
        TypeError: There is no argument.
    """
    if not answer:
        raise TypeError("halt() needs the answer of the view: a body or a status.")
    raise Halted(*answer)


def answer_with_problems(app: Flask) -> None:
    """Make ``app`` answer errors with problem details; its other handlers win."""
    handlers = app.error_handler_spec[None]
    if HTTPException not in handlers[None]:
        app.register_error_handler(HTTPException, _describe)
    if Halted not in handlers[None]:
        app.register_error_handler(Halted, _answer)


def problem(status: int, detail: str | None = None, **members: Any) -> Response:
    """Make a response with problem details.

    Args:
        status: The HTTP status.
        detail: An explanation of this error for a person (RFC 9457, section 3.1.4).
        **members: Extension members (RFC 9457, section 3.2).
    """
    trace_id = find_trace_id(request.environ)
    if trace_id is not None:
        members = {"trace_id": trace_id, **members}
    body = write_problem(status, request.path, detail, members)
    return current_app.response_class(body, status, content_type=CONTENT_TYPE)


def write_problem(
    status: int, instance: str, detail: str | None, members: Mapping[str, Any]
) -> str:
    """Write the JSON text of problem details; ``instance`` is the request's path."""
    found: dict[str, Any] = {
        "type": "about:blank",
        "title": _make_title(status),
        "status": status,
    }
    if detail:
        found["detail"] = detail
    found["instance"] = instance
    return json.dumps({**found, **members}, ensure_ascii=False) + "\n"


def _describe(error: HTTPException) -> Any:
    if error.response is not None or error.code is None or error.code < 400:
        return error
    # Flask prefers this handler, for HTTPException, to a handler of the app for every
    # Exception. The app's handler still wins.
    own = current_app.error_handler_spec[None][None].get(Exception)
    if own is not None:
        return current_app.ensure_sync(own)(error)
    # The client must not see the text of an unexpected error.
    detail = None if isinstance(error, InternalServerError) else error.description
    response = problem(error.code, detail)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers.add(name, value)
    return response


def _answer(halted: Halted) -> Any:
    if len(halted.answer) > 1:
        return halted.answer
    answer = halted.answer[0]
    return problem(answer) if isinstance(answer, int) else answer


def _make_title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
