"""The private names of dependency-injector that the kit stands on, all of them here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
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
    "is_required",
    "marker_name",
    "markers_of",
    "option_of",
    "providers_map",
    "root_of",
    "target_name",
    "unbound_injections",
]

_registry: Any = wiring._patched_registry
_Marker: Any = wiring._Marker


def is_marker(value: object) -> bool:
    # By its type: a proxy that says it is of another class may not be touched.
    return issubclass(type(value), _Marker)


def is_closing(marker: object) -> bool:
    kind: Any = wiring.Closing
    return isinstance(marker, kind)


def is_provider_marker(marker: object) -> bool:
    kind: Any = wiring.Provider
    return isinstance(marker, kind)


def is_library_function(function: Any) -> bool:
    """Whether the library's own ``@inject`` made it."""
    return _get_patched(function) is not None


def _get_patched(function: Any) -> Any:
    """The library's record of a function; other objects may have no hash."""
    plain = type(function) is FunctionType
    return _registry.get_callable(function) if plain else None


def marker_name(marker: Any) -> str:
    """The name in a marker: its text, or the name of its provider."""
    wanted = marker.provider
    if isinstance(wanted, str):
        return wanted
    option = option_of(wanted)
    return str(option.get_name()) if option is not None else target_name(wanted)


def target_name(provider: Any) -> str:
    """The name of what a provider calls, or of its kind.

    An option of the configuration has every attribute, and asking for one that is new
    makes a child of it: its type is looked at first, here and everywhere.
    """
    if isinstance(provider, providers.Configuration | providers.ConfigurationOption):
        return str(provider.get_name())
    made = getattr(provider, "provides", None)
    if isinstance(made, str):
        return made
    return str(getattr(made, "__name__", None) or type(provider).__name__)


def option_of(provider: Any) -> Any:
    """The option behind ``config.KEY`` or ``config.KEY.as_int()``; None for others."""
    if isinstance(provider, providers.TypedConfigurationOption):
        return provider.option
    if isinstance(provider, providers.ConfigurationOption):
        return provider
    return None


def markers_of(function: Any) -> dict[str, Any]:
    """The markers that the library's own ``@inject`` read; ``Closing`` is left out."""
    patched = _get_patched(function)
    found = patched.reference_injections if patched is not None else {}
    return {name: marker for name, marker in found.items() if not is_closing(marker)}


def closing_parameters(function: Any) -> list[str]:
    """The parameters for which the library's own ``@inject`` read ``Closing``."""
    patched = _get_patched(function)
    return list(patched.reference_closing) if patched is not None else []


def unbound_injections() -> Iterator[tuple[Callable[..., Any], Any, str, Any]]:
    """Each function under the library's ``@inject``, its record, parameter and marker.

    Functions that were wired by hand are left out.
    """
    for patched in list(_registry._callables.values()):
        for name, marker in patched.reference_injections.items():
            if name not in patched.injections and not is_closing(marker):
                yield patched.original, patched, name, marker


def add_injection(patched: Any, name: str, provider: providers.Provider[Any]) -> None:
    patched.add_injection(name, provider)


def configuration_of(option: Any) -> Any:
    """The whole configuration of which ``option`` names one key; None for others."""
    found = option_of(option)
    return found._get_root()() if found is not None else None


def root_of(provider: Any) -> Any:
    """The configuration that a provider is, or is an option of; None for others."""
    if isinstance(provider, providers.Configuration):
        return provider
    found = option_of(provider)
    return found._get_root() if found is not None else None


def is_required(option: Any) -> bool:
    """Whether the library raises where the key of ``option`` is not set."""
    found = option_of(option)
    return bool(found.is_required() or found._get_root().get_strict())


class _ProvidersMap(wiring.ProvidersMap):
    """The library's map, for containers with providers that their class does not have.

    The library's own raises KeyError after ``set_provider``, and adds ``__self__`` to
    the providers of the container.
    """

    @classmethod
    def _create_providers_map(
        cls, current_container: Any, original_container: Any
    ) -> dict[Any, Any]:
        found = {original_container.__self__: current_container.__self__}
        original = original_container.providers
        for name, provider in current_container.providers.items():
            declared = original.get(name, provider)
            found[declared] = provider
            if isinstance(provider, providers.Container) and isinstance(
                declared, providers.Container
            ):
                found |= cls._create_providers_map(
                    provider.container, declared.container
                )
        return found


def providers_map(container: DynamicContainer) -> Any:
    """The library's map, which also knows each base class's providers by name.

    A provider that a subclass redeclares is found by the base's marker.
    """
    found = _ProvidersMap(container)
    for parent in getattr(container.declarative_parent, "__mro__", ()):
        for name, provider in getattr(parent, "providers", {}).items():
            if name in container.providers:
                found._map.setdefault(provider, container.providers[name])
    return found
