"""Measures Celery's tasks in the worker's parent process, where the outcome is known.

A child process of the pool may end after each task, and its metrics would be lost.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["measure_tasks"]


def measure_tasks(app: Any) -> None:
    """Measure the tasks that a worker of ``app`` runs after it has started."""
    from celery.signals import worker_init

    reference: Callable[[], Any] = weakref.ref(app)

    def install(sender: Any = None, **_: Any) -> None:
        celery = reference()
        if sender is not None and celery is not None and sender.app is celery:
            from celery import Task

            from .task_request import MeasuredRequest

            celery.Task.Request = MeasuredRequest
            # Tasks with a base class of their own don't inherit it. A task may also
            # have a request class of its own.
            for task in celery.tasks.values():
                if task.Request == Task.Request:
                    type(task).Request = MeasuredRequest

    name = f"modern_flask.{id(app)}"
    worker_init.connect(install, weak=False, dispatch_uid=name)
    # A later app may have the same id().
    weakref.finalize(app, worker_init.disconnect, dispatch_uid=name)
