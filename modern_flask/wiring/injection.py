"""``inject``: resolves markers through the current app's container.

The decorator binds nothing. The first call of a function in an app looks its providers
up in the app's container. So two apps never mix, views and tasks may be defined late,
and a subclass may redeclare providers.
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
    "refresh_resolvers",
    "title_of",
]

F = TypeVar("F", bound=Callable[..., Any])
# For each marker of a function: the parameter, its position, the provider, and a list
# that holds the provider's object once it is ready.
_Plan = tuple[tuple[str, int, Callable[[], Any], list[Any]], ...]
_NEVER_READY = [ABSENT]
_EMPTY = inspect.Parameter.empty
_EXTENSION = "modern_flask"
_RESOLVER = "_modern_flask_resolver"
_RESOLVERS = "_modern_flask_resolvers"
# Looked up once, because every call of an injected function uses it.
_app_context: Callable[[], Any] = app_ctx._get_current_object  # type: ignore[attr-defined]


def _get_resolvers(container: DynamicContainer) -> weakref.WeakSet[Resolver]:
    found: weakref.WeakSet[Resolver]
    found = vars(container).setdefault(_RESOLVERS, weakref.WeakSet())
    return found


def refresh_resolvers(container: DynamicContainer) -> None:
    """Let functions that are injected from ``container`` see a replaced provider."""
    for resolver in list(_get_resolvers(container)):
        resolver.refresh()


class Resolver:
    """Finds a container's providers for the markers of a function."""

    def __init__(self, container: DynamicContainer) -> None:
        self.container = container
        self.plans: dict[InjectedFunction, _Plan] = {}
        self._providers = library.providers_map(container)
        _get_resolvers(container).add(self)

    def refresh(self) -> None:
        """Look the providers up again, because one of the container was replaced."""
        self._providers = library.providers_map(self.container)
        self.plans.clear()

    def plan(self, injected: InjectedFunction) -> _Plan:
        """Find the provider of each marker, and keep the result for the next call.

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
        """Return the container's provider for the marker of a parameter.

        Args:
            injected: The function.
            name: The parameter.
            title: The title of the function in an error; by default its name.

        Raises:
            UnknownProvider: The container has no such provider.
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
        """Make the error for a name that the container does not have."""
        names = Graph(self.container).names.values()
        return UnknownProvider(title, place, wanted, names, title_of(self.container))


class Bound(Resolver):
    """The container of an app, and its state."""

    def __init__(self, app: Flask, container: DynamicContainer) -> None:
        super().__init__(container)
        self._app = weakref.ref(app)
        self.lifecycle = Lifecycle(container)
        #: Whether the app has begun to serve.
        self.started = False
        #: The values with which the container and ``app.config`` began.
        self.published: Mapping[str, Any] = {}
        #: True once a check found nothing, or when checks are off.
        self.checked = False

    @property
    def app(self) -> Flask | None:
        return self._app()


def inject(function: F) -> F:
    """Inject objects of the current app's container into the parameters with a marker.

    ``Annotated[T, Provide["name"]]`` and ``= Provide[Container.name]`` are markers;
    annotations may be text. Arguments that the caller passes win. Put the decorator
    directly over the function, below the decorator that registers the function. Without
    a current app, the function uses the container that was wired to its module by hand.

    Raises:
        ClosingMarker: A marker is ``Closing[...]``.
        MisplacedInject: The decorated object is a class, a task or a command, or a
            parameter with a marker can't be passed by name.
        NoApp: At a call, if there is no current app and an argument is missing.
        UnknownProvider: At a call, if the app's container has no such provider.
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
            # A unit test that passes all arguments needs no app.
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
    # The parameters that a caller passes. Celery checks a task's arguments with it.
    filled.__signature__ = injected.signature  # type: ignore[attr-defined]
    wrapper: Any = filled
    if inspect.iscoroutinefunction(function):
        wrapper = _make_async(filled)
    injected.wrapper = wrapper
    return wrapper  # type: ignore[no-any-return]


def _get_locals(function: Any) -> Mapping[str, Any]:
    """Return the local variables around a function, if its annotations may use them."""
    texts = getattr(function, "__annotations__", {}).values()
    if "<locals>" not in getattr(function, "__qualname__", "") or not any(
        isinstance(text, str) for text in texts
    ):
        return {}
    found: list[dict[str, Any]] = []
    # Start at the caller of inject and go outwards: a class body, then its function.
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_globals is function.__globals__:
        found.append(frame.f_locals)
        frame = frame.f_back
    return ChainMap(*found)


def _make_async(filled: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``filled`` in a coroutine function, so that Flask sees that it is async."""

    @wraps(filled)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        return await filled(*args, **kwargs)

    return awaited


def bind(app: Flask, container: DynamicContainer) -> Bound:
    """Make ``container`` the source of all injections into functions of ``app``.

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
        # If the key is not set, the parameter keeps its default.
        return lambda: provider() if library.has_value(provider) else default
    return provider.find if isinstance(provider, Scoped) else provider


def _get_ready(provider: providers.Provider[Any]) -> list[Any]:
    # getattr would not do: a Delegate or a configuration option has every attribute.
    return provider.ready if isinstance(provider, Opened) else _NEVER_READY


def get_bound(app: Flask) -> Bound:
    """Return the container of ``app`` with its state.

    Raises:
        NotBound: The app has no container.
    """
    bound = app.extensions.get(_EXTENSION)
    if bound is None:
        raise NotBound(app.import_name)
    return bound  # type: ignore[no-any-return]


def get_container(app: Flask) -> Any:
    """Return the container of ``app``.

    Raises:
        NotBound: The app has no container.
    """
    return get_bound(app).container


def find(name: str) -> Any:
    """Return the object that the current app's container provides as ``name``.

    Raises:
        NoApp: There is no current app.
        NotBound: The current app has no container.
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
    """Let functions under the library's ``@inject`` use the current app's container.

    Functions that were wired by hand do not change.
    """
    for function, patched, name, marker in library.unbound_injections():
        injected = InjectedFunction(function, {name: marker})
        library.add_injection(patched, name, _Dispatched(injected, name))


class _Dispatched(providers.Provider[Any]):
    """Resolves one marker at each call, through the app that is current then."""

    def __init__(self, injected: InjectedFunction, name: str) -> None:
        self.injected, self.parameter = injected, name
        super().__init__()
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        resolver = _get_resolver(self.injected.name)
        provider = resolver.provider(self.injected, self.parameter)
        return _get_finder(provider, self.injected.defaults[self.parameter])()


# The containers that were wired by hand, in the order of wiring.
_wired: list[weakref.ref[Any]] = []


def note_wired(container: DynamicContainer) -> None:
    """Use ``container`` in the modules it is wired to when there is no current app."""
    others = [each for each in _wired if each() not in (None, container)]
    wired = container.wired_to_modules or container.wired_to_packages
    _wired[:] = [*others, weakref.ref(container)] if wired else others


def _find_wired(function: Any) -> Resolver | None:
    """Find the resolver of the container last wired to the function's module."""
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


def title_of(container: DynamicContainer) -> str:
    """Return the name of the container's class, for messages."""
    return getattr(container.declarative_parent, "__name__", "the container")
