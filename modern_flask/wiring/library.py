"""All private names of dependency-injector that the kit uses are in this module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

from dependency_injector import providers, wiring
from dependency_injector.containers import DynamicContainer

__all__ = [
    "add_injection",
    "closing_parameters",
    "configuration_of",
    "has_value",
    "is_closing",
    "is_library_function",
    "is_marker",
    "is_provider_marker",
    "is_required",
    "marker_name",
    "markers_of",
    "option_of",
    "path_of",
    "providers_map",
    "root_of",
    "target_name",
    "unbound_injections",
    "whole_configuration_of",
]

_registry: Any = wiring._patched_registry
_Marker: Any = wiring._Marker


def is_marker(value: object) -> bool:
    # type() instead of isinstance(): a proxy without an object raises on __class__.
    return issubclass(type(value), _Marker)


def is_closing(marker: object) -> bool:
    kind: Any = wiring.Closing
    return isinstance(marker, kind)


def is_provider_marker(marker: object) -> bool:
    kind: Any = wiring.Provider
    return isinstance(marker, kind)


def is_library_function(function: Any) -> bool:
    """Whether ``function`` is a wrapper made by the library's own ``@inject``."""
    return _get_patched(function) is not None


def _get_patched(function: Any) -> Any:
    """Return the library's record of a function. Other objects may have no hash."""
    plain = type(function) is FunctionType
    return _registry.get_callable(function) if plain else None


def marker_name(marker: Any) -> str:
    """Return the name in a marker: its text, or the name of its provider."""
    wanted = marker.provider
    if isinstance(wanted, str):
        return wanted
    option = option_of(wanted)
    return str(option.get_name()) if option is not None else target_name(wanted)


def target_name(provider: Any) -> str:
    """Return the name of the provider's target, or else of the provider's class.

    A configuration option has every attribute, and reading a new attribute creates a
    child option. So this function, like all others, checks the type first.
    """
    if isinstance(provider, providers.Configuration | providers.ConfigurationOption):
        return str(provider.get_name())
    made = getattr(provider, "provides", None)
    if isinstance(made, str):
        return made
    return str(getattr(made, "__name__", None) or type(provider).__name__)


def option_of(provider: Any) -> Any:
    """Return the option of ``config.KEY`` or ``config.KEY.as_int()``, else None."""
    if isinstance(provider, providers.TypedConfigurationOption):
        return provider.option
    if isinstance(provider, providers.ConfigurationOption):
        return provider
    return None


def markers_of(function: Any) -> dict[str, Any]:
    """Return the markers that the library's ``@inject`` read, without ``Closing``."""
    patched = _get_patched(function)
    found = patched.reference_injections if patched is not None else {}
    return {name: marker for name, marker in found.items() if not is_closing(marker)}


def closing_parameters(function: Any) -> list[str]:
    """Return the parameters with ``Closing`` that the library's ``@inject`` read."""
    patched = _get_patched(function)
    return list(patched.reference_closing) if patched is not None else []


def unbound_injections() -> Iterator[tuple[Callable[..., Any], Any, str, Any]]:
    """Yield the injections of the library's ``@inject`` that nothing has wired.

    Yields:
        The function, the library's record of it, the parameter and its marker.
    """
    for patched in list(_registry._callables.values()):
        for name, marker in patched.reference_injections.items():
            if name not in patched.injections and not is_closing(marker):
                yield patched.original, patched, name, marker


def add_injection(patched: Any, name: str, provider: providers.Provider[Any]) -> None:
    patched.add_injection(name, provider)


def configuration_of(option: Any) -> Any:
    """Return the values of the configuration that has ``option``; None for others."""
    found = option_of(option)
    return found._get_root()() if found is not None else None


def has_value(option: Any) -> bool:
    """Whether the key of ``option`` is set, and is not None.

    The library raises an error where a key above it is None. It raises one for a
    required key, too, and that one is for the caller.
    """
    found = option_of(option)
    names = found.get_name_segments()
    values = configuration_of(option)
    for name in names[:-1]:
        key = name() if isinstance(name, providers.Provider) else name
        values = values.get(key) if isinstance(values, Mapping) else None
    if names[:-1] and values is None and not is_required(option):
        return False
    return found() is not None


def root_of(provider: Any) -> Any:
    """Return ``provider`` if it is a configuration, or the configuration that has it.

    The result is None for all other providers.
    """
    if isinstance(provider, providers.Configuration):
        return provider
    found = option_of(provider)
    return found._get_root() if found is not None else None


def path_of(provider: Any) -> tuple[str, ...]:
    """Return the keys that lead from the whole configuration to an option's value.

    A container inside another one may get an item as its configuration:
    ``providers.Container(Billing, config=config.BILLING)``.
    """
    option = option_of(provider)
    if option is None:
        above = _get_above(provider)
        return path_of(above) if above is not None else ()
    own = [
        str(segment() if isinstance(segment, providers.Provider) else segment)
        for segment in option.get_name_segments()
    ]
    return (*path_of(option._get_root()), *own)


def whole_configuration_of(provider: Any) -> Any:
    """Return the values in which :func:`path_of` leads to the value of an option."""
    root = root_of(provider)
    above = _get_above(root)
    if above is not None:
        return whole_configuration_of(above)
    return root() if root is not None else None


def _get_above(configuration: Any) -> Any:
    """Return the option or configuration that replaces ``configuration``, else None."""
    if not isinstance(configuration, providers.Configuration):
        return None
    above = configuration.last_overriding
    return above if root_of(above) is not None else None


def is_required(option: Any) -> bool:
    """Whether the library raises an error if the key of ``option`` is not set."""
    found = option_of(option)
    return bool(found.is_required() or found._get_root().get_strict())


class _ProvidersMap(wiring.ProvidersMap):
    """The library's map, extended for providers that only the instance has.

    The library's own map raises KeyError after ``set_provider``, and adds ``__self__``
    to the container's providers.
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
    """Make the library's map, with the providers of each base class added by name.

    So a marker that names a provider of a base class finds the provider with which a
    subclass replaces it.
    """
    found = _ProvidersMap(container)
    for parent in getattr(container.declarative_parent, "__mro__", ()):
        for name, provider in getattr(parent, "providers", {}).items():
            if name in container.providers:
                found._map.setdefault(provider, container.providers[name])
    return found
