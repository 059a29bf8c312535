"""What views and the server's settings share with telemetry, without importing it.

OpenTelemetry reads the environment when it is imported, and the configuration has to be
in there first: views and server settings are imported earlier.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import request

__all__ = [
    "IDS",
    "RULE",
    "SIZE",
    "TRACE_ID",
    "UNCOUNTED",
    "UNTRACED",
    "ignore_metrics",
    "ignore_traces",
]

# Keys of the WSGI environment; the access log reads the first.
TRACE_ID = "modern_flask.trace_id"
SIZE = "modern_flask.size"  # bytes of a file that the server sends itself
RULE = "modern_flask.rule"
UNCOUNTED = "modern_flask.uncounted"
IDS = "_modern_flask_ids"  # of an exception: (trace, span)
UNTRACED = "_modern_flask_untraced"  # an attribute of a view

F = TypeVar("F", bound=Callable[..., Any])


def ignore_metrics(view: F) -> F:
    """Leave a view out of the request's metrics."""

    @wraps(view)
    def uncounted(*args: Any, **kwargs: Any) -> Any:
        request.environ[UNCOUNTED] = True
        return view(*args, **kwargs)

    return uncounted  # type: ignore[return-value]


def ignore_traces(view: F) -> F:
    """Leave a view out of the traces, with everything that it does.

    Where one view of an app is marked, each request is matched before its span begins.
    """
    setattr(view, UNTRACED, True)
    return view
