"""One provider: its direct dependencies, and how long its object lives."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from dependency_injector import providers

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
    "settings_of",
]

# They reach into another provider's object and are no nodes of the graph.
REACHING = (
    providers.ProvidedInstance,
    providers.AttributeGetter,
    providers.ItemGetter,
    providers.MethodCaller,
)
# They hand over a provider, a container or a value, and make nothing.
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
    """How long an object lives, the longest first.

    An object that is local to a context lives as long as its thread: WSGI gives a
    request no context of its own.
    """

    PROCESS = "process"
    THREAD = "thread"
    REQUEST = "request"
    CALL = "call"


def is_value(provider: providers.Provider[Any]) -> bool:
    """Whether it makes nothing, and so is no node of the graph."""
    return isinstance(provider, _VALUES)


def hands_over_provider(provider: providers.Provider[Any]) -> bool:
    """Whether ``provider``, as a dependency, hands over no object that it makes."""
    return is_value(provider) or providers.is_delegated(provider)


def dependencies(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """The providers that ``provider`` calls or keeps for its object, without values."""
    for found in active_dependencies(provider):
        if isinstance(found, REACHING):
            yield from dependencies(found)
        elif not hands_over_provider(found):
            yield found


def kept_objects(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """The providers whose objects the object of ``provider`` may keep.

    An attribute, an item or the result of a method may live longer than the object that
    it comes from, as an engine outlives its session: that is not known.
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
    """The sections and keys of the configuration that ``provider`` is made with."""
    for found in active_dependencies(provider):
        if isinstance(found, REACHING):
            yield from settings_of(found)
        elif is_setting(found):
            yield found


def is_setting(provider: providers.Provider[Any]) -> bool:
    """Whether it is a section or a key of the configuration, converted or not."""
    return isinstance(provider, Settings) or library.option_of(provider) is not None


def is_undecided(provider: providers.Provider[Any]) -> bool:
    """Whether it is a selector of which only a call shows the branch.

    The library's selector may choose by any function, which is the service's own code.
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
    """The key that an option of the configuration names: ``MAIL_HOST``."""
    return str(library.option_of(option).get_name()).partition(".")[2]


def branches(
    provider: providers.Provider[Any],
) -> Iterator[tuple[str, providers.Provider[Any], bool]]:
    """A selector's branches: the value, the provider, and whether it is chosen."""
    if isinstance(provider, Choice | providers.Selector):
        chosen = set(active_dependencies(provider))
        for value, branch in provider.providers.items():
            yield value, branch, branch in chosen
