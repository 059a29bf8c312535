"""Ends the span of a task that could not be sent.

OpenTelemetry's instrumentor of Celery starts a span before a message is published and
ends it afterwards. If the broker can't be reached, its span never ends, and stays the
current one: the rest of the request would be its children, and nobody would see it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

__all__ = ["end_failed_sends"]


def end_failed_sends(app: Any) -> None:
    """End the span of each task that ``app`` fails to send, as an error."""
    from kombu.utils.uuid import uuid

    if find_spec("opentelemetry.instrumentation.celery") is None:
        # The missing instrumentor is reported where it would be started.
        return
    send = app.send_task

    def send_task(
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: Any = None,
        eta: Any = None,
        task_id: str | None = None,
        *rest: Any,
        **options: Any,
    ) -> Any:
        task_id = task_id or uuid()
        try:
            return send(name, args, kwargs, countdown, eta, task_id, *rest, **options)
        except BaseException as error:
            _end_span(name, task_id, error)
            raise

    app.send_task = send_task


def _end_span(name: str, task_id: str, error: BaseException) -> None:
    """End the span that the instrumentor has started for a task, if there is one."""
    from opentelemetry.instrumentation.celery import utils

    task = utils.retrieve_task_from_sender({"sender": name})
    found = utils.retrieve_context(task, task_id, is_publish=True)
    if found is not None:
        utils.detach_context(task, task_id, is_publish=True)
        # This records the error, and makes the span before it the current one again.
        found[1].__exit__(type(error), error, error.__traceback__)
