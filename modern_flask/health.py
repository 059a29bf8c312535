"""Whether the service can work: checks with deadlines, repeated in the background."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from time import monotonic

from .failures import describe
from .waiting import BackgroundCall, Deadline, DeadlinePassed

__all__ = ["Check", "Health", "Ping", "Result", "Rhythm"]

_UNREAD = 60.0
"""Seconds. If nobody has read the results for so long, the background stops."""

logger = logging.getLogger(__name__)

Ping = Callable[[float], None]
"""Raises an error if a component does not work; its argument is a time in seconds."""


@dataclass(frozen=True)
class Check:
    """One check.

    Args:
        ping: Raises an error if the component does not work.
        critical: Whether the service is not ready without the component.
        is_open: Whether the component is open. The background does not open one.
    """

    ping: Ping
    critical: bool = True
    is_open: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Result:
    """What is known of one component.

    Args:
        reason: Why it fails: the class of an error and one of
            :data:`.failures.REASONS`, never the text of the error, because that may
            contain a secret. None if it works.
        critical: As in :class:`Check`.
    """

    reason: str | None
    critical: bool = True


@dataclass(frozen=True)
class Rhythm:
    """When a check runs, and how often it must agree with itself.

    Args:
        timeout: Seconds for all checks of a round together. By default, a Kubernetes
            probe has a timeout of one second.
        period: Seconds from the end of a round to the next one.
        failures: So many failures in sequence make a component fail.
        successes: So many successes in sequence make it work again.
    """

    timeout: float = 1.0
    period: float = 5.0
    failures: int = 2
    successes: int = 1


class Health:
    """Knows whether the components work.

    The first reading runs all checks. From then on, a thread repeats them, and a
    reading returns the last results: a probe never waits for a dead back end.

    A ping that hangs stays in its thread, and no other ping of that component starts
    before it returns. So the pings of a dead back end do not pile up.

    Args:
        find_checks: Returns the present checks by name.
        rhythm: When they run.
    """

    def __init__(
        self,
        find_checks: Callable[[], Mapping[str, Check]] = dict,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._find_checks, self.rhythm = find_checks, rhythm or Rhythm()
        self._lock = threading.Lock()
        self._calls: dict[str, BackgroundCall[str | None]] = {}
        self._results: dict[str, Result] = {}
        self._runs: dict[str, tuple[bool, int]] = {}
        self._watcher: threading.Thread | None = None
        self._stopped = threading.Event()
        self._checked = self._read = float("-inf")

    def read(self) -> dict[str, Result]:
        """Return the result of each check; the first reading runs all of them."""
        self._read = monotonic()
        rhythm = self.rhythm
        # The watcher may have been starved, or it is a thread of the parent process.
        allowed = 2 * rhythm.period + rhythm.timeout
        with self._lock:
            is_watched = self._watcher is not None and self._watcher.is_alive()
        if not is_watched or self._read - self._checked > allowed:
            self._run_round(self._find_checks())
        if not is_watched:
            self._watch()
        with self._lock:
            return dict(self._results)

    def stop(self) -> None:
        """Stop the background; a later reading begins it again."""
        self._stopped.set()

    def _watch(self) -> None:
        stopped = self._stopped = threading.Event()
        watcher = threading.Thread(
            target=_watch, args=(weakref.ref(self), stopped), name="health", daemon=True
        )
        with self._lock:
            if self._watcher is not None and self._watcher.is_alive():
                return
            self._watcher = watcher
        try:
            watcher.start()
        except RuntimeError:
            # The interpreter ends.
            self._watcher = None

    def repeat(self) -> bool:
        """Run a round of the background; return False if it is not needed anymore."""
        if monotonic() - self._read > _UNREAD:
            return False
        checks = self._find_checks()
        if not any(check.is_open() for check in checks.values()):
            return False
        self._run_round({name: c for name, c in checks.items() if c.is_open()})
        return True

    def _run_round(self, checks: Mapping[str, Check]) -> None:
        pings = {name: check.ping for name, check in checks.items()}
        found = self.check(pings)
        with self._lock:
            before = self._results
            now = {name: before[name] for name in before.keys() & self._known()}
            for name, reason in found.items():
                settled = self._settle(name, reason, before.get(name))
                now[name] = Result(settled, checks[name].critical)
            self._results = {name: now[name] for name in [*checks, *now] if name in now}
            self._checked = monotonic()
        _log_changes(before, now)

    def _known(self) -> set[str]:
        return set(self._find_checks())

    def _settle(self, name: str, reason: str | None, last: Result | None) -> str | None:
        """Return the reason that counts: a component does not flap."""
        failed = reason is not None
        same, times = self._runs.get(name, (failed, 0))
        times = times + 1 if same == failed else 1
        self._runs[name] = (failed, times)
        if last is None or (last.reason is not None) == failed:
            return reason
        needed = self.rhythm.failures if failed else self.rhythm.successes
        return reason if times >= needed else last.reason

    def check(self, pings: Mapping[str, Ping]) -> dict[str, str | None]:
        """Ping each component and return the reason why it fails, None if it works."""
        deadline = Deadline(self.rhythm.timeout)
        calls = {name: self._call(name, ping) for name, ping in pings.items()}
        return {name: self._get_result(call, deadline) for name, call in calls.items()}

    def _call(self, name: str, ping: Ping) -> BackgroundCall[str | None]:
        """Return the call that still runs from an earlier check, or start a new one."""
        with self._lock:
            call = self._calls.get(name)
            if call is None or call.ended:
                run = partial(_run, ping, self.rhythm.timeout)
                call = self._calls[name] = BackgroundCall(run, f"ping {name}")
            return call

    def _get_result(
        self, call: BackgroundCall[str | None], deadline: Deadline
    ) -> str | None:
        try:
            return call.result(deadline.left())
        except DeadlinePassed:
            return f"no answer within {self.rhythm.timeout:g} s"


def _watch(found: weakref.ref[Health], stopped: threading.Event) -> None:
    """Repeat the checks until nobody needs them."""
    health = found()
    while health is not None:
        period = health.rhythm.period
        # The thread must not keep the app alive while it waits.
        del health
        if stopped.wait(period) or (health := found()) is None:
            return
        try:
            if not health.repeat():
                return
        except Exception:
            logger.exception("The checks of the components failed.")


def _log_changes(before: Mapping[str, Result], now: Mapping[str, Result]) -> None:
    """Log each component that fails for a new reason, or works again."""
    for name, result in now.items():
        last = before[name].reason if name in before else None
        if result.reason and result.reason != last:
            logger.warning("%s is not ready: %s.", name, result.reason)
        elif last and not result.reason:
            logger.info("%s is ready again.", name)


def _run(ping: Ping, seconds: float) -> str | None:
    try:
        # In an empty context: a ping belongs to no trace and to no request.
        Context().run(ping, seconds)
    except BaseException as error:  # in this thread, SystemExit is also just a failure
        return describe(error)
    return None
