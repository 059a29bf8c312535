"""The span and the metric of a request: from its head until its body is closed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, got_request_exception
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from werkzeug.exceptions import HTTPException

from .exchange import Exchange, record
from .exclusions import TRACE_ID, UNTRACED, ignore_metrics, ignore_traces
from .server_span import make_starter

if TYPE_CHECKING:
    from ..metrics.metrics import Metrics

__all__ = ["TRACE_ID", "RequestTelemetry", "ignore_metrics", "ignore_traces"]

_SILENT = frozenset({"/metrics", "/livez", "/readyz"})
_UNMEASURED = _SILENT | {"/healthz", "/favicon.ico"}
_NONE = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)

_WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


class RequestTelemetry:
    """WSGI middleware; ``started`` is called before the first request.

    Args:
        app: The Flask app, whose ``wsgi_app`` it wraps.
        metrics: Finds the metrics; asked once, when the first request comes.
        started: Opens what telemetry stands on.
    """

    def __init__(
        self, app: Flask, metrics: Callable[[], Metrics], started: Callable[[], None]
    ) -> None:
        self.app, self.inner = app, app.wsgi_app
        self._metrics, self._started = metrics, started
        self.metrics: Metrics | None = None
        self.excluded = _excluded(os.environ)
        got_request_exception.connect(record, app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        metrics = self.metrics or self._start()
        exchange = Exchange(self, metrics, environ, start_response)
        path = environ.get("PATH_INFO", "/")
        if path in _UNMEASURED:
            exchange.measured = False
        if path in _SILENT or (self.selective and self.is_excluded(environ)):
            exchange.enter_quietly()
        else:
            exchange.enter()
        return exchange.run()

    def _start(self) -> Metrics:
        self._started()
        provider = trace.get_tracer_provider()
        self.traced = not isinstance(provider, _NONE)
        if not self.traced:
            # Another app's provider that comes later must not wake this one's tracer.
            provider = trace.NoOpTracerProvider()
        self.start_span = make_starter(provider.get_tracer("modern_flask.http"))
        fields = propagate.get_global_textmap().fields | {"b3"}
        self.headers = tuple(sorted(_variable(name) for name in fields))
        self.marked = any(
            getattr(view, UNTRACED, False) for view in self.app.view_functions.values()
        )
        self.selective = self.marked or self.excluded is not None
        self.metrics = metrics = self._metrics()
        return metrics

    def is_excluded(self, environ: dict[str, Any]) -> bool:
        """Whether the variables or the view's mark leave the request untraced."""
        if self.excluded and self.excluded.search(_url(environ)):
            return True
        if not self.marked:
            return False
        try:
            endpoint, _ = self.app.url_map.bind_to_environ(environ).match()
        except HTTPException:
            return False
        return getattr(self.app.view_functions.get(endpoint), UNTRACED, False)

    def parent(self, environ: dict[str, Any]) -> Context | None:
        """The caller's context; headers are decoded only where there are any."""
        if environ.keys().isdisjoint(self.headers):
            return None
        return propagate.extract(environ, getter=_GETTER)


class _EnvironGetter(Getter[dict[str, Any]]):
    def get(self, carrier: dict[str, Any], key: str) -> list[str] | None:
        value = carrier.get(_variable(key))
        return None if value is None else [value]

    def keys(self, carrier: dict[str, Any]) -> list[str]:
        return [
            key[5:].replace("_", "-").lower()
            for key in carrier
            if key.startswith("HTTP_")
        ]


_GETTER = _EnvironGetter()


def _variable(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _url(environ: dict[str, Any]) -> str:
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    query = environ.get("QUERY_STRING")
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "/")
    url = f"{environ['wsgi.url_scheme']}://{host}{path}"
    return f"{url}?{query}" if query else url


def _excluded(environ: Mapping[str, str]) -> re.Pattern[str] | None:
    """Patterns with commas between them, searched in the whole URL.

    As OpenTelemetry's package for Flask reads them.
    """
    special = environ.get("OTEL_PYTHON_FLASK_EXCLUDED_URLS")
    text = special or environ.get("OTEL_PYTHON_EXCLUDED_URLS") or ""
    patterns = [part.strip() for part in text.split(",") if part.strip()]
    return re.compile("|".join(patterns)) if patterns else None
