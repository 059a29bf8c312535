"""One Flask app from one container: configured, checked and observed."""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, overload

from dependency_injector.containers import DeclarativeContainer, DynamicContainer
from flask import Blueprint, Flask, Response, request
from typing_extensions import TypeVar

from .commands import add_commands
from .config import export_otel, load_values
from .container import Container
from .health import Health, Ping
from .observability.variables import check_propagators
from .wiring import (
    Bound,
    Choice,
    Lifecycle,
    Opened,
    bind,
    get_bound,
    guard,
    is_configured,
)
from .wiring.checks.run import check_app, check_start, find_warnings
from .wiring.errors import CheckFailed
from .wiring.settings import find_configurations, get_defaults, get_loaded

if TYPE_CHECKING:
    from .wiring.draw import Picture

__all__ = [
    "App",
    "create_app",
    "faults",
    "init_app",
    "picture",
    "running",
    "start",
    "warnings",
]

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=DeclarativeContainer)
C_co = TypeVar("C_co", bound=DeclarativeContainer, default=Container, covariant=True)

_TELEMETRY = ("logging", "tracing", "metrics")


class App(Flask, Generic[C_co]):
    """A Flask app that has a container; generic in the container's class."""

    @property
    def container(self) -> C_co:
        return get_bound(self).container  # type: ignore[return-value]

    @property
    def lifecycle(self) -> Lifecycle:
        return get_bound(self).lifecycle

    def running(self) -> AbstractContextManager[None]:
        """Open every configured component, and close them after the block."""
        return running(self)


