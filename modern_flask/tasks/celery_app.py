"""The Celery app: its settings, its tasks, and its shutdown."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask

from ..config.values import find_key, find_origin
from ..errors import find_nearest, join_names, make_import_fault
from ..wiring import get_bound
from .default_app import open_apps, set_default_app
from .urls import check_backend, check_brokers, warn_about_urls

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["get_tasks", "list_task_names", "open_celery", "ping"]

_RENAMED = {"broker": "broker_url", "backend": "result_backend"}
_CONSTRUCTOR = frozenset(
    {"main", "include", "fixups", "loader", "namespace", "task_cls"}
)
_DEFAULTS: dict[str, Any] = {
    # With False, sending blocks for 19 s while the result backend is down, even if
    # nobody reads the result.
    "task_ignore_result": True,
    "broker_connection_timeout": 3,
    "broker_connection_retry_on_startup": True,
    "task_publish_retry_policy": {
        "max_retries": 1,
        "interval_start": 0.1,
        "interval_max": 0.5,
    },
    # With True, Celery replaces the kit's log handlers, which add the trace ids.
    "worker_hijack_root_logger": False,
}
_REDIS_TRANSPORT = {"socket_timeout": 2, "socket_connect_timeout": 1}  # seconds

logger = logging.getLogger(__name__)


def open_celery(
    settings: Mapping[str, Any],
    app: Flask | None = None,
) -> Iterator[Celery]:
    """Open the service's Celery app and close its connections at shutdown.

    Args:
        settings: Celery's settings in lower case. ``broker`` means ``broker_url``, and
            ``backend`` means ``result_backend``. Celery ignores a name that it does not
            know, so the kit logs a warning with the nearest names.
        app: Tasks run in the context of this Flask app, whatever their class.

    Raises:
        MissingExtra: Celery is not installed.
        BrokenPackage: It is installed and can't be imported.
        BadBroker: The URL of a broker can't be parsed, or Celery has no such transport.
        BadBackend: Celery can't make the result backend from its URL.
    """
    celery = _make_celery(settings, app)
    set_default_app()
    open_apps.add(celery)
    disconnect = _close_with_process(app) if app is not None else None
    try:
        yield celery
    finally:
        if disconnect is not None:
            disconnect()
        open_apps.discard(celery)
        celery.close()


def _make_celery(settings: Mapping[str, Any], app: Flask | None) -> Celery:
    try:
        from celery import Celery
    except ImportError as error:
        key, origin = (
            find_key(settings, "broker_url"),
            find_origin(settings, "broker_url"),
        )
        raise make_import_fault(
            error, "celery", "celery", "celery", "celery", key, origin
        ) from error
    given = _rename_settings(settings)
    check_brokers(settings, given)
    warn_about_urls(settings, given, os.environ)
    constructor = {name: given.pop(name) for name in _CONSTRUCTOR & given.keys()}
    constructor.setdefault("main", app.import_name if app is not None else "celery")
    if app is not None:
        from .context import TasksInContext

        constructor["tasks"] = TasksInContext(app)
    celery = Celery(
        # set_default_app finds the current one through the current Flask app.
        set_as_current=False,
        **constructor,
    )
    celery.conf.update({**_make_defaults(given), **given})
    if backend := given.get("result_backend"):
        check_backend(settings, backend, celery)
    return celery


def ping(celery: Celery, timeout: float) -> None:
    """Connect to the broker, or to one of several.

    Args:
        timeout: Seconds for each broker.

    Raises:
        kombu.exceptions.OperationalError: No connection succeeds; the cause says why.
    """
    connection = celery.connection_for_write()
    connection.connect_timeout = timeout
    with connection:
        # Each broker once and without a pause: a longer ping would reach its deadline,
        # and nobody would see the reason.
        more = max(len(connection.alt), 1) - 1
        connection.ensure_connection(max_retries=more, interval_start=0)


def list_task_names(celery: Celery) -> list[str]:
    """Return the names of the service's tasks, without those of Celery itself."""
    return sorted(name for name in celery.tasks if not name.startswith("celery."))


def get_tasks(celery: Celery) -> dict[str, Any]:
    """Return the service's tasks by name, without those of Celery itself."""
    return {name: celery.tasks[name] for name in list_task_names(celery)}


def _rename_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with Celery's names, and warn about each unknown name."""
    from celery.app.defaults import SETTING_KEYS

    known = SETTING_KEYS | _CONSTRUCTOR | _RENAMED.keys()
    for name in settings.keys() - known:
        key = find_key(settings, name)
        near = [find_key(settings, found) for found in find_nearest(name, known)]
        hint = f", did you mean {join_names(near, 'or')}?" if near else ""
        origin = find_origin(settings, name) or "the configuration"
        logger.warning("%s is not a setting of Celery (%s)%s", key, origin, hint or ".")
    return {_RENAMED.get(name, name): value for name, value in settings.items()}


def _make_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(_DEFAULTS)
    if str(given.get("broker_url", "")).startswith(("redis:", "rediss:")):
        own = given.get("broker_transport_options") or {}
        found["broker_transport_options"] = {**_REDIS_TRANSPORT, **own}
        # Already merged above: the user's value must not replace the merged one.
        if isinstance(given, dict):
            given.pop("broker_transport_options", None)
    return found


def _close_with_process(app: Flask) -> Callable[[], object]:
    """Close the container when a child of the worker's pool ends, to send its spans.

    Returns:
        A function that disconnects the signal.
    """
    from celery.signals import worker_process_shutdown

    lifecycle = weakref.ref(get_bound(app).lifecycle)

    def close(**_: Any) -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    worker_process_shutdown.connect(close, weak=False)
    return lambda: worker_process_shutdown.disconnect(close)
