"""The worker class for gunicorn: ``gunicorn -k modern_flask.server.Worker``."""

from __future__ import annotations

import gc
import os
import signal
import sys
from time import monotonic
from typing import Any

from gunicorn.config import PostRequest, PreRequest
from gunicorn.workers.base import Worker as GunicornWorker
from gunicorn.workers.gthread import ThreadWorker

from ...waiting import DeadlinePassed, call_within
from ..apps import find_app
from .access_log import AccessLog
from .cut import describe_call, end_call
from .drain import Drain
from .limits import Limits, read_limits
from .listeners import Listener
from .loop import Loop
from .service import Service, make_error
from .turns import Call, make_turns

__all__ = ["Worker"]

_FLUSH = 0.8  # seconds for closing the components of a worker that can't end itself
_CUT = make_error(503, "Service Unavailable", "the service restarts", "Retry-After: 1")


class Worker(GunicornWorker):  # type: ignore[misc]
    """Serves a Flask app with one thread, or a few, and never lets a client hold one.

    An event loop holds the connections. A request reaches the app when its head and
    its body are there, and what a slow client does not take is sent without the app's
    thread. Probes are answered while the app computes or waits.

    With TLS, the PROXY protocol or HTTP/2, gunicorn's own ``gthread`` worker serves.
    """

    def __new__(
        cls,
        age: int,
        ppid: int,
        sockets: Any,
        app: Any,
        timeout: float,
        cfg: Any,
        log: Any,
    ) -> Any:
        if _find_reason(cfg):
            return ThreadWorker(age, ppid, sockets, app, timeout, cfg, log)
        return super().__new__(cls)

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Say at start which worker serves."""
        if reason := _find_reason(cfg):
            log.warning("%s: gunicorn's gthread worker serves, not the kit's.", reason)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Do nothing at SIGTERM: its number in the pipe reaches the loop.

        The main thread may be in a call of the app, where no handler can run.
        """

    def run(self) -> None:
        """Serve until a signal, a call that takes too long, or the request limit."""
        self._flask = find_app(self.app.callable)
        listeners = [Listener(sock, self.cfg) for sock in self.sockets]
        service = self._service = self._make_service()
        pipe = (self.PIPE[0], self.PIPE[1])
        self._loop = Loop(
            service, listeners, pipe, self.handle_error, self._read_pipe, self._beat
        )
        grace = float(self.cfg.graceful_timeout)
        self._cut_since = 0.0
        self._reported: set[int] = set()
        delay = service.limits.shutdown_delay
        inherited = any(str(each).startswith("fd://") for each in self.cfg.bind)
        self._drain = Drain(self._loop, delay, grace, inherited)
        self._turns = make_turns(self._loop, service, self._count, self.cfg.threads)
        # What the start has made lives as long as the worker: the collector need not
        # look at it again, and pages that are shared with the master stay shared.
        gc.freeze()
        self._turns.run()

    def _make_service(self) -> Service:
        pages, limits = None, Limits()
        if self._flask is not None:
            from ...pages import get_pages
            from ...wiring import get_container

            pages = get_pages(self._flask)
            values = get_container(self._flask).config()
            limits = read_limits(values.section("SERVER_"))
        before, after = self.cfg.pre_request, self.cfg.post_request
        has_before = self.cfg.settings["pre_request"].get() is not PreRequest.default
        has_after = self.cfg.settings["post_request"].get() is not PostRequest.default
        return Service(
            app=self.wsgi,
            pages=pages,
            cfg=self.cfg,
            log=self.log,
            access_log=AccessLog(self.log, self.cfg),
            limits=limits,
            before=(lambda request: before(self, request)) if has_before else None,
            after=(lambda *words: after(self, *words)) if has_after else None,
        )

    def _count(self) -> None:
        self.nr += 1
        if self.nr == self.max_requests:
            self._loop.beat_now()

    def _read_pipe(self, data: bytes) -> None:
        """Act on signals, whose numbers gunicorn's wake-up pipe has."""
        if signal.SIGTERM in data:
            self._stop()
        elif not self.alive:
            # SIGINT, SIGQUIT or the reloader.
            self._stop(quick=True)

    def _stop(self, quick: bool = False) -> None:
        if self._service.pages is not None:
            self._service.pages.is_stopping = True
        self._drain.begin(monotonic(), quick)

    def _beat(self, now: float) -> None:
        """Tell the master that this worker lives, and see whether it must end."""
        self.notify()
        if late := self._find_late(now):
            self._cut(late, now)
            return
        if self.nr >= self.max_requests and not self._drain.has_begun:
            self.log.info("Autorestarting worker after current request.")
            self._stop()
        if self.ppid != os.getppid() or not self.alive:
            self._stop(quick=True)
        if self._drain.is_done(now):
            calls = list(self._turns.calls.items())
            if self._drain.is_cut and calls:
                self._report(calls, now)
                self._leave(0)
            self._turns.stop()

    def _find_late(self, now: float) -> list[tuple[int, Call]]:
        """Find the calls that take longer than ``--timeout``, with their threads.

        The time of a stream counts from its last part. A websocket has no limit.
        """
        timeout = self.cfg.timeout
        return [
            (ident, (connection, begun))
            for ident, (connection, begun) in list(self._turns.calls.items())
            if timeout
            and now - connection.active > timeout
            and "HTTP_UPGRADE" not in (connection.environ or ())
        ]

    def _cut(self, late: list[tuple[int, Call]], now: float) -> None:
        """Prepare the end of this worker, because a call takes too long.

        Other calls have the grace to end. Then the master makes a new worker.
        """
        if not self._cut_since:
            self._cut_since = now
            if self._service.pages is not None:
                self._service.pages.is_stopping = True
            self._loop.sender.is_stopping = True
            self._loop.stop_accepting()
            self.cfg.worker_abort(self)
        self._loop.refuse_waiting(_CUT)
        self._report([each for each in late if each[0] not in self._reported], now)
        is_over = now > self._cut_since + self.cfg.graceful_timeout
        if is_over or len(late) == len(self._turns.calls):
            self._leave(1)

    def _report(self, calls: list[tuple[int, Call]], now: float) -> None:
        """Log and book calls that will not end, and answer their clients."""
        frames = sys._current_frames()
        for ident, (connection, begun) in calls:
            self._reported.add(ident)
            frame, seconds = frames.get(ident), now - begun
            text = describe_call(self._flask, connection.environ, frame, seconds)
            self.log.critical("%s", text)
            end_call(self._service, self._flask, connection, frame, seconds)
            if connection.outgoing is None and not connection.has_begun:
                self._loop.sender.send(connection, _CUT)

    def _leave(self, code: int) -> None:
        """End the process although the app is in a call."""
        if self._flask is not None:
            from ...wiring import get_bound

            lifecycle = get_bound(self._flask).lifecycle
            try:
                call_within(_FLUSH, lifecycle.close, "close")
            except (Exception, DeadlinePassed) as error:
                self.log.error("The components did not close: %s", error)
        os._exit(code)


def _find_reason(cfg: Any) -> str:
    """Return why this worker can't serve; empty if it can."""
    if cfg.is_ssl:
        return "TLS is on"
    if cfg.proxy_protocol != "off":
        return "The PROXY protocol is on"
    if "h2" in cfg.http_protocols and cfg.http2_cleartext != "off":
        return "HTTP/2 is on"
    return ""
