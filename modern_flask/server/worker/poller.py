"""Waits for many sockets at once."""

from __future__ import annotations

import select
from typing import Any

__all__ = ["READ", "WRITE", "Poller"]

READ, WRITE = select.POLLIN, select.POLLOUT
_MOST_EVENTS = 512


class Poller:
    """Waits by epoll on Linux, elsewhere by poll."""

    def __init__(self) -> None:
        self._poll: Any = select.epoll() if hasattr(select, "epoll") else select.poll()
        self._is_epoll = hasattr(select, "epoll")
        self.register = self._poll.register
        self.modify = self._poll.modify
        self.unregister = self._poll.unregister

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Return the descriptors with their events, at the latest after ``seconds``."""
        if self._is_epoll:
            return self._poll.poll(seconds, _MOST_EVENTS)  # type: ignore[no-any-return]
        return self._poll.poll(seconds * 1000)  # type: ignore[no-any-return]

    def close(self) -> None:
        if self._is_epoll:
            self._poll.close()
