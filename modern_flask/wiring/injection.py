"""``inject``: markers, resolved through the current app's container.

Nothing is bound when a function is decorated: its providers are looked up when it is
called, once for each app. Two apps never mix, and views and tasks that are defined
late, or providers that a subclass redeclares, work.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import wraps
from types import FrameType
from typing import Any, TypeVar

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer
from flask import Flask
from flask.globals import app_ctx

from . import library
from .callables import locate
from .errors import AlreadyBound, NoApp, NotBound, UnknownProvider
from .flask_scope import note_error
from .graph import Graph
from .lifecycle import Lifecycle
from .markers import INJECTED, InjectedFunction, read_markers
from .providers import ABSENT, Opened, Scoped

__all__ = [
    "Bound",
    "Resolver",
    "bind",
    "bind_library_functions",
    "find",
    "get_bound",
    "get_container",
    "inject",
    "note_wired",
]

F = TypeVar("F", bound=Callable[..., Any])
# For each marker of a function: the parameter, its position, the provider, and where
# its object lies once it is ready.
_Plan = tuple[tuple[str, int, Callable[[], Any], list[Any]], ...]
_NEVER_READY = [ABSENT]
_EMPTY = inspect.Parameter.empty
_EXTENSION = "modern_flask"
_RESOLVER = "_modern_flask_resolver"
# Looked up once: every call of an injected function asks it.
_app_context: Callable[[], Any] = app_ctx._get_current_object  # type: ignore[attr-defined]


class Resolver:
    """The providers that a container has for the markers of each function."""

    def __init__(self, container: DynamicContainer) -> None:
        self.container = container
        self.plans: dict[InjectedFunction, _Plan] = {}
        self._providers = library.providers_map(container)

    def plan(self, injected: InjectedFunction) -> _Plan:
        """What fills the markers of a function; kept for its next call.

        Raises:
            UnknownProvider: A marker names a provider that the container does not have.
        """
        injected.resolve()
        found = {name: self.provider(injected, name) for name in injected.markers}
        plan = self.plans[injected] = tuple(
            (
                name,
                injected.positions[name],
                _get_finder(provider, injected.defaults[name]),
                _get_ready(provider),
            )
            for name, provider in found.items()
        )
        return plan

    def provider(
        self, injected: InjectedFunction, name: str, title: str = ""
    ) -> providers.Provider[Any]:
        """This container's provider for the marker of a function's parameter.

        Args:
            title: What an error calls the function, if not by its name.

        Raises:
            UnknownProvider: It has none.
        """
        marker = injected.markers[name]
        found = self._providers.resolve_provider(marker.provider, marker.modifier)
        if not isinstance(found, providers.Provider):
            place = f"{locate(injected.function)}, parameter `{name}`"
            wanted = library.marker_name(marker)
            raise self.unknown(title or injected.name, place, wanted)
        if library.is_provider_marker(marker):
            found = found.provider
        return found

    def unknown(self, title: str, place: str, wanted: str) -> UnknownProvider:
        """The error for a name that the container does not have."""
        names = Graph(self.container).names.values()
        return UnknownProvider(title, place, wanted, names, _get_title(self.container))


class Bound(Resolver):
    """An app's container, and what happened to it so far."""

    def __init__(self, app: Flask, container: DynamicContainer) -> None:
        super().__init__(container)
        self._app = weakref.ref(app)
        self.lifecycle = Lifecycle(container)
        #: Whether the app has served, or was about to.
        self.started = False
        #: True once a check found nothing, or when checks are off.
        self.checked = False

    @property
    def app(self) -> Flask | None:
        return self._app()


def inject(function: F) -> F:
    """Fill the parameters that carry a marker from the current app's container.

    ``Annotated[T, Provide["name"]]`` and ``= Provide[Container.name]`` are markers;
    annotations may be text. Arguments that the caller passes win. The decorator stands
    directly over the function, under the one that registers it. Where there is no app,
    a container that was wired to the function's module by hand is used.

    Raises:
        ClosingMarker: A marker is ``Closing[...]``.
        MisplacedInject: It stands over a class, a task or a command, or a parameter
            can't be passed by name.
        NoApp: At the call: there is no current app, and an argument is missing.
        UnknownProvider: At the call: the app's container has no such provider.
    """
    injected = read_markers(function, _get_locals(function))
    if not injected.markers and not injected.unresolved:
        return function

    @wraps(function)
    def filled(*args: Any, **kwargs: Any) -> Any:
        given = len(args)
        try:
            resolver = _get_resolver(injected.name)
        except NoApp:
            # A unit test that passes everything needs no app.
            if injected.are_given(given, kwargs):
                return function(*args, **kwargs)
            wired = _find_wired(function)
            if wired is None:
                raise
            resolver = wired
        plan = resolver.plans.get(injected) or resolver.plan(injected)
        for name, position, provide, ready in plan:
            if position >= given and name not in kwargs:
                made = ready[0]
                kwargs[name] = provide() if made is ABSENT else made
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            note_error(error)
            raise

    setattr(filled, INJECTED, injected)
    # What a caller passes: Celery checks a task's arguments against it.
    filled.__signature__ = injected.signature  # type: ignore[attr-defined]
    wrapper: Any = filled
    if inspect.iscoroutinefunction(function):
        wrapper = _make_async(filled)
    injected.wrapper = wrapper
    return wrapper  # type: ignore[no-any-return]


