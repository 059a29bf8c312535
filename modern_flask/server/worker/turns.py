"""Which thread runs the loop, and which one calls the app."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic

from .caller import Caller
from .connection import Connection
from .loop import Loop
from .service import Service, make_error

__all__ = ["Call", "Turns", "make_turns"]

_PATIENCE = 0.05  # seconds of a call after which another thread takes the loop over
_ROUND = 0.005  # seconds of calls until the loop looks around again
_IDLE_ROUNDS = 20  # pauses without a call until the standby sleeps
_SWITCH = 0.0005  # seconds: how long the app keeps the GIL while the loop waits for it
_TOO_LATE = make_error(
    503, "Service Unavailable", "the request has waited for too long", "Retry-After: 1"
)

Call = tuple[Connection, float]
"""A request that the app answers at present, and when that began."""


class Turns:
    """Runs the loop and the app until the worker ends. This is the common part.

    Args:
        loop: The loop.
        service: The app, and how it is served.
        count: Called before each request of the app.
    """

    def __init__(self, loop: Loop, service: Service, count: Callable[[], None]) -> None:
        self._loop, self._service, self._count = loop, service, count
        self._caller = Caller(service, loop.sender)
        self.is_done = False
        self.calls: dict[int, Call] = {}
        """The calls of the app at present, by thread."""
        self._pages: SimpleQueue[Connection | None] = SimpleQueue()
        loop.pages = self._answer_page
        self._start(self._answer_pages, "pages")

    def run(self) -> None:
        """Serve until :meth:`stop` is called."""
        raise NotImplementedError

    def stop(self) -> None:
        """Make all threads end; called by the thread that runs the loop."""
        self.is_done = True
        self._pages.put(None)

    @staticmethod
    def _start(target: Callable[[], None], name: str) -> None:
        threading.Thread(target=target, name=name, daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        """Call the app in this thread."""
        ident, now = threading.get_ident(), monotonic()
        timeout = self._service.limits.queue_timeout
        if timeout and now - connection.arrived > timeout:
            connection.keep = False
            self._loop.sender.send(connection, _TOO_LATE)
            return
        self._count()
        connection.active = now
        self.calls[ident] = (connection, now)
        try:
            self._caller.answer(connection, self._service.app)
        finally:
            del self.calls[ident]

    def _answer_page(self, connection: Connection) -> bool:
        pages, environ = self._service.pages, connection.environ
        if pages is None or not pages.takes(environ):
            return False
        if pages.is_instant(environ):
            self._caller.answer(connection, pages)
            self._loop.returned.append(connection)
        else:
            self._pages.put(connection)
        return True

    def _answer_pages(self) -> None:
        """Answer the pages of the kit. This may wait for a ping, so it has a thread."""
        while (connection := self._pages.get()) is not None:
            self._caller.answer(connection, self._service.pages)
            self._loop.returned.append(connection)
            self._loop.wake()


class _OneThread(Turns):
    """The main thread runs the loop and calls the app itself.

    So an ordinary request costs no change of threads. When a call lasts, a standby
    thread runs the loop until the call has ended. Every call of the app is in the main
    thread.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._in_call = self._is_wanted = self._is_asleep = False
        self._number = 0
        self._alarm: SimpleQueue[None] = SimpleQueue()

    def run(self) -> None:
        loop = self._loop
        loop.lock.acquire()
        self._start(self._stand_by, "loop")
        try:
            while not self.is_done:
                loop.step(wait=not loop.ready)
                until = loop.polled + _ROUND
                while loop.ready and not self.is_done:
                    self._call(loop.ready.popleft())
                    if monotonic() > until:
                        break
        finally:
            self.is_done = True
            self._alarm.put(None)
            loop.lock.release()

    def _call(self, connection: Connection) -> None:
        loop = self._loop
        self._number += 1
        self._in_call = True
        # First say that a call runs, then look: the standby does it the other way.
        if self._is_asleep:
            self._alarm.put(None)
        loop.lock.release()
        try:
            self._answer(connection)
        finally:
            self._in_call = False
            if not loop.lock.acquire(blocking=False):
                self._is_wanted = True
                loop.wake()
                loop.lock.acquire()
                self._is_wanted = False
        loop.finish(connection)

    def _stand_by(self) -> None:
        """Wait in another thread until a call lasts, and run the loop meanwhile."""
        quiet, seen = 0, self._number
        while not self.is_done:
            time.sleep(_PATIENCE)
            if self._number == seen and not self._in_call:
                quiet += 1
                if quiet >= _IDLE_ROUNDS:
                    self._sleep(seen)
                    quiet = 0
                continue
            quiet, seen = 0, self._number
            if self._in_call and monotonic() - self._loop.polled > _PATIENCE:
                self._lead()

    def _sleep(self, seen: int) -> None:
        self._is_asleep = True
        if self._number == seen and not self._in_call and not self.is_done:
            self._alarm.get()
        self._is_asleep = False

    def _lead(self) -> None:
        loop = self._loop
        if not loop.lock.acquire(blocking=False):
            return
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        try:
            while self._in_call and not self._is_wanted and not self.is_done:
                loop.step(wait=True)
        except Exception:
            # The main thread goes on with the loop, and fails there in the same way.
            self._service.log.exception("The loop failed while the app was in a call.")
        finally:
            sys.setswitchinterval(before)
            loop.lock.release()


class _ManyThreads(Turns):
    """The main thread runs the loop, and the app has threads of its own."""

    def __init__(self, *args: object, threads: int) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._threads = threads
        # One element for each thread without a request. Other threads add to it.
        self._free = deque(range(threads))
        self._requests: SimpleQueue[Connection | None] = SimpleQueue()

    def run(self) -> None:
        loop = self._loop
        loop.lock.acquire()
        for number in range(self._threads):
            self._start(self._work, f"app {number + 1}")
        try:
            while not self.is_done:
                loop.step(wait=not (loop.ready and self._free))
                while loop.ready and self._free:
                    self._free.pop()
                    self._requests.put(loop.ready.popleft())
        finally:
            loop.lock.release()

    def stop(self) -> None:
        super().stop()
        for _ in range(self._threads):
            self._requests.put(None)

    def _work(self) -> None:
        while (connection := self._requests.get()) is not None:
            self._answer(connection)
            self._free.append(0)
            self._loop.returned.append(connection)
            self._loop.wake()


def make_turns(
    loop: Loop, service: Service, count: Callable[[], None], threads: int
) -> Turns:
    """Make the turns for a number of threads that call the app."""
    if threads > 1:
        return _ManyThreads(loop, service, count, threads=threads)
    return _OneThread(loop, service, count)