@overload
def create_app(
    import_name: str,
    container: None = None,
    *,
    blueprints: Iterable[Blueprint] = (),
    config: Mapping[str, Any] | None = None,
    check: bool = True,
    **flask_options: Any,
) -> App[Container]: ...
@overload
def create_app(
    import_name: str,
    container: C,
    *,
    blueprints: Iterable[Blueprint] = (),
    config: Mapping[str, Any] | None = None,
    check: bool = True,
    **flask_options: Any,
) -> App[C]: ...
def create_app(
    import_name: str,
    container: Any = None,
    *,
    blueprints: Iterable[Blueprint] = (),
    config: Mapping[str, Any] | None = None,
    check: bool = True,
    **flask_options: Any,
) -> App[Any]:
    """Make a Flask app whose functions are injected from its container.

    Args:
        import_name: As in :class:`flask.Flask`: usually ``__name__``.
        container: An instance of :class:`~modern_flask.Container` or of a subclass.
        blueprints: Registered in this order.
        config: Keys that win over every source.
        check: False lets the app serve with faults in its wiring; each then raises at
            the request that meets it. ``modern-flask check`` reports them all the same.
        flask_options: Further keywords of :class:`flask.Flask`.

    Returns:
        The app; ``app.container`` has the type of ``container``.

    Raises:
        ConfigurationError: The configuration can't be read.
    """
    app: App[Any] = App(import_name, **flask_options)
    init_app(app, container, config=config, check=check)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def init_app(
    app: Flask,
    container: Any = None,
    *,
    config: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Any:
    """Give ``app`` a container, telemetry, health pages and checks.

    The values of ``app.config`` rank below ``CONFIG_SOURCE``; those that were loaded
    into the container's ``config``, as by ``from_dict``, rank with ``config``.

    Returns:
        The container.

    Raises:
        ConfigurationError: The configuration can't be read.
    """
    container = Container() if container is None else container
    _configure(app, container, config or {})
    bound = bind(app, container)
    bound.checked = not check
    guard(app)
    _observe(app, bound)
    _answer(app, bound)
    add_commands(app.cli)
    _close_at_exit(bound)
    if "celery" in container.providers and is_configured(container.celery):
        from .tasks import set_default_app

        set_default_app()
        app.extensions = _Extensions(app.extensions, container.celery)
    return container


class _Extensions(dict[str, Any]):
    """An app's extensions, with ``celery`` where Flask's documentation has it.

    The Celery app is opened when it is read. An entry that the service makes wins.
    """

    def __init__(self, known: Mapping[str, Any], celery: Any) -> None:
        super().__init__(known)
        self._celery = celery

    def __missing__(self, name: str) -> Any:
        if name != "celery":
            raise KeyError(name)
        return self._celery()


def _configure(
    app: Flask, container: DynamicContainer, config: Mapping[str, Any]
) -> None:
    """Publish the values once: to ``app.config``, the container and the environment."""
    standard = Flask.default_config
    own = {
        key: value
        for key, value in app.config.items()
        if key not in standard or value != standard[key]
    }
    values = load_values(
        os.environ.get("CONFIG_SOURCE"),
        root=Path(app.root_path),
        defaults={
            "SERVICE_NAME": app.import_name.partition(".")[0],
            **get_defaults(container),
            **own,
        },
        environ=os.environ,
        overrides={**get_loaded(container), **config},
    )
    app.config.update(values)
    for configuration in find_configurations(container):
        configuration.override(values)
    if "app" in container.providers:
        container.app.override(app)
    export_otel(values, os.environ)
    check_propagators(os.environ, values.section("OTEL_"))


def _observe(app: Flask, bound: Bound) -> None:
    # Not before the configuration is in the environment: OpenTelemetry reads it there
    # when it is imported.
    from .observability.requests.middleware import RequestTelemetry
    from .problems import answer_with_problems

    app.wsgi_app = RequestTelemetry(  # type: ignore[method-assign]
        app, bound.container.metrics, partial(start, app)
    )
    answer_with_problems(app)


def _answer(app: Flask, bound: Bound) -> None:
    """Add the kit's pages: metrics, liveness and readiness."""
    health = Health()

    def metrics() -> Response:
        body, kind = bound.container.metrics().write(request.headers.get("Accept", ""))
        return Response(body, content_type=kind)

    def livez() -> dict[str, str]:
        return {"status": "ok"}

    def readyz() -> Any:
        return _readiness(health.check(pings_of(bound.container)))

    for view in (metrics, livez, readyz):
        name = view.__name__
        app.add_url_rule(f"/{name}", f"modern_flask.{name}", view)


def _readiness(found: Mapping[str, str | None]) -> Any:
    from .problems import problem

    checks = {name: trouble or "ok" for name, trouble in found.items()}
    failing = sorted(name for name, trouble in found.items() if trouble)
    if not failing:
        return {"status": "ok", "checks": checks}
    return problem(503, f"Not ready: {', '.join(failing)}.", checks=checks)


def pings_of(container: Any) -> dict[str, Ping]:
    """A ping for each component that is configured and declares one."""
    found: dict[str, Ping] = {}
    for name, provider in container.providers.items():
        if isinstance(provider, Opened | Choice) and is_configured(provider):
            ping = provider.ping
            if ping is not None:
                found[name] = partial(_ping, ping, provider)
    return found


def _ping(ping: Any, provider: Any, timeout: float) -> None:
    if isinstance(ping, str):
        module, _, name = ping.rpartition(".")
        ping = getattr(import_module(module), name)
    ping(provider(), timeout)


def start(app: Flask) -> None:
    """Do what comes before the first request of a process, whichever server it has.

    Opens telemetry and checks the wiring; the components open at their first use, or
    before it where the kit's server runs. All are closed when the process ends.

    Raises:
        CheckFailed: There are faults.
    """
    bound = get_bound(app)
    for name in _TELEMETRY:
        bound.container.providers[name]()
    if not bound.started:
        bound.started = True
        logger.info("%s", bound.container.tracing())
        for text in warnings(app):
            logger.warning("%s", text)
    if not bound.checked:
        tasks, found = _tasks(bound)
        found += check_start(app, bound, tasks)
        if found:
            raise CheckFailed(found)
        bound.checked = True


def faults(app: Flask) -> list[Exception]:
    """All faults of ``app`` that show without running its own code.

    The kit's own components are opened, which connects to nothing, and closed again.
    """
    bound = get_bound(app)
    # A Celery app that does not open is reported where components are opened.
    return check_app(app, bound, _tasks(bound)[0])


def warnings(app: Flask) -> list[str]:
    """Keys without effect, and functions that would fail if something called them."""
    bound = get_bound(app)
    return find_warnings(app, bound, _tasks(bound)[0])


def picture(app: Flask) -> Picture:
    """The container of ``app`` and everything that it injects into, to be drawn."""
    from .wiring.draw import make_picture

    bound = get_bound(app)
    return make_picture(app, bound, _tasks(bound)[0])


def running(app: Flask) -> AbstractContextManager[None]:
    """Open every configured component, and close them after the block."""
    return get_bound(app).lifecycle.running()


def _tasks(bound: Bound) -> tuple[dict[str, Any], list[Exception]]:
    """The service's tasks by name, and the fault that hides them."""
    celery = bound.container.providers.get("celery")
    if celery is None or not is_configured(celery):
        return {}, []
    from .tasks import get_tasks

    try:
        return get_tasks(celery()), []
    except Exception as fault:
        return {}, [fault]


def _close_at_exit(bound: Bound) -> None:
    """Close at exit what is still open: a script may open components without a request.

    Otherwise the interpreter would close it while it takes its modules apart, and by
    then the thread that sends spans stands still, perhaps with its lock.
    """
    # Without keeping the app alive.
    lifecycle = weakref.ref(bound.lifecycle)

    def close() -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    atexit.register(close)
    # Finalizers run at exit, too, and before: this one would take the closer away.
    weakref.finalize(bound, atexit.unregister, close).atexit = False
