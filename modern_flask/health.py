"""Whether the service can work: a ping for each component, each with a deadline."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import Context
from functools import partial

from .failures import describe
from .waiting import BackgroundCall, Deadline, DeadlinePassed

__all__ = ["DEADLINE", "Health", "Ping"]

DEADLINE = 1.0
"""Seconds. By default, a Kubernetes probe has a timeout of one second."""

logger = logging.getLogger(__name__)

Ping = Callable[[float], None]
"""Raises an error if a component does not work; its argument is a time in seconds."""


class Health:
    """Pings the components in parallel, and stops waiting for them at the deadline.

    A ping that hangs stays in its thread, and no other ping of that component starts
    before it returns. So the probes of a dead back end do not pile up.

    Args:
        deadline: Seconds for all pings together.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._calls: dict[str, BackgroundCall[str | None]] = {}
        self._failing: dict[str, str] = {}

    def check(self, pings: Mapping[str, Ping]) -> dict[str, str | None]:
        """Ping each component and return the reason why it fails, None if it works.

        A reason is the class of an error and one of :data:`.failures.REASONS`. It is
        never the text of the error, because that may contain a secret.
        """
        deadline = Deadline(self.deadline)
        calls = {name: self._call(name, ping) for name, ping in pings.items()}
        found = {name: self._get_result(call, deadline) for name, call in calls.items()}
        self._log_changes(found)
        return found

    def _log_changes(self, found: Mapping[str, str | None]) -> None:
        """Log each component that fails for a new reason, or works again."""
        with self._lock:
            before, now = self._failing, {k: v for k, v in found.items() if v}
            self._failing = now
        for name, reason in now.items():
            if before.get(name) != reason:
                logger.warning("%s is not ready: %s.", name, reason)
        for name in before.keys() - now.keys():
            logger.info("%s is ready again.", name)

    def _call(self, name: str, ping: Ping) -> BackgroundCall[str | None]:
        """Return the call that still runs from an earlier check, or start a new one."""
        with self._lock:
            call = self._calls.get(name)
            if call is None or call.ended:
                run = partial(_run, ping, self.deadline)
                call = self._calls[name] = BackgroundCall(run, f"ping {name}")
            return call

    def _get_result(
        self, call: BackgroundCall[str | None], deadline: Deadline
    ) -> str | None:
        try:
            return call.result(deadline.left())
        except DeadlinePassed:
            return f"no answer within {self.deadline:g} s"


def _run(ping: Ping, seconds: float) -> str | None:
    try:
        # In an empty context: a ping belongs to no trace and to no request.
        Context().run(ping, seconds)
    except BaseException as error:  # in this thread, SystemExit is also just a failure
        return describe(error)
    return None
