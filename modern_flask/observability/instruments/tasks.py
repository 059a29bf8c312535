"""Celery's tasks, measured where their outcome is known: in the worker's parent.

A child of the pool may end after each task, and its numbers with it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["measure_tasks"]


def measure_tasks(app: Any) -> None:
    """Measure the tasks that a worker of ``app`` runs, from its start on."""
    from celery.signals import worker_init

    reference: Callable[[], Any] = weakref.ref(app)

    def install(sender: Any = None, **_: Any) -> None:
        celery = reference()
        if sender is not None and celery is not None and sender.app is celery:
            from .task_request import MeasuredRequest

            celery.Task.Request = MeasuredRequest

    name = f"modern_flask.{id(app)}"
    worker_init.connect(install, weak=False, dispatch_uid=name)
    # Another app may have the same identity later.
    weakref.finalize(app, worker_init.disconnect, dispatch_uid=name)
