"""Names the view, task or command that is running, for messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import Flask, current_app, has_request_context, request
from flask.globals import app_ctx

__all__ = ["name_work", "named_work"]

_TITLE = "_modern_flask_work"


@contextmanager
def named_work(app: Flask, title: str) -> Iterator[None]:
    """Run the block in an app context whose work has the name ``title``."""
    with app.app_context():
        setattr(app_ctx.g, _TITLE, title)
        yield


def name_work() -> str:
    """Return the name of what runs in the current app context.

    Examples are ``View place (orders.views.place)``, ``Task orders.tasks.confirm`` and
    ``Command seed``.
    """
    title: str | None = app_ctx.g.get(_TITLE) if app_ctx else None
    if title is not None:
        return title
    if has_request_context():
        return _name_view()
    command = click.get_current_context(silent=True)
    if command is not None and command.info_name:
        return f"Command {command.info_name}"
    return f"Code in the app context of {current_app.name}" if app_ctx else "Code"


def _name_view() -> str:
    endpoint = request.endpoint
    if endpoint is None:
        return f"The {request.method} request without a view"
    view: Any = current_app.view_functions.get(endpoint)
    # The class of a class-based view has the name that the reader knows.
    function = getattr(view, "view_class", view)
    place = f"{getattr(function, '__module__', '?')}."
    place += getattr(function, "__qualname__", type(function).__name__)
    return f"View {endpoint} ({place})"
