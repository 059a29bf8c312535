"""The private names of dependency-injector that the kit stands on, all of them here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dependency_injector import providers, wiring
from dependency_injector.containers import DynamicContainer

__all__ = [
    "add_injection",
    "closing_parameters",
    "configuration_of",
    "is_closing",
    "is_library_function",
    "is_marker",
    "is_provider_marker",
    "marker_name",
    "markers_of",
    "providers_map",
    "unbound_injections",
]

_registry: Any = wiring._patched_registry
_Marker: Any = wiring._Marker


def is_marker(value: object) -> bool:
    return isinstance(value, _Marker)


def is_closing(marker: object) -> bool:
    kind: Any = wiring.Closing
    return isinstance(marker, kind)


def is_provider_marker(marker: object) -> bool:
    kind: Any = wiring.Provider
    return isinstance(marker, kind)


def is_library_function(function: Any) -> bool:
    """Whether the library's own ``@inject`` made it."""
    return bool(_registry.has_callable(function))


def marker_name(marker: Any) -> str:
    """What a marker asks for, as its text or its provider says it."""
    wanted = marker.provider
    if isinstance(wanted, str):
        return wanted
    option = getattr(wanted, "option", wanted)
    if isinstance(option, providers.ConfigurationOption):
        return option.get_name()
    return str(getattr(wanted, "label", None) or _made(wanted) or type(wanted).__name__)


def _made(provider: Any) -> str | None:
    return getattr(getattr(provider, "provides", None), "__name__", None)


def markers_of(function: Any) -> dict[str, Any]:
    """What the library's own ``@inject`` read from a function; not what it closes."""
    patched = _registry.get_callable(function)
    found = patched.reference_injections if patched is not None else {}
    return {name: marker for name, marker in found.items() if not is_closing(marker)}


def closing_parameters(function: Any) -> list[str]:
    """The parameters for which the library's own ``@inject`` read ``Closing``."""
    patched = _registry.get_callable(function)
    return list(patched.reference_closing) if patched is not None else []


def unbound_injections() -> Iterator[tuple[Callable[..., Any], Any, str, Any]]:
    """Each function under the library's ``@inject``, its record, parameter and marker.

    What was wired by hand is left out.
    """
    for patched in list(_registry._callables.values()):
        for name, marker in patched.reference_injections.items():
            if name not in patched.injections and not is_closing(marker):
                yield patched.original, patched, name, marker


def add_injection(patched: Any, name: str, provider: providers.Provider[Any]) -> None:
    patched.add_injection(name, provider)


def configuration_of(option: Any) -> Any:
    """The whole configuration of which ``option`` names one key; None for others."""
    root = getattr(option, "_get_root", None)
    return root()() if root is not None else None


def providers_map(container: DynamicContainer) -> Any:
    """The library's map, which also knows each base class's providers by name.

    So a provider that a subclass declares anew is found by the base's marker.
    """
    found = wiring.ProvidersMap(container)
    for parent in getattr(container.declarative_parent, "__mro__", ()):
        for name, provider in getattr(parent, "providers", {}).items():
            if name in container.providers:
                found._map.setdefault(provider, container.providers[name])
    return found
