"""Makes a Flask app with a container: configures, checks and observes it."""

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
        check: If False, the app serves even with faults in its wiring, and a request
            that runs into a fault fails. ``modern-flask check`` still reports all.
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

    ``CONFIG_SOURCE`` overrides the values of ``app.config``. Values that were loaded
    into the container's ``config``, for example by ``from_dict``, have the same
    precedence as the argument ``config``.

    Args:
        app: The Flask app.
        container: As in :func:`create_app`.
        config: As in :func:`create_app`.
        check: As in :func:`create_app`.

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
    """An app's extensions, with ``celery`` as in Flask's documentation.

    A read of ``celery`` opens the Celery app. An entry that the service sets wins.
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
    # OpenTelemetry reads the environment at its import. So the configuration must be in
    # the environment first.
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
        return _make_readiness(health.check(pings_of(bound.container)))

    for view in (metrics, livez, readyz):
        name = view.__name__
        app.add_url_rule(f"/{name}", f"modern_flask.{name}", view)


def _make_readiness(found: Mapping[str, str | None]) -> Any:
    from .problems import problem

    checks = {name: trouble or "ok" for name, trouble in found.items()}
    failing = sorted(name for name, trouble in found.items() if trouble)
    if not failing:
        return {"status": "ok", "checks": checks}
    return problem(503, f"Not ready: {', '.join(failing)}.", checks=checks)


def pings_of(container: Any) -> dict[str, Ping]:
    """Return the ping of each configured component that declares one."""
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
    """Prepare the process for its first request, with any server.

    This opens telemetry and checks the wiring. The components open at their first use;
    the kit's server opens them earlier. All are closed when the process ends.

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
        tasks, found = _read_tasks(bound)
        found += check_start(app, bound, tasks)
        if found:
            raise CheckFailed(found)
        bound.checked = True


def faults(app: Flask) -> list[Exception]:
    """Find all faults of ``app`` that can be found without running its own code.

    This opens the kit's own components, which opens no connection, and closes them
    again.
    """
    bound = get_bound(app)
    # If the Celery app does not open, the check of the components reports it.
    return check_app(app, bound, _read_tasks(bound)[0])


def warnings(app: Flask) -> list[str]:
    """Find keys without effect, and functions that would fail if code called them."""
    bound = get_bound(app)
    return find_warnings(app, bound, _read_tasks(bound)[0])


def picture(app: Flask) -> Picture:
    """Make the picture of the app's container and of all functions it injects into."""
    from .wiring.draw import make_picture

    bound = get_bound(app)
    return make_picture(app, bound, _read_tasks(bound)[0])


def running(app: Flask) -> AbstractContextManager[None]:
    """Open every configured component, and close them after the block."""
    return get_bound(app).lifecycle.running()


def _read_tasks(bound: Bound) -> tuple[dict[str, Any], list[Exception]]:
    """Return the service's tasks by name, or the fault that prevents reading them."""
    celery = bound.container.providers.get("celery")
    if celery is None or not is_configured(celery):
        return {}, []
    from .tasks import get_tasks

    try:
        return get_tasks(celery()), []
    except Exception as fault:
        return {}, [fault]


def _close_at_exit(bound: Bound) -> None:
    """Close open components at exit: a script may open some without a request.

    Otherwise the interpreter closes them while it clears its modules. At that time the
    thread that sends spans no longer runs, and it may hold its lock.
    """
    # A weak reference, so that the hook does not keep the app alive.
    lifecycle = weakref.ref(bound.lifecycle)

    def close() -> None:
        found = lifecycle()
        if found is not None:
            found.close()

    atexit.register(close)
    # At exit, finalizers run before atexit hooks. This one would remove the hook.
    weakref.finalize(bound, atexit.unregister, close).atexit = False
