"""The direct dependencies of one provider, and the lifetime of its object."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from dependency_injector import providers

from ..config.values import Origin, Values, name_key
from . import library
from .providers import Scoped
from .settings import Choice, Settings, active_dependencies

__all__ = [
    "REACHING",
    "Lifetime",
    "branches",
    "dependencies",
    "hands_over_provider",
    "is_setting",
    "is_undecided",
    "is_value",
    "kept_objects",
    "key_of",
    "lifetime",
    "origin_of",
    "settings_of",
]

# These read from another provider's object. They are not nodes of the graph.
REACHING = (
    providers.ProvidedInstance,
    providers.AttributeGetter,
    providers.ItemGetter,
    providers.MethodCaller,
)
# These return a provider, a container or a value, and make no object.
_VALUES = (
    providers.Configuration,
    providers.ConfigurationOption,
    providers.Container,
    providers.Delegate,
    providers.DependenciesContainer,
    providers.Object,
    providers.Self,
    providers.TypedConfigurationOption,
    Settings,
)
_PER_THREAD = (
    providers.ContextLocalResource,
    providers.ContextLocalSingleton,
    providers.ThreadLocalSingleton,
)


class Lifetime(Enum):
    """How long an object lives. The longest lifetime comes first.

    A context-local object lives as long as its thread, because WSGI does not create a
    new context for each request.
    """

    PROCESS = "process"
    THREAD = "thread"
    REQUEST = "request"
    CALL = "call"


def is_value(provider: providers.Provider[Any]) -> bool:
    """Whether ``provider`` makes no object, and so is not a node of the graph."""
    return isinstance(provider, _VALUES)


def hands_over_provider(provider: providers.Provider[Any]) -> bool:
    """Whether ``provider``, as a dependency, passes no object that it makes."""
    return is_value(provider) or providers.is_delegated(provider)


def dependencies(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """Yield the providers that ``provider`` calls or keeps, without values."""
    for found in active_dependencies(provider):
        if isinstance(found, REACHING):
            yield from dependencies(found)
        elif not hands_over_provider(found):
            yield found


def kept_objects(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """Yield the providers whose objects may be kept by the object of ``provider``.

    Attributes, items and results of methods are left out: they may live longer than the
    object that they come from, as an engine lives longer than its session.
    """
    for found in active_dependencies(provider):
        if isinstance(found, providers.ProvidedInstance):
            source: Any = found.provides
            yield source
        elif not isinstance(found, REACHING) and not hands_over_provider(found):
            yield found


def settings_of(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """Yield the sections and keys of the configuration in the provider's arguments."""
    for found in active_dependencies(provider):
        if isinstance(found, REACHING):
            yield from settings_of(found)
        elif is_setting(found):
            yield found


def is_setting(provider: providers.Provider[Any]) -> bool:
    """Whether ``provider`` is a section or a key of the configuration.

    A key with a conversion, such as ``config.PORT.as_int()``, counts as well.
    """
    return isinstance(provider, Settings) or library.option_of(provider) is not None


def is_undecided(provider: providers.Provider[Any]) -> bool:
    """Whether ``provider`` is a selector whose branch only a call can show.

    The library's selector may choose by any function, and that function is code of the
    service.
    """
    if not isinstance(provider, providers.Selector) or isinstance(provider, Choice):
        return False
    by_key = isinstance(provider.selector, providers.ConfigurationOption)
    plain = type(provider) is providers.Selector
    return provider.last_overriding is None and not (plain and by_key)


def lifetime(provider: providers.Provider[Any]) -> Lifetime:
    """How long the provider keeps the object it makes."""
    if provider.last_overriding is not None:
        return lifetime(provider.last_overriding)
    if isinstance(provider, Scoped):
        return Lifetime.REQUEST
    if isinstance(provider, _PER_THREAD):
        return Lifetime.THREAD
    if isinstance(provider, providers.BaseResource | providers.BaseSingleton):
        return Lifetime.PROCESS
    return Lifetime.CALL


def key_of(option: providers.Provider[Any]) -> str:
    """Return the whole key of a configuration option, such as ``MAIL_HOST``."""
    return name_key(library.path_of(option))


def origin_of(option: providers.Provider[Any]) -> Origin | None:
    """Return where the value of a configuration option was set, if that is known."""
    whole = library.whole_configuration_of(option)
    known = isinstance(whole, Values)
    return whole.origin(library.path_of(option)[0]) if known else None


def branches(
    provider: providers.Provider[Any],
) -> Iterator[tuple[str, providers.Provider[Any], bool]]:
    """Yield each branch of a selector: value, provider, and whether it is chosen."""
    if isinstance(provider, Choice | providers.Selector):
        chosen = set(active_dependencies(provider))
        for value, branch in provider.providers.items():
            yield value, branch, branch in chosen
