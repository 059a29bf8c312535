"""The request class of a Celery worker's parent process. It measures the task.

This module imports Celery's worker, so only a worker imports this module.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from billiard.einfo import ExceptionWithTraceback
from celery.exceptions import Ignore, Reject, Retry
from celery.worker.request import Request

from ..metrics.families import TASK_DURATION, TASK_RETRIES

__all__ = ["MeasuredRequest"]


class MeasuredRequest(Request):  # type: ignore[misc]
    """Measures its task when the worker's parent process gets the result.

    A child process of the pool runs the task; the parent keeps the request.
    """

    _begun: float | None = None
    _runtime: float | None = None

    def __init_subclass__(cls) -> None:
        # Celery makes a class for each task. Its on_success does not call super().
        settle = cls.on_success

        def on_success(self: Any, failed__retval__runtime: Any, **rest: Any) -> Any:
            failed, _, self._runtime = failed__retval__runtime
            if not failed:
                self._end("success")
            return settle(self, failed__retval__runtime, **rest)

        cls.on_success = on_success

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        self._begun = monotonic()
        super().on_accepted(pid, time_accepted)

    def on_retry(self, exc_info: Any) -> None:
        TASK_RETRIES.labels(self.name).inc()
        self._end("retry")
        super().on_retry(exc_info)

    def on_failure(self, exc_info: Any, *args: Any, **rest: Any) -> Any:
        raised = exc_info.exception
        if isinstance(raised, ExceptionWithTraceback):
            raised = raised.exc
        if not isinstance(raised, Retry | Ignore | Reject):
            self._end("failure")
        return super().on_failure(exc_info, *args, **rest)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        if not soft:
            self._end("timeout")
        return super().on_timeout(soft, timeout)

    def _end(self, outcome: str) -> None:
        # A lost child process reports no duration, and a task that was never accepted
        # has none.
        seconds = self._runtime
        if seconds is None:
            seconds = monotonic() - self._begun if self._begun else 0.0
        TASK_DURATION.labels(self.name, outcome).observe(seconds)
