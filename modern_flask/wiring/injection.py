"""Markers, resolved through the current app's container.

``inject`` binds nothing: what a function asks for is looked up, once for each app, when
the function is called. So two apps never mix, and views and tasks that are defined
late, or providers that a subclass declares anew, work.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer
from flask import Flask
from flask.globals import app_ctx

from . import library
from .errors import AlreadyAService, NoApp, NotAService, UnknownProvider
from .graph import Graph
from .lifecycle import Lifecycle
from .markers import INJECTED, InjectedFunction, locate, read_markers
from .providers import ABSENT, Opened, Scoped

__all__ = ["Bound", "bind", "find", "get_bound", "get_container", "inject"]

F = TypeVar("F", bound=Callable[..., Any])
# For each marker of a function: the parameter, its position, the provider, and where
# its object lies once it is ready.
_Plan = tuple[tuple[str, int, Callable[[], Any], list[Any]], ...]
_NEVER = [ABSENT]
_EXTENSION = "modern_flask"
# Looked up once: every call of an injected function asks it.
_app_context: Callable[[], Any] = app_ctx._get_current_object  # type: ignore[attr-defined]


class Bound:
    """An app's container, and the providers that it has for each function's markers."""

    def __init__(self, app: Flask, container: DynamicContainer) -> None:
        self._app = weakref.ref(app)
        self.container = container
        self.lifecycle = Lifecycle(container)
        self.started = False  # has served, or was about to
        # Told all faults, and there were none; or it is not to be checked.
        self.checked = False
        self.plans: dict[InjectedFunction, _Plan] = {}
        self._resolver = library.providers_map(container)

    @property
    def app(self) -> Flask | None:
        return self._app()

    def plan(self, asks: InjectedFunction) -> _Plan:
        """What fills the markers of a function; kept for its next call.

        Raises:
            UnknownProvider: A marker names what the container does not have.
        """
        found = {name: self.provider(asks, name) for name in asks.markers}
        plan = self.plans[asks] = tuple(
            (name, asks.positions[name], _finder(provider), _ready(provider))
            for name, provider in found.items()
        )
        return plan

    def provider(
        self, asks: InjectedFunction, name: str, asker: str = ""
    ) -> providers.Provider[Any]:
        """What this container has for the marker of a function's parameter.

        Raises:
            UnknownProvider: It has nothing.
        """
        marker = asks.markers[name]
        found = self._resolver.resolve_provider(marker.provider, marker.modifier)
        if not isinstance(found, providers.Provider):
            place = f"{locate(asks.function)}, parameter `{name}`"
            raise self.unknown(asker or asks.name, place, library.marker_name(marker))
        if library.is_provider_marker(marker):
            found = found.provider
        return found

    def unknown(self, asker: str, place: str, wanted: str) -> UnknownProvider:
        names, title = Graph(self.container).names.values(), _type_name(self.container)
        return UnknownProvider(asker, place, wanted, names, title)


def inject(function: F) -> F:
    """Fill the parameters that carry a marker from the current app's container.

    ``Annotated[T, Provide["name"]]`` and ``= Provide[Container.name]`` are markers.
    Arguments that the caller gives win. It stands under the route decorator.

    Raises:
        ClosingMarker: ``Closing[...]`` is asked for.
        MisplacedInject: It stands over a class, a task or a command, or the parameter
            can't be passed by name.
        PostponedAnnotations: The annotations are text and may hide markers.
        NoApp: At the call: there is no current app, and not all is given.
        UnknownProvider: At the call: the app's container has no such provider.
    """
    asks = read_markers(function)
    if not asks.markers:
        return function

    @wraps(function)
    def filled(*args: Any, **kwargs: Any) -> Any:
        given = len(args)
        try:
            bound = _bound_here(asks.name)
        except NoApp:
            # A unit test that passes everything needs no app.
            if asks.are_given(given, kwargs):
                return function(*args, **kwargs)
            raise
        for name, position, provide, ready in bound.plans.get(asks) or bound.plan(asks):
            if position >= given and name not in kwargs:
                made = ready[0]
                kwargs[name] = provide() if made is ABSENT else made
        return function(*args, **kwargs)

    setattr(filled, INJECTED, asks)
    # What a caller passes: Celery checks a task's arguments against it.
    filled.__signature__ = _without(function, asks.markers)  # type: ignore[attr-defined]
    if inspect.iscoroutinefunction(function):
        return _awaited(filled)  # type: ignore[return-value]
    return filled  # type: ignore[return-value]


def _awaited(filled: Callable[..., Any]) -> Callable[..., Any]:
    """The same as a coroutine function, for Flask to see that it is one."""

    @wraps(filled)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await filled(*args, **kwargs)

    return awaited


def bind(app: Flask, container: DynamicContainer) -> Bound:
    """Make ``container`` the one that ``app``'s functions receive from.

    Raises:
        AlreadyAService: The app has one.
    """
    if _EXTENSION in app.extensions:
        raise AlreadyAService(app.import_name)
    bound = app.extensions[_EXTENSION] = Bound(app, container)
    bind_library_functions()
    return bound


def _finder(provider: providers.Provider[Any]) -> Callable[[], Any]:
    return provider.find if isinstance(provider, Scoped) else provider


def _ready(provider: providers.Provider[Any]) -> list[Any]:
    # Not by getattr: of a Delegate or an option of the configuration, all names exist.
    return provider.ready if isinstance(provider, Opened) else _NEVER


def get_bound(app: Flask) -> Bound:
    """What ``app`` is bound to.

    Raises:
        NotAService: It has no container.
    """
    bound = app.extensions.get(_EXTENSION)
    if bound is None:
        raise NotAService(app.import_name)
    return bound  # type: ignore[no-any-return]


def get_container(app: Flask) -> Any:
    """The container of ``app``.

    Raises:
        NotAService: It has none.
    """
    return get_bound(app).container


def find(name: str) -> Any:
    """What the current app's container provides as ``name``.

    Raises:
        NoApp: There is no current app.
        NotAService: It has no container.
        UnknownProvider: The container has no such provider.
    """
    bound = _bound_here(name)
    provider = bound.container.providers.get(name)
    if provider is None:
        raise bound.unknown("A call of find", f'find("{name}")', name)
    return provider()


def bind_library_functions() -> None:
    """Serve functions under the library's own ``@inject`` through the current app, too.

    What somebody wired by hand stays as it was wired.
    """
    for function, patched, name, marker in library.unbound_injections():
        asks = InjectedFunction(function, {name: marker})
        library.add_injection(patched, name, _Dispatched(asks, name))


class _Dispatched(providers.Provider[Any]):
    def __init__(self, asks: InjectedFunction, name: str) -> None:
        self.asks, self.parameter = asks, name
        super().__init__()
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        return _bound_here(self.asks.name).provider(self.asks, self.parameter)()


def _bound_here(asker: str) -> Bound:
    try:
        app = _app_context().app
    except RuntimeError:
        raise NoApp(asker) from None
    try:
        return app.extensions[_EXTENSION]  # type: ignore[no-any-return]
    except KeyError:
        raise NotAService(app.import_name) from None


def _without(function: Callable[..., Any], names: Iterable[str]) -> inspect.Signature:
    full = inspect.signature(function)
    kept = [p for name, p in full.parameters.items() if name not in names]
    return full.replace(parameters=kept)


def _type_name(container: DynamicContainer) -> str:
    return getattr(container.declarative_parent, "__name__", "the container")
