"""Prepares a process for its first request: telemetry, checks, and closing at exit.

The *check* opens no component of the service and no connection. The *start* is after
the fork and before the first request.
"""

from __future__ import annotations

import atexit
import logging
import weakref
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from flask import Flask

from .pages import get_pages
from .wiring import Bound, get_bound, guard_errors, is_configured
from .wiring.checks.run import check_app, check_start, find_warnings
from .wiring.errors import CheckFailed

if TYPE_CHECKING:
    from .wiring.draw import Picture

__all__ = [
    "close_at_exit",
    "faults",
    "picture",
    "running",
    "start",
    "warnings",
]

logger = logging.getLogger(__name__)

_TELEMETRY = ("logging", "tracing", "metrics")


def start(app: Flask) -> None:
    """Prepare the process for its first request, with any server.

    This opens telemetry and checks the wiring. The components open at their first use;
    the kit's server opens them earlier. All are closed when the process ends.

    Raises:
        CheckFailed: There are faults.
    """
    bound = get_bound(app)
    for name in _TELEMETRY:
        bound.container.providers[name]()
    bound.container.otlp_exports().start()
    if not bound.started:
        bound.started = True
        guard_errors(app)
        logger.info("%s", bound.container.tracing())
        for text in warnings(app):
            logger.warning("%s", text)
    if not bound.checked:
        tasks, found = _read_tasks(bound)
        found += check_start(app, bound, tasks)
        if found:
            raise CheckFailed(found)
        bound.checked = True


def faults(app: Flask) -> list[Exception]:
    """Find all faults of ``app`` that can be found without running its own code.

    This opens the kit's own components, which opens no connection, and closes them
    again.
    """
    bound = get_bound(app)
    # If the Celery app does not open, the check of the components reports it.
    return check_app(app, bound, _read_tasks(bound)[0])


def warnings(app: Flask) -> list[str]:
    """Find keys and routes without effect, and functions that would fail if called."""
    bound, pages = get_bound(app), get_pages(app)
    found = find_warnings(app, bound, _read_tasks(bound)[0])
    return [*found, *pages.find_warnings()] if pages else found


def picture(app: Flask) -> Picture:
    """Make the picture of the app's container and of all functions it injects into."""
    from .wiring.draw import make_picture

    bound = get_bound(app)
    return make_picture(app, bound, _read_tasks(bound)[0])


def running(app: Flask) -> AbstractContextManager[None]:
    """Open every configured component, and close them after the block."""
    return get_bound(app).lifecycle.running()


def _read_tasks(bound: Bound) -> tuple[dict[str, Any], list[Exception]]:
    """Return the service's tasks by name, or the fault that prevents reading them."""
    celery = bound.container.providers.get("celery")
    if celery is None or not is_configured(celery):
        return {}, []
    from .tasks import get_tasks

    try:
        return get_tasks(celery()), []
    except Exception as fault:
        return {}, [fault]


def close_at_exit(bound: Bound) -> None:
    """Close open components at exit: a script may open some without a request.

    Otherwise the interpreter closes them while it clears its modules. At that time the
    thread that sends spans no longer runs, and it may hold its lock.
    """
    # A weak reference, so that the hook does not keep the app alive.
    lifecycle = weakref.ref(bound.lifecycle)

    def close() -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    atexit.register(close)
    # At exit, finalizers run before atexit hooks. This one would remove the hook.
    weakref.finalize(bound, atexit.unregister, close).atexit = False
