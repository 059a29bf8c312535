"""Excludes requests from telemetry, by a view's decorator or by a variable.

Views are imported before OpenTelemetry. OpenTelemetry reads the environment at its
import, and the configuration must be there first. So this module does not import it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from flask import Flask, request
from werkzeug.exceptions import HTTPException

from .environ_keys import UNCOUNTED, UNTRACED

__all__ = ["Exclusions", "ignore_metrics", "ignore_traces", "read_pattern"]

F = TypeVar("F", bound=Callable[..., Any])


def ignore_metrics(view: F) -> F:
    """Leave the view out of the request metrics."""

    @wraps(view)
    def call_uncounted(*args: Any, **kwargs: Any) -> Any:
        request.environ[UNCOUNTED] = True
        return view(*args, **kwargs)

    return call_uncounted  # type: ignore[return-value]


def ignore_traces(view: F) -> F:
    """Leave the view, and everything that it calls, out of the traces.

    If any view of an app is marked, each request is matched to its view before its
    span begins.
    """
    setattr(view, UNTRACED, True)
    return view


class Exclusions:
    """The requests of one app that are not traced.

    Args:
        app: The app, with all its views registered.
        pattern: A request is left out if its URL contains a match.
    """

    def __init__(self, app: Flask, pattern: re.Pattern[str] | None) -> None:
        self.app, self.pattern = app, pattern
        self.has_marked_views = any(
            getattr(view, UNTRACED, False) for view in app.view_functions.values()
        )

    @property
    def is_empty(self) -> bool:
        """Whether every request is traced."""
        return self.pattern is None and not self.has_marked_views

    def contains(self, environ: dict[str, Any]) -> bool:
        """Whether the variables or the view's mark exclude the request."""
        if self.pattern and self.pattern.search(_make_url(environ)):
            return True
        if not self.has_marked_views:
            return False
        try:
            endpoint, _ = self.app.url_map.bind_to_environ(environ).match()
        except HTTPException:
            return False
        return getattr(self.app.view_functions.get(endpoint), UNTRACED, False)


def read_pattern(environ: Mapping[str, str]) -> re.Pattern[str] | None:
    """Read the patterns of excluded URLs, separated by commas.

    As in OpenTelemetry's package for Flask, ``OTEL_PYTHON_FLASK_EXCLUDED_URLS`` wins
    over ``OTEL_PYTHON_EXCLUDED_URLS``, and each pattern is searched in the whole URL.
    """
    special = environ.get("OTEL_PYTHON_FLASK_EXCLUDED_URLS")
    text = special or environ.get("OTEL_PYTHON_EXCLUDED_URLS") or ""
    patterns = [part.strip() for part in text.split(",") if part.strip()]
    return re.compile("|".join(patterns)) if patterns else None


def _make_url(environ: dict[str, Any]) -> str:
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    query = environ.get("QUERY_STRING")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "/")
    url = f"{environ['wsgi.url_scheme']}://{host}{path}"
    return f"{url}?{query}" if query else url
