"""Celery's default app: the Celery app of the current Flask app."""

from __future__ import annotations

import weakref
from functools import cache
from typing import Any

from flask import current_app
from werkzeug.local import LocalProxy

from ..wiring import get_bound

__all__ = ["is_default_app", "open_apps", "set_default_app"]

open_apps: weakref.WeakSet[Any] = weakref.WeakSet()
"""The Celery apps that the kit has opened and not closed yet."""


def set_default_app() -> None:
    """Make ``shared_task`` use the Celery app of the current Flask app.

    Celery has one default app in a process. The kit's default app is a proxy that finds
    the current one, so two services in one process never send each other's tasks. A
    default app that the service has set itself stays.
    """
    try:
        from celery import _state
    except ImportError:
        # open_celery raises the error, with the key that configures Celery.
        return
    default = _state.default_app
    if default is None or (is_default_app(default)):
        _state.set_default_app(_current)


def is_default_app(celery: Any) -> bool:
    """Whether Celery itself, or the kit in its place, has made ``celery``.

    Celery makes an app with this name when code reads an attribute of a shared task.
    """
    return celery is not None and celery is not _current and celery.main == "default"


def _find_current() -> Any:
    """Find the current Flask app's Celery app; without one, any open Celery app."""
    if current_app:
        bound = get_bound(current_app._get_current_object())  # type: ignore[attr-defined]
        return bound.container.celery()
    return next(iter(open_apps), None) or _make_placeholder()


@cache
def _make_placeholder() -> Any:
    """Make the app that Celery would make, for code that only inspects a task."""
    from celery import Celery

    return Celery("default", set_as_current=False)


_current: Any = LocalProxy(_find_current)