def _get_locals(function: Any) -> Mapping[str, Any]:
    """The variables where a function is decorated, if its annotations may name them."""
    texts = getattr(function, "__annotations__", {}).values()
    if "<locals>" not in getattr(function, "__qualname__", "") or not any(
        isinstance(text, str) for text in texts
    ):
        return {}
    found: list[dict[str, Any]] = []
    # From the caller of inject outwards: a class body, then the function around it.
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals is function.__globals__:
        found.append(frame.f_locals)
        frame = frame.f_back
    return ChainMap(*found)


def _make_async(filled: Callable[..., Any]) -> Callable[..., Any]:
    """The same as a coroutine function, for Flask to see that it is one."""

    @wraps(filled)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await filled(*args, **kwargs)

    return awaited


def bind(app: Flask, container: DynamicContainer) -> Bound:
    """Inject the functions of ``app`` from ``container``.

    Raises:
        AlreadyBound: The app has a container.
    """
    if _EXTENSION in app.extensions:
        raise AlreadyBound(app.import_name)
    bound = app.extensions[_EXTENSION] = Bound(app, container)
    bind_library_functions()
    return bound


def _get_finder(provider: providers.Provider[Any], default: Any) -> Callable[[], Any]:
    if library.option_of(provider) is not None and default is not _EMPTY:
        # A key that is not set leaves the parameter its default.
        return lambda: default if (value := provider()) is None else value
    return provider.find if isinstance(provider, Scoped) else provider


def _get_ready(provider: providers.Provider[Any]) -> list[Any]:
    # Not by getattr: a Delegate or an option of the configuration has every attribute.
    return provider.ready if isinstance(provider, Opened) else _NEVER_READY


def get_bound(app: Flask) -> Bound:
    """The container of ``app``, and its state.

    Raises:
        NotBound: It has none.
    """
    bound = app.extensions.get(_EXTENSION)
    if bound is None:
        raise NotBound(app.import_name)
    return bound  # type: ignore[no-any-return]


def get_container(app: Flask) -> Any:
    """The container of ``app``.

    Raises:
        NotBound: It has none.
    """
    return get_bound(app).container


def find(name: str) -> Any:
    """The object that the current app's container provides as ``name``.

    Raises:
        NoApp: There is no current app.
        NotBound: It has no container.
        UnknownProvider: The container has no such provider.
    """
    bound = _get_resolver(name)
    provider = bound.container.providers.get(name)
    if provider is None:
        raise bound.unknown("A call of find", f'find("{name}")', name)
    return provider()


def _get_resolver(function: str) -> Resolver:
    try:
        app = _app_context().app
    except RuntimeError:
        raise NoApp(function) from None
    try:
        return app.extensions[_EXTENSION]  # type: ignore[no-any-return]
    except KeyError:
        raise NotBound(app.import_name) from None


def bind_library_functions() -> None:
    """Serve functions under the library's own ``@inject`` through the current app, too.

    A function that was wired by hand stays as it was wired.
    """
    for function, patched, name, marker in library.unbound_injections():
        injected = InjectedFunction(function, {name: marker})
        library.add_injection(patched, name, _Dispatched(injected, name))


class _Dispatched(providers.Provider[Any]):
    """Resolves one marker when it is called, through the app that is current then."""

    def __init__(self, injected: InjectedFunction, name: str) -> None:
        self.injected, self.parameter = injected, name
        super().__init__()
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        resolver = _get_resolver(self.injected.name)
        return resolver.provider(self.injected, self.parameter)()


# The containers that were wired by hand, the last one last.
_wired: list[weakref.ref[Any]] = []


def note_wired(container: DynamicContainer) -> None:
    """Use ``container`` where there is no app, in the modules it is wired to."""
    others = [each for each in _wired if each() not in (None, container)]
    wired = container.wired_to_modules or container.wired_to_packages
    _wired[:] = [*others, weakref.ref(container)] if wired else others


def _find_wired(function: Any) -> Resolver | None:
    """The resolver of the container that was wired last to the function's module."""
    module: str = function.__module__
    for reference in reversed(_wired):
        container = reference()
        if container is not None and _is_wired_to(container, module):
            found: Resolver = vars(container).setdefault(_RESOLVER, Resolver(container))
            return found
    return None


def _is_wired_to(container: Any, module: str) -> bool:
    if any(module == each.__name__ for each in container.wired_to_modules):
        return True
    packages = [each.__name__ for each in container.wired_to_packages]
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


def _get_title(container: DynamicContainer) -> str:
    return getattr(container.declarative_parent, "__name__", "the container")
