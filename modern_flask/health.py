"""Whether the service can work: a ping for each component, each with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

__all__ = ["DEADLINE", "Health", "Ping"]

DEADLINE = 1.0  # seconds; a probe gives up after one by default

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

        A trouble is the name of an error, never its text: that may hold a secret.
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
            run.trouble = type(error).__name__
        finally:
            with self._lock:
                del self._running[name]
            run.done.set()
