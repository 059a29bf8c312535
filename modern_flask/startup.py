"""Prepares a process for its first request: telemetry, checks, and closing at exit.

The *check* opens no component of the service and no connection. The *start* is after
the fork and before the first request.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask

from .pages import get_pages
from .wiring import Bound, get_bound, guard_errors, is_configured
from .wiring.checks.failure import NotOpened
from .wiring.checks.opening import find_own_components, make_fault
from .wiring.checks.run import check_app, check_start, find_warnings
from .wiring.errors import CheckFailed
from .wiring.graph import Graph
from .wiring.lifecycle import Explain

if TYPE_CHECKING:
    from .wiring.draw import Picture

__all__ = [
    "VERBOSE",
    "close_at_exit",
    "faults",
    "is_verbose",
    "list_own_components",
    "make_explanation",
    "open_components",
    "picture",
    "running",
    "start",
    "warnings",
]

logger = logging.getLogger(__name__)

_WORKER = "modern_flask.server.worker.worker"
_PLAIN_GUNICORN = (
    "gunicorn serves with a worker of its own. With -k modern_flask.server.Worker "
    "probes are answered while a view runs, and no request is lost at a stop."
)
VERBOSE = "MODERN_FLASK_VERBOSE"
"""The variable that ``--verbose`` sets, so that a server's processes see it, too."""

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
        _record_requests(app)
        logger.info("%s", bound.container.tracing())
        if "gunicorn.arbiter" in sys.modules and _WORKER not in sys.modules:
            logger.info("%s", _PLAIN_GUNICORN)
        for text in warnings(app):
            logger.warning("%s", text)
    if not bound.checked:
        tasks, found = _read_tasks(bound)
        found += [*check_start(app, bound, tasks), *_check_shared_tasks(app, bound)]
        if found:
            raise CheckFailed(found)
        bound.checked = True


def _record_requests(app: Flask) -> None:
    """Let each request record what is read from it, if the service caches functions."""
    # ``cached`` imports this module. A service without it pays nothing.
    module = sys.modules.get("modern_flask.redis.views")
    if module is not None:
        module.record_requests(app)


def open_components(app: Flask) -> None:
    """Open every configured component, in a server's or a worker's process.

    Raises:
        NotOpened: A component raised an exception. The fault says why, without secrets
            and without the exception itself. With ``MODERN_FLASK_VERBOSE``, the
            traceback is logged.
        NotConfigured: A component of the service lacks a required key.
    """
    try:
        get_bound(app).lifecycle.open(make_explanation(app))
    except NotOpened as fault:
        if is_verbose():
            logger.error("%s", fault.details)
        raise


def make_explanation(app: Flask) -> Explain:
    """Make the function that makes the fault of a component that can't be opened."""
    return partial(make_fault, graph=Graph(get_bound(app).container))


def is_verbose() -> bool:
    """Whether faults are shown with their tracebacks: by ``--verbose``."""
    return bool(os.environ.get(VERBOSE))


def faults(app: Flask) -> list[Exception]:
    """Find all faults of ``app`` that can be found without running its own code.

    This opens the kit's own components, which opens no connection, and closes them
    again.
    """
    bound = get_bound(app)
    # If the Celery app does not open, the check of the components reports it.
    found = check_app(app, bound, _read_tasks(bound)[0])
    return [*found, *_check_shared_tasks(app, bound)]


def warnings(app: Flask) -> list[str]:
    """Find keys and routes without effect, and functions that would fail if called."""
    bound, pages = get_bound(app), get_pages(app)
    found = find_warnings(app, bound, _read_tasks(bound)[0])
    return [*found, *pages.find_warnings()] if pages else found


def list_own_components(app: Flask) -> list[str]:
    """List the configured components that the check does not open, by name.

    The service's own code opens them.
    """
    container = get_bound(app).container
    graph = Graph(container)
    return [graph.name(provider) for provider in find_own_components(container)]


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


def _check_shared_tasks(app: Flask, bound: Bound) -> list[Exception]:
    """Find shared tasks that no Celery app of the service takes."""
    celery = bound.container.providers.get("celery")
    if celery is None or is_configured(celery) or "celery" not in sys.modules:
        return []
    from .tasks.shared import find_tasks_without_app

    return [*find_tasks_without_app(app)]


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
