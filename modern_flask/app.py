"""Makes a Flask app with a container: configures, checks and observes it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Generic, overload

from dependency_injector.containers import DeclarativeContainer, DynamicContainer
from flask import Blueprint, Flask
from typing_extensions import TypeVar

from .commands import add_commands
from .config import export_otel, load_values
from .config.values import Values
from .container import Container
from .observability.variables import check_propagators
from .pages import Pages
from .startup import close_at_exit, faults, picture, running, start, warnings
from .wiring import (
    Bound,
    Lifecycle,
    bind,
    check_container,
    get_bound,
    guard,
    is_configured,
)
from .wiring.configurations import find_configurations, get_defaults, get_loaded

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

_NEEDED = ("config", "logging", "tracing", "metrics")
"""The providers that every app's container must have."""

C = TypeVar("C", bound=DeclarativeContainer)
C_co = TypeVar("C_co", bound=DeclarativeContainer, default=Container, covariant=True)


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
        NotAContainer: ``container`` is a class, or not a container of the kit.
    """
    app: App[Any] = App(import_name, **flask_options)
    _init_app(app, container, config, check, own_routes_win=False)
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

    A route of the app at ``/livez``, ``/readyz`` or ``/metrics`` wins over the kit's
    page of that path. In an app of :func:`create_app` the page wins, with a warning.

    Args:
        app: The Flask app.
        container: As in :func:`create_app`.
        config: As in :func:`create_app`.
        check: As in :func:`create_app`.

    Returns:
        The container.

    Raises:
        ConfigurationError: The configuration can't be read.
        NotAContainer: As in :func:`create_app`.
    """
    return _init_app(app, container, config, check, own_routes_win=True)


def _init_app(
    app: Flask,
    container: Any,
    config: Mapping[str, Any] | None,
    check: bool,
    own_routes_win: bool,
) -> Any:
    container = Container() if container is None else container
    check_container(container, _NEEDED)
    values = _configure(app, container, config or {})
    bound = bind(app, container)
    bound.published = dict(values)
    bound.checked = not check
    guard(app)
    _observe(app, bound)
    app.wsgi_app = Pages(  # type: ignore[method-assign]
        app,
        bound,
        app.wsgi_app,
        start=partial(start, app),
        values=values,
        own_routes_win=own_routes_win,
    )
    add_commands(app.cli)
    close_at_exit(bound)
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
) -> Values:
    """Publish the values once: to ``app.config``, the container and the environment.

    Returns:
        The values that were published.
    """
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
    return values


def _observe(app: Flask, bound: Bound) -> None:
    # OpenTelemetry reads the environment at its import. So the configuration must be in
    # the environment first.
    from .observability.provider import set_provider
    from .observability.requests.middleware import RequestTelemetry
    from .problems import answer_with_problems

    # Before the service adds processors, and before it gets its first tracer.
    set_provider(app.config["SERVICE_NAME"])
    app.wsgi_app = RequestTelemetry(  # type: ignore[method-assign]
        app, bound.container.metrics, partial(start, app)
    )
    answer_with_problems(app)
