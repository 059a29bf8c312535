"""Celery's app: its settings, its tasks' class, its end."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask

from ..config.values import find_key, find_origin
from ..errors import MissingExtra, find_nearest, join_names
from ..wiring import get_bound
from .default_app import opened, share
from .urls import check_backend, check_brokers, warn_of_urls

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["names_of", "open_celery", "ping", "tasks_of"]

_RENAMED = {"broker": "broker_url", "backend": "result_backend"}
_CONSTRUCTOR = frozenset({"main", "include", "fixups", "loader", "namespace"})
_DEFAULTS: dict[str, Any] = {
    # With the backend down, sending would block for 19 s for a result nobody reads.
    "task_ignore_result": True,
    "broker_connection_timeout": 3,
    "broker_connection_retry_on_startup": True,
    "task_publish_retry_policy": {
        "max_retries": 1,
        "interval_start": 0.1,
        "interval_max": 0.5,
    },
    # The kit's log lines carry the trace; Celery's own handlers would replace them.
    "worker_hijack_root_logger": False,
}
_REDIS_TRANSPORT = {"socket_timeout": 2, "socket_connect_timeout": 1}  # seconds

logger = logging.getLogger(__name__)


def open_celery(
    settings: Mapping[str, Any],
    app: Flask | None = None,
) -> Iterator[Celery]:
    """Open the service's Celery app and close its connections at the end.

    Args:
        settings: Celery's settings in lower case; ``broker`` and ``backend`` are taken
            as ``broker_url`` and ``result_backend``. A name that Celery does not know
            is a warning with the nearest names, as Celery itself ignores it.
        app: The Flask app in whose context tasks run.

    Raises:
        MissingExtra: Celery is not installed.
        BadBroker: A broker's URL can't be read, or names no transport of Celery's.
        BadBackend: The result backend can't be made of its URL.
    """
    celery = _make_celery(settings, app)
    share()
    opened.add(celery)
    let_go = _end_with(app) if app is not None else None
    try:
        yield celery
    finally:
        if let_go is not None:
            let_go()
        opened.discard(celery)
        celery.close()


def _make_celery(settings: Mapping[str, Any], app: Flask | None) -> Celery:
    try:
        from celery import Celery
    except ImportError:
        key, origin = (
            find_key(settings, "broker_url"),
            find_origin(settings, "broker_url"),
        )
        raise MissingExtra("celery", "celery", "celery", key, origin) from None
    given = _named(settings)
    check_brokers(settings, given)
    warn_of_urls(settings, given, os.environ)
    constructor = {name: given.pop(name) for name in _CONSTRUCTOR & given.keys()}
    constructor.setdefault("main", app.import_name if app is not None else "celery")
    celery = Celery(
        task_cls=_task_class(app) if app is not None else None,
        # The current one is found through the current Flask app, see `share`.
        set_as_current=False,
        **constructor,
    )
    celery.conf.update({**_defaults(given), **given})
    if backend := given.get("result_backend"):
        check_backend(settings, backend, celery)
    return celery


def ping(celery: Celery, timeout: float) -> None:
    """Reach the broker, or one of several, within ``timeout`` seconds.

    Raises:
        kombu.exceptions.OperationalError: None of them lets us in; the cause says why.
    """
    connection = celery.connection_for_write()
    connection.connect_timeout = timeout
    with connection:
        # Each of them once, and at once: a pause would hide why behind the deadline.
        more = max(len(connection.alt), 1) - 1
        connection.ensure_connection(max_retries=more, interval_start=0)


def names_of(celery: Celery) -> list[str]:
    """The names of the service's own tasks."""
    return sorted(name for name in celery.tasks if not name.startswith("celery."))


def tasks_of(celery: Celery) -> dict[str, Any]:
    """The service's own tasks by name."""
    return {name: celery.tasks[name] for name in names_of(celery)}


def _named(settings: Mapping[str, Any]) -> dict[str, Any]:
    from celery.app.defaults import SETTING_KEYS

    known = SETTING_KEYS | _CONSTRUCTOR | _RENAMED.keys()
    for name in settings.keys() - known:
        key = find_key(settings, name)
        near = [find_key(settings, found) for found in find_nearest(name, known)]
        hint = f", did you mean {join_names(near, 'or')}?" if near else ""
        origin = find_origin(settings, name) or "the configuration"
        logger.warning("%s is no setting of Celery (%s)%s", key, origin, hint or ".")
    return {_RENAMED.get(name, name): value for name, value in settings.items()}


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(_DEFAULTS)
    if str(given.get("broker_url", "")).startswith(("redis:", "rediss:")):
        own = given.get("broker_transport_options") or {}
        found["broker_transport_options"] = {**_REDIS_TRANSPORT, **own}
        # It is merged already: the user's own must not replace it again.
        if isinstance(given, dict):
            given.pop("broker_transport_options", None)
    return found


def _task_class(app: Flask) -> Any:
    from celery import Task

    found = weakref.ref(app)

    class AppTask(Task):  # type: ignore[misc]
        """Runs in a context of its own, which closes with what the task raised."""

        abstract = True

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            app = found()
            assert app is not None, "the task outlived its app"
            with app.app_context():
                return self.run(*args, **kwargs)

    return AppTask


def _end_with(app: Flask) -> Callable[[], object]:
    """Close the container when a pool's child ends: its spans would be lost.

    Returns:
        What takes that back.
    """
    from celery.signals import worker_process_shutdown

    lifecycle = weakref.ref(get_bound(app).lifecycle)

    def close(**_: Any) -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    worker_process_shutdown.connect(close, weak=False)
    return lambda: worker_process_shutdown.disconnect(close)
