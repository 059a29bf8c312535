"""Find the markers of the functions and classes that providers call."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

from dependency_injector import providers

from . import library
from .callables import find_layers, is_framework, unwrap
from .markers import InjectedFunction, get_injected
from .providers import drop_own_keywords

__all__ = ["Target", "find_injected", "get_called", "get_target"]

_INITIALIZER = "__init__"
_CALLING = (
    providers.BaseResource,
    providers.BaseSingleton,
    providers.Callable,
    providers.Factory,
)


def find_injected(function: Any) -> InjectedFunction | None:
    """Find the markers that the kit's or the library's ``@inject`` has read."""
    own = get_injected(function)
    if own is not None:
        own.resolve()
        return own
    for layer in find_layers(function):
        markers = library.markers_of(layer)
        if markers:
            return InjectedFunction(unwrap(layer), markers)
    return None


@dataclass(frozen=True)
class Target:
    """A function that a provider calls.

    Args:
        function: The function; for a class, its ``__init__``.
        filled: The parameters that the provider fills itself.
    """

    function: Any
    filled: frozenset[str]

    def injections(self, resolver: Any) -> dict[str, providers.Provider[Any]]:
        """Return the provider of each marker, by parameter.

        Parameters that the provider fills itself, and markers that inject a provider
        instead of its object, are left out.
        """
        found: dict[str, providers.Provider[Any]] = {}
        injected = find_injected(self.function)
        for name, marker in injected.markers.items() if injected is not None else ():
            if name in self.filled or library.is_provider_marker(marker):
                continue
            one = resolver.resolve_provider(marker.provider, marker.modifier)
            if isinstance(one, providers.Provider):
                found[name] = one
        return found


def get_called(provider: Any) -> Any:
    """Return the target of ``provider``; None if it has none or is not imported yet."""
    if not isinstance(provider, _CALLING):
        return None
    called: Any = provider.provides
    if isinstance(called, str):
        module, _, name = called.rpartition(".")
        return getattr(sys.modules.get(module), name, None)
    return called


def get_target(provider: Any) -> Target | None:
    """Return the function that ``provider`` calls; None for a framework's function."""
    called = get_called(provider)
    if called is None or is_framework(called):
        return None
    is_class = isinstance(called, type)
    function = getattr(called, _INITIALIZER) if is_class else called
    if not inspect.isroutine(function) and not isinstance(function, partial):
        return None
    itself = (None,) if is_class else ()
    return Target(function, _get_filled(function, itself, provider))


def _get_filled(
    function: Any, itself: tuple[Any, ...], provider: Any
) -> frozenset[str]:
    named = drop_own_keywords(provider)
    if isinstance(function, partial):
        itself, named = function.args, {**function.keywords, **named}
    injected = find_injected(function)
    whole = injected.function if injected is not None else function
    try:
        found = inspect.signature(whole).bind_partial(*itself, *provider.args, **named)
    except (TypeError, ValueError):
        return frozenset(named)
    return frozenset(found.arguments)
