"""WSGI middleware: a span and a metric for each request, until its body ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, got_request_exception

from .caller import make_reader
from .environ_keys import RULE
from .exchange import Exchange, RequestObserver, record_exception
from .exclusions import Exclusions, read_pattern
from .server_span import choose_spans

if TYPE_CHECKING:
    from types import FrameType

    from ..metrics.registry import Metrics

__all__ = ["RequestTelemetry", "end_running"]

_UNTRACED_PATHS = frozenset({"/metrics", "/livez", "/readyz"})
_UNMEASURED_PATHS = _UNTRACED_PATHS | {"/healthz", "/favicon.ico"}


class RequestTelemetry:
    """WSGI middleware that traces and measures the requests of a Flask app.

    Args:
        app: The Flask app. The middleware wraps its ``wsgi_app``.
        find_metrics: Returns the metrics; called once, at the first request.
        open_telemetry: Opens the resources that telemetry needs; called once, before
            the first request is observed.
    """

    def __init__(
        self,
        app: Flask,
        find_metrics: Callable[[], Metrics],
        open_telemetry: Callable[[], None],
    ) -> None:
        self.app, self.inner = app, app.wsgi_app
        self.observer: RequestObserver | None = None
        self._find_metrics, self._open_telemetry = find_metrics, open_telemetry
        # Read it now, because a bad pattern is an error of the configuration.
        self._pattern = read_pattern(os.environ)
        got_request_exception.connect(record_exception, app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        exchange = Exchange(
            self.observer or self._start_first(environ), environ, start_response
        )
        path = environ.get("PATH_INFO", "/")
        if path in _UNMEASURED_PATHS:
            exchange.measured = False
        if path in _UNTRACED_PATHS or (
            self._selective and self.exclusions.contains(environ)
        ):
            exchange.enter_untraced()
        else:
            exchange.enter()
        return exchange.run()

    def _start_first(self, environ: dict[str, Any]) -> RequestObserver:
        observer = self.start()
        observer.metrics.warn_of_workers(environ)
        return observer

    def start(self) -> RequestObserver:
        """Open telemetry, and make the observer of all later requests."""
        self._open_telemetry()
        self.exclusions = Exclusions(self.app, self._pattern)
        self._selective = not self.exclusions.is_empty
        self.observer = RequestObserver(
            wsgi_app=self.inner,
            metrics=self._find_metrics(),
            spans=choose_spans(self.app),
            read_caller=make_reader(),
        )
        return self.observer


def end_running(frame: FrameType | None, rule: str, error: BaseException) -> None:
    """End the span and the metric of a request that another thread still answers.

    Args:
        frame: The innermost frame of that thread.
        rule: The URL rule; empty if the request matches none.
        error: Why the request ends.
    """
    while frame is not None:
        if frame.f_code in _RUNNING:
            exchange: Exchange = frame.f_locals["self"]
            exchange.status = "503"
            if rule:
                exchange.environ.setdefault(RULE, rule)
            exchange.end(error)
            return
        frame = frame.f_back


_RUNNING = (Exchange.run.__code__, Exchange.__iter__.__code__)
