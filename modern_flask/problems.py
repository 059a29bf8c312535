"""HTTP errors as problem details (RFC 9457) or as a page, with the id of their trace.

A client that prefers ``text/html`` over JSON gets a page, all others problem details.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Flask, Response, abort, current_app, request
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
_HTML = "text/html"
# Of types that the client likes equally, such as all under ``*/*``, the first one wins.
_OFFERED = (CONTENT_TYPE, "application/json", _HTML)

# Without styles and scripts, so that every Content-Security-Policy allows it.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
{lines}
</body>
</html>
"""


class Halted(HTTPException):
    """Ends a view and carries its response.

    Flask, and each extension that answers for errors, sends the response of an
    HTTP exception as it is.
    """

    description = "halt() has ended the view."


def halt(*answer: Any) -> NoReturn:
    """End the view here with an answer: a body, and optionally a status and headers.

    ``halt({"reason": "sold out"}, 409)`` answers as ``return`` does. A status alone,
    such as ``halt(404)``, is answered as ``abort(404)`` is. A transaction of the view
    is rolled back.

    Raises:
        TypeError: There is no argument.
    """
    if not answer:
        raise TypeError("halt() needs the answer of the view: a body or a status.")
    found = answer[0] if len(answer) == 1 else answer
    if isinstance(found, int):
        try:
            abort(found)
        except LookupError:  # Werkzeug has no exception for this status
            found = problem(found)
    raise Halted(response=current_app.make_response(found))


def answer_with_problems(app: Flask) -> None:
    """Make ``app`` answer errors with problem details; its other handlers win."""
    if HTTPException not in app.error_handler_spec[None][None]:
        app.register_error_handler(HTTPException, _describe)


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
    # Descriptions may be lazy texts, such as translations.
    return json.dumps({**found, **members}, ensure_ascii=False, default=str) + "\n"


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
    if request.accept_mimetypes.best_match(_OFFERED) == _HTML:
        response = _make_page(response)
    for name, value in error.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers.add(name, value)
    response.vary.add("Accept")
    return response


def _make_page(details: Response) -> Response:
    """Make a page that says what the problem details say."""
    found = details.get_json()
    title = _escape(f"{found['status']} {found['title']}")
    lines = []
    if "detail" in found:
        lines.append(f"<p>{_escape(found['detail'])}</p>")
    if "trace_id" in found:
        lines.append(f"<p>Trace: <code>{_escape(found['trace_id'])}</code></p>")
    page = _PAGE.format(title=title, lines="\n".join(lines))
    return current_app.response_class(page, found["status"], mimetype=_HTML)


def _escape(text: object) -> str:
    # Not markupsafe.escape: the text of abort(400, Markup(...)) is no part of the page.
    return escape(str(text))


def _make_title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
