"""Celery from the configuration; a task runs in the app's context, as requests do."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app
from werkzeug.local import LocalProxy

from modern_flask.config.values import key_of, origin_of
from modern_flask.errors import ConfigurationError, MissingExtra, listed, nearest
from modern_flask.wiring import get_bound

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["BadBroker", "names_of", "open_celery", "ping", "share", "tasks_of"]

RENAMED = {"broker": "broker_url", "backend": "result_backend"}
BROKERS = ("broker_url", "broker_read_url", "broker_write_url")
CONSTRUCTOR = frozenset({"main", "include", "fixups", "loader", "namespace"})
DEFAULTS: dict[str, Any] = {
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
REDIS_TRANSPORT = {"socket_timeout": 2, "socket_connect_timeout": 1}  # seconds

log = logging.getLogger(__name__)
_open: weakref.WeakSet[Any] = weakref.WeakSet()


class BadBroker(ConfigurationError):
    """A broker's URL can't be used. It is not repeated: it may hold a password."""

    def __init__(self, key: str, origin: object, near: Sequence[str]) -> None:
        self.key, self.origin, self.nearest = key, origin, list(near)
        super().__init__(
            f"{key} is no URL of a broker that the installed Celery knows.",
            ("set in", origin or ""),
            ("did you mean", listed([f"{name}://" for name in near], "or")),
            ("write", "redis://user:password@host:6379/0, or amqp:// for RabbitMQ"),
            ("note", "in a password, @ is %40, : is %3A, / is %2F"),
        )


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
    """
    try:
        from celery import Celery
    except ImportError:
        key, origin = key_of(settings, "broker_url"), origin_of(settings, "broker_url")
        raise MissingExtra("celery", "celery", "celery", key, origin) from None
    given = _named(settings)
    _check_brokers(settings, given)
    constructor = {name: given.pop(name) for name in CONSTRUCTOR & given.keys()}
    constructor.setdefault("main", app.import_name if app is not None else "celery")
    celery = Celery(
        task_cls=_task_class(app) if app is not None else None,
        # The current one is found through the current Flask app, see `share`.
        set_as_current=False,
        **constructor,
    )
    celery.conf.update({**_defaults(given), **given})
    share()
    _open.add(celery)
    if app is not None:
        _end_with(app)
    try:
        yield celery
    finally:
        _open.discard(celery)
        celery.close()


def ping(celery: Celery, timeout: float) -> None:
    """Reach the broker within ``timeout`` seconds."""
    connection = celery.connection_for_write()
    connection.connect_timeout = timeout
    with connection:
        connection.ensure_connection(max_retries=1, timeout=timeout)


def names_of(celery: Celery) -> list[str]:
    """The names of the service's own tasks."""
    return sorted(name for name in celery.tasks if not name.startswith("celery."))


def tasks_of(celery: Celery) -> dict[str, Any]:
    """The service's own tasks by name."""
    return {name: celery.tasks[name] for name in names_of(celery)}


def _check_brokers(settings: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Look each URL's transport up, as the worker would at its start."""
    from kombu.transport import TRANSPORT_ALIASES

    for name in BROKERS:
        value = given.get(name) or ()
        urls = value.split(";") if isinstance(value, str) else value
        for url in urls if isinstance(urls, list | tuple) else [urls]:
            if not _has_transport(url, given.get("broker_transport")):
                own = name if name in settings else "broker"
                scheme = str(url).partition("://")[0].partition("+")[0]
                known = scheme in TRANSPORT_ALIASES
                near = [] if known else nearest(scheme, TRANSPORT_ALIASES)
                raise BadBroker(key_of(settings, own), origin_of(settings, own), near)


def _has_transport(url: Any, transport: Any) -> bool:
    """Whether kombu can make a connection of it; none is opened."""
    from kombu.connection import Connection

    make: Any = Connection
    try:
        make(url, transport=transport).get_transport_cls()
    except Exception:
        # It may quote a part of the password.
        return False
    return True


def _named(settings: Mapping[str, Any]) -> dict[str, Any]:
    from celery.app.defaults import SETTING_KEYS

    known = SETTING_KEYS | CONSTRUCTOR | RENAMED.keys()
    for name in settings.keys() - known:
        key = key_of(settings, name)
        near = [key_of(settings, found) for found in nearest(name, known)]
        hint = f", did you mean {listed(near, 'or')}?" if near else ""
        origin = origin_of(settings, name) or "the configuration"
        log.warning("%s is no setting of Celery (%s)%s", key, origin, hint or ".")
    return {RENAMED.get(name, name): value for name, value in settings.items()}


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(DEFAULTS)
    if str(given.get("broker_url", "")).startswith(("redis:", "rediss:")):
        own = given.get("broker_transport_options") or {}
        found["broker_transport_options"] = {**REDIS_TRANSPORT, **own}
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
    return next(iter(_open), None) or _nobody()


@cache
def _nobody() -> Any:
    """What Celery itself would answer with, for those who only look at a task."""
    from celery import Celery

    return Celery("default", set_as_current=False)


_current: Any = LocalProxy(_find)


def _end_with(app: Flask) -> None:
    """Close the container when a pool's child ends: its spans would be lost."""
    from celery.signals import worker_process_shutdown

    lifecycle = weakref.ref(get_bound(app).lifecycle)

    def close(**_: Any) -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    worker_process_shutdown.connect(
        close, weak=False, dispatch_uid=f"modern_flask:{id(app)}"
    )
