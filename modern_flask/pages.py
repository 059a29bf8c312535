"""The kit's pages, answered before the app: liveness, readiness and metrics."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from flask import Flask
from werkzeug.wrappers import Response

from .config.values import Section, Values
from .errors import BadDuration, BadPath, find_nearest
from .health import Check, Health, Ping, Result, Rhythm
from .wiring import Bound, Choice, Opened, is_configured
from .wiring.errors import NotBound

__all__ = ["Pages", "check_health", "get_pages", "list_pinged"]

_EXTENSION = "modern_flask.pages"
_HEALTH_SETTINGS = (
    *("critical", "failures", "liveness_path", "period", "readiness_path"),
    *("startup_path", "successes", "timeout"),
)

_Answer = Callable[[dict[str, Any], Any], Iterable[bytes]]


class _Weak:
    """Finds the checks of pages without keeping them and their app alive."""

    def __init__(self, pages: Pages) -> None:
        self._pages = weakref.ref(pages)

    def __call__(self) -> dict[str, Check]:
        pages = self._pages()
        return pages.find_checks() if pages is not None else {}


class Pages:
    """WSGI middleware that answers the kit's pages and passes on all other requests.

    No hook, host rule or error handler of the service has an effect on the pages:
    Kubernetes would restart a process because of a mistake in one of them. A worker of
    a server may call this object too.

    Args:
        app: The app.
        bound: The app's container.
        inner: The WSGI application that answers all other requests.
        start: Prepares the process; called before readiness and metrics.
        values: ``HEALTH_LIVENESS_PATH``, ``HEALTH_READINESS_PATH``,
            ``HEALTH_STARTUP_PATH`` and ``METRICS_PATH`` are the paths, None or an empty
            text for no page. ``HEALTH_TIMEOUT``, ``_PERIOD``, ``_FAILURES`` and
            ``_SUCCESSES`` are those of :class:`.health.Rhythm`; ``HEALTH_CRITICAL``
            lists the components without which the service is not ready.
        own_routes_win: Whether a route of the service with the path of a page answers
            instead of the page.

    Raises:
        BadPath: A path does not begin with a slash, or two pages have the same path.
        BadDuration: The timeout is not a positive number.
    """

    def __init__(
        self,
        app: Flask,
        bound: Bound,
        inner: _Answer,
        *,
        start: Callable[[], None],
        values: Values,
        own_routes_win: bool,
    ) -> None:
        self._app, self._bound, self._inner, self._start = app, bound, inner, start
        self._own_routes_win = own_routes_win
        self._settings = health = values.section("HEALTH_")
        self._critical = _read_names(health)
        self._health = Health(_Weak(self), _read_rhythm(health))
        self._checks: dict[str, Check] = {}
        self._has_started = False
        self.is_stopping = False
        """Whether the process is about to end, so not ready; a server sets it."""
        self._keys: dict[str, str] = {}
        self._answers: dict[str, _Answer] = {}
        self._add(health, "liveness_path", "/livez", self._answer_liveness)
        self._add(health, "readiness_path", "/readyz", self._answer_readiness)
        self._add(health, "startup_path", "/startupz", self._answer_startup)
        metrics = values.section("METRICS_")
        self._add(metrics, "path", "/metrics", self._answer_metrics)
        app.extensions[_EXTENSION] = self

    def _add(self, settings: Section, name: str, default: str, answer: _Answer) -> None:
        path, key = settings.get(name, default), settings.key(name)
        if path is None or path is False or path == "":
            return
        if not isinstance(path, str) or not path.startswith("/"):
            raise BadPath(key, path, settings.origin(name))
        if path in self._keys:
            raise BadPath(key, path, settings.origin(name), self._keys[path])
        self._keys[path] = key
        # WSGI decodes a path as Latin-1 (PEP 3333).
        self._answers[path.encode().decode("latin-1")] = answer

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._answers.get(environ.get("PATH_INFO", "/"))
        if answer is None or self._is_of_service(environ):
            return self._inner(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            response = Response("", 405, {"Allow": "GET, HEAD"})
            return response(environ, start_response)
        return answer(environ, start_response)

    def takes(self, environ: dict[str, Any]) -> bool:
        """Whether this object answers a request itself, without the app."""
        path = environ.get("PATH_INFO", "/")
        return path in self._answers and not self._is_of_service(environ)

    def _is_of_service(self, environ: dict[str, Any]) -> bool:
        """Whether a route of the service answers a request with the path of a page."""
        reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        path = environ.get("PATH_INFO", "/")
        if (reads and not self._own_routes_win) or not self._find_own_routes(path):
            return False
        # The host may not match, or it may not be trusted.
        with suppress(Exception):
            adapter = self._app.create_url_adapter(self._app.request_class(environ))
            if adapter is not None:
                rule, _ = adapter.match(return_rule=True)
                return bool(rule.rule == path)
        return False

    def _find_own_routes(self, path: str) -> list[Any]:
        return [rule for rule in self._app.url_map.iter_rules() if rule.rule == path]

    def find_warnings(self) -> Iterator[str]:
        """Find routes that a page hides, and misspelled keys."""
        for name in self._settings.keys() - set(_HEALTH_SETTINGS):
            if near := find_nearest(name, _HEALTH_SETTINGS, 1):
                key, right = self._settings.key(name), self._settings.key(near[0])
                origin = self._settings.origin(name)
                yield f"{key} ({origin}) has no effect: did you mean {right}?"
        if self._own_routes_win:
            return
        for path, key in self._keys.items():
            for rule in self._find_own_routes(path):
                if "GET" in (rule.methods or ()):
                    yield (
                        f"The view {rule.endpoint} never gets GET {path}: that is a "
                        f"page of the kit. Set {key} to another path, or to None."
                    )

    def _answer_liveness(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return _make_page({"status": "ok"})(environ, start_response)

    def _answer_readiness(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return _make_readiness(self._read_health(), environ)(environ, start_response)

    def _answer_startup(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer as readiness does, until the service is ready for the first time."""
        if self._has_started:
            return self._answer_liveness(environ, start_response)
        return self._answer_readiness(environ, start_response)

    def _read_health(self) -> dict[str, Result]:
        self._start()
        if self.is_stopping:
            return {"process": Result("it stops")}
        found = self._health.read()
        if not any(result.reason and result.critical for result in found.values()):
            self._has_started = True
        return found

    def find_checks(self) -> dict[str, Check]:
        """Find the checks of the configured components, and those of the service."""
        found = {
            name: Check(ping, provider.critical, partial(_is_open, provider))
            for name, provider, ping in _iterate_pings(self._bound.container)
        }
        found |= self._checks
        if self._critical is None:
            return found
        return {
            name: replace(check, critical=name in self._critical)
            for name, check in found.items()
        }

    def add_check(self, name: str, check: Check) -> None:
        """Add a check of the service."""
        self._checks[name] = check

    def is_instant(self, environ: dict[str, Any]) -> bool:
        """Whether the page waits for nothing, so that any thread may answer it."""
        key = self._keys.get(environ.get("PATH_INFO", "/"))
        return key == self._settings.key("liveness_path")

    def _answer_metrics(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        from .observability.sdk import attach, detach, suppress_spans

        self._start()
        # A collector of the service may send a statement.
        token = attach(suppress_spans())
        try:
            body: Iterable[bytes] = self._bound.container.metrics().answer(
                environ, start_response
            )
            return body
        finally:
            detach(token)


def _read_rhythm(settings: Section) -> Rhythm:
    default = Rhythm()
    return Rhythm(
        timeout=_read_number(settings, "timeout", default.timeout),
        period=_read_number(settings, "period", default.period),
        failures=int(_read_number(settings, "failures", default.failures)),
        successes=int(_read_number(settings, "successes", default.successes)),
    )


def _read_number(settings: Section, name: str, default: float) -> float:
    value = settings.get(name, default)
    with suppress(TypeError, ValueError):
        if not isinstance(value, bool) and 0 < float(value) < float("inf"):
            return float(value)
    raise BadDuration(settings.key(name), value, settings.origin(name))


def _read_names(settings: Section) -> set[str] | None:
    names = settings.get("critical")
    if names is None:
        return None
    parts = names.split(",") if isinstance(names, str) else names
    return {str(part).strip() for part in parts if str(part).strip()}


def check_health(
    app: Flask, *, critical: bool = True
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Make a function a check of ``/readyz``, under its own name.

    ``@check_health(app)`` over a function without arguments, which may be injected: the
    component works if it raises no error. It runs in the background, in the app's
    context, each time with objects of its own.

    Args:
        app: An app with a container.
        critical: Whether the service is not ready while the function fails.
    """

    def add(function: Callable[[], object]) -> Callable[[], object]:
        found = weakref.ref(app)

        def ping(timeout: float) -> None:
            app = found()
            if app is not None:
                with app.app_context():
                    function()

        pages = get_pages(app)
        if pages is None:
            raise NotBound(app.name)
        pages.add_check(function.__name__, Check(ping, critical))
        return function

    return add


def get_pages(app: Flask) -> Pages | None:
    """Return the pages of ``app``; None if it has no container."""
    return app.extensions.get(_EXTENSION)


def _make_readiness(found: Mapping[str, Result], environ: Any) -> Response:
    """Name the components that fail. The reason is in the log, not on a public page."""
    from .problems import CONTENT_TYPE, write_problem

    checks = {name: "failing" if each.reason else "ok" for name, each in found.items()}
    failing = sorted(name for name, each in found.items() if each.reason)
    if not any(found[name].critical for name in failing):
        return _make_page({"status": "degraded" if failing else "ok", "checks": checks})
    detail = f"Not ready: {', '.join(failing)}."
    text = write_problem(503, environ["PATH_INFO"], detail, {"checks": checks})
    return _make_response(text, 503, CONTENT_TYPE)


def _make_page(content: Mapping[str, Any]) -> Response:
    return _make_response(json.dumps(content) + "\n", 200, "application/json")


def _make_response(text: str, status: int, content_type: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(text, status, headers, content_type=content_type)


def list_pinged(container: Any) -> list[str]:
    """Return the names of the configured components that declare a ping."""
    return [name for name, _, _ in _iterate_pings(container)]


def _iterate_pings(container: Any) -> Iterator[tuple[str, Any, Ping]]:
    for name, provider in container.providers.items():
        if isinstance(provider, Opened | Choice) and is_configured(provider):
            ping = provider.ping
            if ping is not None:
                yield name, provider, partial(_ping, ping, provider)


def _is_open(provider: Any) -> bool:
    return bool(provider.initialized)


def _ping(ping: Any, provider: Any, timeout: float) -> None:
    from .observability.sdk import suppress_in_thread

    suppress_in_thread()
    if isinstance(ping, str):
        module, _, name = ping.rpartition(".")
        ping = getattr(import_module(module), name)
    ping(provider(), timeout)
