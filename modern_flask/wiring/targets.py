"""What the functions and classes that a container is made of ask for by markers."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers

from . import library
from .callables import is_framework
from .checks.marked import find_injected, find_marked

__all__ = ["Target", "target_of"]

_INITIALIZER = "__init__"
_CALLING = (
    providers.BaseResource,
    providers.BaseSingleton,
    providers.Callable,
    providers.Factory,
)


@dataclass(frozen=True)
class Target:
    """A function that a provider calls, of which a parameter has a marker.

    Args:
        function: Of a class, its initializer.
        given: The parameters that the provider fills itself.
    """

    function: Any
    given: frozenset[str]

    def injections(self, resolver: Any) -> dict[str, providers.Provider[Any]]:
        """What fills each marker that is left; what hands over a provider is not."""
        found: dict[str, providers.Provider[Any]] = {}
        for asks in find_injected(self.function):
            for name, marker in asks.markers.items():
                if name in self.given or library.is_provider_marker(marker):
                    continue
                one = resolver.resolve_provider(marker.provider, marker.modifier)
                if isinstance(one, providers.Provider):
                    found[name] = one
        return found


def target_of(provider: Any) -> Target | None:
    """What ``provider`` calls, if that has markers; of a path, if it is imported."""
    if not isinstance(provider, _CALLING):
        return None
    called: Any = provider.provides
    if isinstance(called, str):
        module, _, name = called.rpartition(".")
        called = getattr(sys.modules.get(module), name, None)
    if is_framework(called):
        return None
    of_class = isinstance(called, type)
    function = getattr(called, _INITIALIZER) if of_class else called
    if not inspect.isroutine(function) or not any(find_marked(function)):
        return None
    itself = (None,) if of_class else ()
    return Target(function, _given(function, itself, provider))


def _given(function: Any, itself: tuple[Any, ...], provider: Any) -> frozenset[str]:
    named = dict(provider.kwargs)
    named.pop("observed_by", None)  # the kit's own, see `Opened`
    whole = next((asks.function for asks in find_injected(function)), function)
    try:
        found = inspect.signature(whole).bind_partial(*itself, *provider.args, **named)
    except (TypeError, ValueError):
        return frozenset(named)
    return frozenset(found.arguments)
