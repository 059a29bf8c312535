"""One Flask app from one container: configured, checked, observed, answering."""

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
from typing import TYPE_CHECKING, Any

from dependency_injector.containers import DynamicContainer
from flask import Blueprint, Flask, Response, request

from .commands import add_commands
from .config import export_otel, load_values
from .container import Container
from .health import Health, Ping
from .observability.variables import check_propagators
from .wiring import (
    Bound,
    Lifecycle,
    bind,
    get_bound,
    guard,
    is_configured,
)
from .wiring.checks.run import check_app, check_wiring, open_injected
from .wiring.checks.unused import idle
from .wiring.errors import CheckFailed

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
]

logger = logging.getLogger(__name__)

_TELEMETRY = ("logging", "tracing", "metrics")


class App(Flask):
    """A Flask app that has a container."""

    @property
    def container(self) -> Container:
        return get_bound(self).container  # type: ignore[return-value]

    @property
    def lifecycle(self) -> Lifecycle:
        return get_bound(self).lifecycle

    def running(self) -> AbstractContextManager[None]:
        """Open everything that is configured, and close it after the block."""
        return running(self)


def create_app(
    import_name: str,
    container: Any = None,
    *,
    blueprints: Iterable[Blueprint] = (),
    config: Mapping[str, Any] | None = None,
    check: bool = True,
    **flask_options: Any,
) -> App:
    """Make a Flask app that is given everything by its container.

    Args:
        import_name: As in :class:`flask.Flask`: usually ``__name__``.
        container: An instance of :class:`~modern_flask.Container` or of a subclass.
        blueprints: Registered in this order.
        config: Keys that win over every source.
        check: False lets it serve with faults in its wiring; each is then told where
            it is met. ``modern-flask check`` tells them all the same.
        flask_options: Further keywords of :class:`flask.Flask`.

    Raises:
        ConfigurationError: The configuration can't be read.
    """
    app = App(import_name, **flask_options)
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
    """Give ``app`` a container and all that comes with it; returns the container.

    What ``app.config`` holds already ranks below ``CONFIG_SOURCE``, what the
    container's ``config`` holds ranks with ``config``, above it.

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
        from .tasks import share

        share()
    return container


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
        defaults={"SERVICE_NAME": app.import_name.partition(".")[0], **own},
        environ=os.environ,
        overrides={**(container.config() or {}), **config},
    )
    app.config.update(values)
    container.config.override(values)
    if "app" in container.providers:
        container.app.override(app)
    export_otel(values, os.environ)
    check_propagators(os.environ, values.section("OTEL_"))


def _observe(app: Flask, bound: Bound) -> None:
    # Not before the configuration is in the environment: OpenTelemetry reads it there
    # when it is imported.
    from .observability.middleware import RequestTelemetry
    from .problems import answer_with_problems

    app.wsgi_app = RequestTelemetry(  # type: ignore[method-assign]
        app, bound.container.metrics, partial(start, app)
    )
    answer_with_problems(app)


def _answer(app: Flask, bound: Bound) -> None:
    """The kit's own pages: metrics, and whether the process lives and can work."""
    health = Health()

    def metrics() -> Response:
        body, kind = bound.container.metrics().write(request.headers.get("Accept", ""))
        return Response(body, content_type=kind)

    def livez() -> dict[str, str]:
        return {"status": "ok"}

    def readyz() -> Any:
        return _readiness(health.check(_pings_of(bound.container)))

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


def _pings_of(container: Any) -> dict[str, Ping]:
    """A ping for each component that is configured and has one."""
    found: dict[str, Ping] = {}
    for name, ping in container.pings().items():
        provider = container.providers.get(name)
        if provider is not None and is_configured(provider):
            found[name] = partial(_ping, ping, provider)
    return found


def _ping(ping: Any, provider: Any, timeout: float) -> None:
    if isinstance(ping, str):
        module, _, name = ping.rpartition(".")
        ping = getattr(import_module(module), name)
    ping(provider(), timeout)


def start(app: Flask) -> None:
    """What comes before the first request of a process, whoever serves it.

    Opens telemetry and checks the wiring; the components open at their first use, or
    before it where the kit's server runs. All are closed when the process ends.

    Raises:
        CheckFailed: Something can't work.
    """
    bound = get_bound(app)
    for name in _TELEMETRY:
        bound.container.providers[name]()
    if not bound.started:
        bound.started = True
        logger.info("%s", bound.container.tracing())
        for text in idle(bound.container):
            logger.warning("%s", text)
    if not bound.checked:
        tasks, found = _tasks(bound)
        found += [*check_wiring(app, bound, tasks), *open_injected(app, bound, tasks)]
        if found:
            raise CheckFailed(found)
        bound.checked = True


def faults(app: Flask) -> list[Exception]:
    """Everything that keeps ``app`` from working; nothing stays open."""
    bound = get_bound(app)
    # That Celery does not open is told where components are opened.
    return check_app(app, bound, _tasks(bound)[0])


def picture(app: Flask) -> Picture:
    """The container of ``app`` and all that it injects into, to be drawn."""
    from .wiring.draw import picture_of

    bound = get_bound(app)
    return picture_of(app, bound, _tasks(bound)[0])


def running(app: Flask) -> AbstractContextManager[None]:
    """Open everything that is configured, and close it after the block."""
    return get_bound(app).lifecycle.running()


def _tasks(bound: Bound) -> tuple[dict[str, Any], list[Exception]]:
    """The service's tasks by name, and why there are none."""
    celery = bound.container.providers.get("celery")
    if celery is None or not is_configured(celery):
        return {}, []
    from .tasks import tasks_of

    try:
        return tasks_of(celery()), []
    except Exception as fault:
        return {}, [fault]


def _close_at_exit(bound: Bound) -> None:
    """From the beginning: a script may open components without any request.

    What nobody has closed would be closed when the interpreter takes its modules apart,
    and by then the thread that sends spans stands still, perhaps with its lock.
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
