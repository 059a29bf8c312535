"""One provider: what it stands on directly, and how long what it makes lives."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from dependency_injector import providers

from .providers import Scoped
from .settings import Choice, Settings, active_dependencies

__all__ = [
    "REACHING",
    "Lifetime",
    "branches",
    "hands_over_provider",
    "is_key",
    "is_value",
    "key_of",
    "lifetime",
    "needs",
    "settings",
]

# What reaches into another provider's object: no node of its own.
REACHING = (
    providers.ProvidedInstance,
    providers.AttributeGetter,
    providers.ItemGetter,
    providers.MethodCaller,
)
# What hands over a provider, a container or a value, and makes nothing.
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

    What is local to a context lives as long as its thread: WSGI gives a request no
    context of its own.
    """

    PROCESS = "process"
    THREAD = "thread"
    REQUEST = "request"
    CALL = "call"


def is_value(provider: providers.Provider[Any]) -> bool:
    """Whether it makes nothing: no node of a graph."""
    return isinstance(provider, _VALUES)


def hands_over_provider(provider: providers.Provider[Any]) -> bool:
    """Whether who is given ``provider`` gets no object that it makes."""
    return is_value(provider) or providers.is_delegated(provider)


def needs(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
    """What ``provider`` makes, keeps or calls to make its object, values left out."""
    for needed in active_dependencies(provider):
        if isinstance(needed, REACHING):
            yield from needs(needed)
        elif not hands_over_provider(needed):
            yield needed


def settings(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
    """The sections and keys of the configuration that ``provider`` is made with."""
    for needed in active_dependencies(provider):
        if isinstance(needed, providers.TypedConfigurationOption):
            yield from active_dependencies(needed)
        elif isinstance(needed, REACHING):
            yield from settings(needed)
        elif is_key(needed):
            yield needed


def is_key(provider: providers.Provider[Any]) -> bool:
    """Whether it is a section or a key of the configuration."""
    return isinstance(provider, Settings | providers.ConfigurationOption)


def lifetime(provider: providers.Provider[Any]) -> Lifetime:
    """How long what ``provider`` makes is kept by it."""
    if provider.last_overriding is not None:
        return lifetime(provider.last_overriding)
    if isinstance(provider, Scoped):
        return Lifetime.REQUEST
    if isinstance(provider, _PER_THREAD):
        return Lifetime.THREAD
    if isinstance(provider, providers.BaseResource | providers.BaseSingleton):
        return Lifetime.PROCESS
    return Lifetime.CALL


def key_of(option: providers.ConfigurationOption) -> str:
    """The key that an option of the configuration names: ``MAIL_HOST``."""
    return option.get_name().partition(".")[2]


def branches(
    provider: providers.Provider[Any],
) -> Iterator[tuple[str, providers.Provider[Any], bool]]:
    """A selector's branches: the value, the provider, and whether it is in force."""
    if isinstance(provider, Choice | providers.Selector):
        chosen = set(active_dependencies(provider))
        for value, branch in provider.providers.items():
            yield value, branch, branch in chosen
