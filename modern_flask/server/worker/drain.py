"""Ends a worker without losing a request."""

from __future__ import annotations

from .listeners import is_shared
from .loop import Loop

__all__ = ["Drain"]

_QUIET = 0.25  # seconds without a new connection or request before the end
_QUICK = 1.0  # seconds for the requests under way if somebody waits at a terminal
_MARGIN = 1.0  # seconds of the grace that are left for closing the components


class Drain:
    """The steps from a signal to the end of a worker.

    1. The process is not ready, and each response closes its connection. If the whole
       server stops, it serves on for the delay, so that balancers take it out.
    2. If the whole server stops, no new connection begins, and those that wait are
       accepted. Otherwise the listening sockets are left to the next worker.
    3. Requests under way are answered. The end comes when all is quiet, or when the
       grace is over.

    Args:
        loop: The loop of the worker.
        delay: Seconds of the first step.
        grace: Seconds from the signal until the worker would be killed.
        inherited: Whether gunicorn got the sockets from another process.
    """

    def __init__(
        self, loop: Loop, delay: float, grace: float, inherited: bool = False
    ) -> None:
        self._is_inherited = inherited
        self._loop, self._delay, self._grace = loop, delay, grace
        self._begun = self._drained = self._active = 0.0
        self._is_whole: bool | None = None
        self._is_accepting = False
        self.is_cut = False
        """Whether the grace is over and requests are still under way."""

    @property
    def has_begun(self) -> bool:
        return self._begun > 0

    def begin(self, now: float, delay: bool = True, quick: bool = False) -> None:
        """Begin to stop; a second call can only make it quicker.

        Args:
            now: The monotonic time.
            delay: Whether to serve on for the delay.
            quick: Whether requests under way have only a short grace, as at SIGINT.
        """
        if quick:
            self._delay = 0.0
            passed = now - self._begun if self.has_begun else 0.0
            self._grace = min(self._grace, passed + _QUICK + _MARGIN)
        if self.has_begun:
            return
        self._begun = now
        self._loop.sender.is_stopping = True
        shared = None
        if not self._is_inherited:
            shared = is_shared(list(self._loop.listeners.values()))
        self._is_whole = None if shared is None else not shared
        if shared or not delay:
            self._delay = 0.0
        self._loop.beat_now()

    def is_done(self, now: float) -> bool:
        """Go on with the steps; return whether the worker may end."""
        if not self.has_begun or now < self._begun + self._delay:
            return False
        loop = self._loop
        if not self._drained:
            self._drained = self._active = now
            self._close_listeners()
        if self._is_accepting and now > self._drained + _QUIET:
            # New connections can't be kept out, or it is not known who else has the
            # sockets. So no longer than needed for what waited.
            self._is_accepting = False
            loop.stop_accepting()
        waiting = sum(each.count_waiting() for each in loop.listeners.values())
        if (
            waiting
            or loop.ready
            or loop.count_busy()
            or loop.has_fresh_idle(now - _QUIET)
        ):
            self._active = now
        if now - self._active >= _QUIET:
            return True
        self.is_cut = now >= self._begun + max(self._delay, self._grace - _MARGIN)
        return self.is_cut

    def _close_listeners(self) -> None:
        if self._is_whole is False:
            self._loop.stop_accepting()
            return
        listeners = self._loop.listeners.values()
        closed = [each.stop_handshakes() for each in listeners if self._is_whole]
        self._is_accepting = not closed or not all(closed)
