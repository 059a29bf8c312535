"""Finds shared tasks that only Celery's implicit default app would take.

Without a Celery app, ``delay()`` of a shared task makes one, and sends the task to
``amqp://guest@localhost``.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from flask import Flask

from ..wiring.callables import locate, unwrap
from ..wiring.checks.functions import belongs_to
from .default_app import is_default_app, open_apps
from .errors import TaskWithoutApp

__all__ = ["find_tasks_without_app"]

_CONFIGURING = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_CONFIG_MODULE",
    "CELERY_LOADER",
)
"""Variables that Celery itself reads. They configure the implicit app, too."""


def find_tasks_without_app(
    app: Flask, environ: Mapping[str, str] = os.environ
) -> list[TaskWithoutApp]:
    """Find the service's shared tasks, if the service has no Celery app at all.

    Tasks of libraries are left out: they may be unused. Nothing is imported or made.
    """
    state: Any = sys.modules.get("celery._state")
    if state is None or _is_configured(environ) or _has_own_app(state):
        return []
    own = [
        (name, function)
        for name, function in _find_shared_tasks(state)
        if _is_of_service(app, function)
    ]
    return [TaskWithoutApp(name, locate(function)) for name, function in sorted(own)]


def _is_configured(environ: Mapping[str, str]) -> bool:
    # Celery's implicit app reads the module celeryconfig.
    return any(map(environ.get, _CONFIGURING)) or find_spec("celeryconfig") is not None


def _has_own_app(state: Any) -> bool:
    """Whether the service has made a Celery app, or configured the implicit one."""
    found = [celery for celery in state._get_active_apps() if celery not in open_apps]
    return any(not is_default_app(one) or _has_broker(one) for one in found)


def _has_broker(default: Any) -> bool:
    if not default.configured:
        return bool(default._preconf or default._config_source)
    settings = default.conf
    return bool(
        settings.broker_url or settings.broker_write_url or settings.task_always_eager
    )


def _find_shared_tasks(state: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the function of each ``shared_task``.

    Celery keeps them as functions that make the task for an app.
    """
    for make in [*state._on_app_finalizers]:
        if getattr(make, "__module__", "") != "celery.app":
            continue
        held = inspect.getclosurevars(make).nonlocals
        function, options = held.get("fun"), held.get("options", {})
        if callable(function):
            name = f"{function.__module__}.{function.__name__}"
            yield options.get("name") or name, function


def _is_of_service(app: Flask, function: Any) -> bool:
    module = str(unwrap(function).__module__)
    views = {getattr(view, "__module__", "") for view in app.view_functions.values()}
    return belongs_to(app, module) or module in views
