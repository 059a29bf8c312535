"""Runs every task of a Celery app in the context of the Flask app.

A task class for the whole app would not do: ``shared_task(base=...)``, and a task that
is a class of its own, do without it.
"""

from __future__ import annotations

import inspect
import weakref
from typing import Any

from celery import Task
from celery.app.registry import TaskRegistry
from flask import Flask

from ..wiring import named_work

__all__ = ["TasksInContext"]

_ENTRIES = (
    "__call__",
    "before_start",
    "on_success",
    "on_failure",
    "on_retry",
    "after_return",
)
"""The methods of a task that run code of the service."""

_PLAIN = "_modern_flask_plain"
"""The attribute of a derived class that has the task's own class."""

_APP = "_modern_flask_app"
"""The attribute of a derived method that has the app in whose context it runs."""


class TasksInContext(TaskRegistry):  # type: ignore[misc]
    """The tasks of a Celery app. Each of them runs in the context of ``app``.

    Celery puts every task here, however it was made: by a decorator, as a class, with
    a base class, by a library. Its class is then replaced by one that is derived from
    it, for this app alone.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self._app = weakref.ref(app)

    def __setitem__(self, name: str, task: Any) -> None:
        kind = type(task)
        if issubclass(kind, Task):
            # The same object may have been registered with another app before.
            task.__class__ = _derive(vars(kind).get(_PLAIN, kind), self._app)
        super().__setitem__(name, task)


def _derive(plain: Any, app: weakref.ref[Flask]) -> type:
    def bind(cls: Any, celery: Any) -> Any:
        bound = super(derived, cls).bind(celery)
        # The setting task_annotations may have replaced some of the methods.
        _wrap_methods(cls, app)
        return bound

    names = {name: getattr(plain, name) for name in ("__module__", "__qualname__")}
    own = {"__doc__": plain.__doc__, _PLAIN: plain, "bind": classmethod(bind)}
    derived: Any = type(plain)(plain.__name__, (plain,), {**names, **own})
    _wrap_methods(derived, app)
    return derived  # type: ignore[no-any-return]


def _wrap_methods(cls: Any, app: weakref.ref[Flask]) -> None:
    for name in _ENTRIES:
        method = inspect.getattr_static(cls, name)
        is_celery_s = method is vars(Task)[name]
        if is_celery_s and name != "__call__":
            continue  # it does nothing
        if getattr(method, _APP, None) is not app:
            # Task.__call__ would hide the request of the task from its function.
            setattr(cls, name, _wrap_method(None if is_celery_s else method, app))


def _wrap_method(method: Any, app: weakref.ref[Flask]) -> Any:
    """Wrap a method; None stands for the task's function."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = app()
        assert found is not None, "the app of this task does not exist anymore"
        with named_work(found, f"Task {self.name}"):
            if method is None:
                return self.run(*args, **kwargs)
            is_descriptor = hasattr(method, "__get__")
            bound = method.__get__(self, type(self)) if is_descriptor else method
            return bound(*args, **kwargs)

    setattr(call, _APP, app)
    return call
