"""Whether the service can work: a ping for each component, each with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

__all__ = ["DEADLINE", "Health", "Ping"]

DEADLINE = 1.0  # seconds; a probe gives up after one by default

_REASONS = {
    "connection refused": ("connection refused",),
    "timed out": ("timed out", "timeout expired", "nothing came in"),
    "unknown host": (
        *("name or service not known", "nodename nor servname provided"),
        *("name resolution", "could not translate host name", "failed to resolve"),
        *("no address associated", "getaddrinfo failed"),
    ),
    "no route": ("no route to host", "network is unreachable"),
    "connection lost": (
        *("connection reset", "connection closed by server", "broken pipe"),
        *("server closed the connection", "lost connection", "gone away"),
    ),
    "credentials refused": (
        *("password authentication failed", "no password supplied", "wrongpass"),
        *("authentication required", "invalid username-password", "access denied"),
        *("access_refused", "access refused", "invalidaccesskeyid"),
        *("signaturedoesnotmatch", "accessdenied"),
    ),
    "certificate refused": ("certificate verify failed",),
    "too many connections": (
        *("too many connections", "too many clients", "max number of clients"),
        "remaining connection slots",
    ),
    "still loading": ("loading the dataset", "the database system is starting up"),
    "disk full": ("no space left on device",),
    "not permitted": ("permission denied", "read-only file system"),
    "not there": (
        *("no such file or directory", "unable to open database file"),
        *("nosuchbucket", "unknown database"),
    ),
}
"""What a probe may tell, and what drivers and systems call it in their texts."""

Ping = Callable[[float], None]


@dataclass
class _Run:
    """One ping under way; ``trouble`` is set when it has come back."""

    done: threading.Event
    trouble: str | None = None


class Health:
    """Pings components side by side, none of them waited for longer than the deadline.

    A ping that hangs is left alone in its thread and not started again until it has
    come back, so that probes of a dead backend don't pile up.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._running: dict[str, _Run] = {}

    def check(self, pings: Mapping[str, Ping]) -> dict[str, str | None]:
        """The trouble of each component, None where there is none.

        A trouble is the name of an error and one of ``_REASONS``, never the error's own
        text: that may hold a secret.
        """
        end = monotonic() + self.deadline
        runs = {name: self._run(name, ping) for name, ping in pings.items()}
        found: dict[str, str | None] = {}
        for name, run in runs.items():
            if run.done.wait(max(0.0, end - monotonic())):
                found[name] = run.trouble
            else:
                found[name] = f"no answer within {self.deadline:g} s"
        return found

    def _run(self, name: str, ping: Ping) -> _Run:
        with self._lock:
            run = self._running.get(name)
            if run is None:
                run = self._running[name] = _Run(threading.Event())
                threading.Thread(
                    target=self._ping, args=(name, ping, run), daemon=True
                ).start()
            return run

    def _ping(self, name: str, ping: Any, run: _Run) -> None:
        try:
            ping(self.deadline)
        except Exception as error:
            run.trouble = told(error)
        finally:
            with self._lock:
                del self._running[name]
            run.done.set()


def told(error: BaseException) -> str:
    """The name of ``error``, and why, as far as one of its causes says it."""
    name = type(error).__name__
    for cause in _causes(error):
        text = str(cause).lower()
        for reason, phrases in _REASONS.items():
            if any(phrase in text for phrase in phrases):
                return f"{name}: {reason}"
    return name


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what led to it, as it is chained or held by who wrapped it."""
    seen: list[BaseException] = []
    waiting = [error]
    for found in waiting:
        if found in seen:
            continue
        seen.append(found)
        yield found
        held = (found.__cause__, found.__context__, *found.args)
        waiting += [each for each in held if isinstance(each, BaseException)]
