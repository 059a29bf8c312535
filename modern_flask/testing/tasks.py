"""Runs the tasks of a test in its own process, and records them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from celery.signals import task_prerun
from flask import Flask

from ..wiring import get_container, is_configured
from .overrides import overriding

__all__ = ["TaskRunner", "run_tasks_here"]


@dataclass
class TaskRunner:
    """Runs tasks in this process, each in its own app context.

    Args:
        app: The app.
        celery: The app's Celery app.
        done: The name, positional and keyword arguments of each task that has run.
    """

    app: Flask
    celery: Celery
    done: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(
        default_factory=list
    )

    def run(self, task: Any, *args: Any, **kwargs: Any) -> Any:
        """Run one task as a worker does, and return its result.

        Raises:
            Exception: The error of the task.
        """
        with self.app.app_context():
            return task.apply(args, kwargs, throw=True).get()

    @property
    def names(self) -> list[str]:
        """The names of the tasks that have run, in order."""
        return [name for name, _, _ in self.done]


@contextmanager
def run_tasks_here(app: Flask) -> Iterator[TaskRunner]:
    """In the block, run each sent task at once, and raise its errors.

    If no ``CELERY_`` key is set, the block uses a Celery app without a broker.
    """
    container = get_container(app)
    with ExitStack() as stack:
        if not is_configured(container.celery):
            keys = {"CELERY_BROKER_URL": "memory://"}
            stack.enter_context(overriding(container, config=keys))
        runner = TaskRunner(app, container.celery())

        def note(task: Any, args: Any, kwargs: Any, **_: Any) -> None:
            runner.done.append((task.name, tuple(args), dict(kwargs)))

        task_prerun.connect(note)
        stack.callback(task_prerun.disconnect, note)
        settings = {"task_always_eager": True, "task_eager_propagates": True}
        before = {name: runner.celery.conf[name] for name in settings}
        runner.celery.conf.update(settings)
        stack.callback(runner.celery.conf.update, before)
        yield runner
