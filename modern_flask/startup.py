"""What comes before the first request: telemetry, the checks, and the end of it all.

*Check* opens nothing of the service's own and connects to nothing. *Start* comes after
the fork and before the first request.
"""

from __future__ import annotations

import atexit
import logging
import weakref
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from flask import Flask

from .wiring import Bound, get_bound, is_configured
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
    """Do what comes before the first request of a process, whichever server it has.

    Opens telemetry and checks the wiring; the components open at their first use, or
    before it where the kit's server runs. All are closed when the process ends.

    Raises:
        CheckFailed: There are faults.
    """
    bound = get_bound(app)
    for name in _TELEMETRY:
        bound.container.providers[name]()
    if not bound.started:
        bound.started = True
        logger.info("%s", bound.container.tracing())
        for text in warnings(app):
            logger.warning("%s", text)
    if not bound.checked:
        tasks, found = _tasks(bound)
        found += check_start(app, bound, tasks)
        if found:
            raise CheckFailed(found)
        bound.checked = True


def faults(app: Flask) -> list[Exception]:
    """All faults of ``app`` that show without running its own code.

    The kit's own components are opened, which connects to nothing, and closed again.
    """
    bound = get_bound(app)
    # A Celery app that does not open is reported where components are opened.
    return check_app(app, bound, _tasks(bound)[0])


def warnings(app: Flask) -> list[str]:
    """Keys without effect, and functions that would fail if something called them."""
    bound = get_bound(app)
    return find_warnings(app, bound, _tasks(bound)[0])


def picture(app: Flask) -> Picture:
    """The container of ``app`` and everything that it injects into, to be drawn."""
    from .wiring.draw import make_picture

    bound = get_bound(app)
    return make_picture(app, bound, _tasks(bound)[0])


def running(app: Flask) -> AbstractContextManager[None]:
    """Open every configured component, and close them after the block."""
    return get_bound(app).lifecycle.running()


def _tasks(bound: Bound) -> tuple[dict[str, Any], list[Exception]]:
    """The service's tasks by name, and the fault that hides them."""
    celery = bound.container.providers.get("celery")
    if celery is None or not is_configured(celery):
        return {}, []
    from .tasks import get_tasks

    try:
        return get_tasks(celery()), []
    except Exception as fault:
        return {}, [fault]


def close_at_exit(bound: Bound) -> None:
    """Close at exit what is still open: a script may open components without a request.

    Otherwise the interpreter would close it while it takes its modules apart, and by
    then the thread that sends spans stands still, perhaps with its lock.
    """
    # Without keeping the app alive.
    lifecycle = weakref.ref(bound.lifecycle)

    def close() -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    atexit.register(close)
    # Finalizers run at exit, too, and before: this one would take the closer away.
    weakref.finalize(bound, atexit.unregister, close).atexit = False
