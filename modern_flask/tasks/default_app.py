"""The Celery app that is current: that of the current Flask app."""

from __future__ import annotations

import weakref
from functools import cache
from typing import Any

from flask import current_app
from werkzeug.local import LocalProxy

from ..wiring import get_bound

__all__ = ["opened", "share"]

opened: weakref.WeakSet[Any] = weakref.WeakSet()
"""Every Celery app of the kit that is open."""


def share() -> None:
    """Let ``shared_task`` find the Celery of the current Flask app.

    Celery keeps one default app in a process; ours is a proxy that looks, so that two
    services in one process never send each other's tasks. One that somebody has set
    stays.
    """
    try:
        from celery import _state
    except ImportError:
        # It is told where Celery is opened, with the key that asks for it.
        return
    default = _state.default_app
    # Celery makes one of this name by itself when a shared task is looked at.
    if default is None or (default is not _current and default.main == "default"):
        _state.set_default_app(_current)


def _find() -> Any:
    """The current app's Celery; outside of any app one that is open."""
    if current_app:
        bound = get_bound(current_app._get_current_object())  # type: ignore[attr-defined]
        return bound.container.celery()
    return next(iter(opened), None) or _nobody()


@cache
def _nobody() -> Any:
    """What Celery itself would answer with, for those who only look at a task."""
    from celery import Celery

    return Celery("default", set_as_current=False)


_current: Any = LocalProxy(_find)
