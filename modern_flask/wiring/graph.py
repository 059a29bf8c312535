"""A container as a graph: the one model that ``check`` reads and ``graph`` draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from .configured import Choice, Settings, in_force
from .lifetimes import Scoped

__all__ = ["Graph", "Lifetime", "Path"]

Path = tuple[providers.Provider[Any], ...]

# What reaches into another provider's object: no node of its own.
REACHING = (
    providers.ProvidedInstance,
    providers.AttributeGetter,
    providers.ItemGetter,
    providers.MethodCaller,
)
# What hands over a provider or a value, and makes nothing.
VALUES = (
    providers.Configuration,
    providers.ConfigurationOption,
    providers.Delegate,
    providers.Object,
    providers.Self,
    providers.TypedConfigurationOption,
    Settings,
)


class Lifetime(Enum):
    """How long an object lives."""

    PROCESS = "process"
    REQUEST = "request"
    CALL = "call"


class Graph:
    """The providers of a container, their names and what each needs."""

    def __init__(self, container: DynamicContainer) -> None:
        self.container = container
        self.names: dict[providers.Provider[Any], str] = {}
        # A graph is of one moment: what is overridden later is not in it.
        self._known: dict[Any, tuple[providers.Provider[Any], ...]] = {}
        self._name(container.providers, "")

    def _name(self, found: Any, prefix: str) -> None:
        for name, provider in found.items():
            self.names.setdefault(provider, prefix + name)
        for name, provider in found.items():
            if isinstance(provider, providers.Selector | providers.Container):
                self._name(provider.providers, f"{prefix}{name}.")

    def name(self, provider: providers.Provider[Any]) -> str:
        """Its name in the container, or that of what it makes."""
        if isinstance(provider, providers.ConfigurationOption):
            return key_of(provider)
        known = self.names.get(provider)
        if known is not None:
            return known
        made = getattr(provider, "provides", None)
        label = getattr(provider, "label", None) or getattr(made, "__name__", None)
        return str(label or type(provider).__name__)

    def titled(self, path: Path) -> list[str]:
        """``session (Scoped)`` for each provider on the way."""
        return [f"{self.name(p)} ({type(p).__name__})" for p in path]

    def nodes(self) -> Iterator[providers.Provider[Any]]:
        """All providers that make something, as declared, then what they are made of.

        Every branch of a selector is among them.
        """
        seen: set[providers.Provider[Any]] = set()
        waiting = list(self.names)
        for provider in waiting:
            if provider in seen or isinstance(provider, VALUES):
                continue
            seen.add(provider)
            if not isinstance(provider, REACHING):
                yield provider
            waiting.extend(needs(provider))

    def everything(self) -> Iterator[providers.Provider[Any]]:
        """All providers there are, values and what is not in force among them."""
        seen: set[providers.Provider[Any]] = set()
        waiting = list(self.names)
        for provider in waiting:
            if provider not in seen:
                seen.add(provider)
                yield provider
                waiting.extend(provider.related)

    def roots(self) -> Iterator[providers.Provider[Any]]:
        """What the container provides by name."""
        yield from self.container.providers.values()

    def cycles(self) -> Iterator[Path]:
        """Each way on which a provider needs itself, once."""
        done: set[providers.Provider[Any]] = set()
        way: list[providers.Provider[Any]] = []

        def visit(provider: providers.Provider[Any]) -> Iterator[Path]:
            if provider in way:
                yield (*way[way.index(provider) :], provider)
                return
            if provider in done:
                return
            done.add(provider)
            way.append(provider)
            for needed in needs(provider):
                yield from visit(needed)
            way.pop()

        for root in self.roots():
            yield from visit(root)

    def captives(self) -> Iterator[Path]:
        """From each object of the process to each of a request that it keeps."""
        for provider in self.nodes():
            if lifetime(provider) is Lifetime.PROCESS:
                ends = self.ways(
                    provider, lambda found: lifetime(found) is Lifetime.REQUEST
                )
                # What another object of the process keeps is told of that one.
                for way in ends:
                    between = map(lifetime, way[1:])
                    if Lifetime.PROCESS not in between:
                        yield way

    def ways(
        self,
        start: providers.Provider[Any],
        wanted: Callable[[providers.Provider[Any]], bool],
    ) -> Iterator[Path]:
        """One way from ``start`` to each provider that is ``wanted``, a short one."""
        seen = {start}
        waiting: list[Path] = [(start,)]
        for way in waiting:
            if wanted(way[-1]):
                yield way
            for needed in self._edges(way[-1]):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append((*way, needed))

    def _edges(
        self, provider: providers.Provider[Any]
    ) -> tuple[providers.Provider[Any], ...]:
        found = self._known.get(provider)
        if found is None:
            found = (*needs(provider), *settings(provider))
            self._known[provider] = found
        return found


def needs(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
    """What ``provider`` makes, keeps or calls to make its object, values left out."""
    for needed in in_force(provider):
        if isinstance(needed, REACHING):
            yield from needs(needed)
        elif not isinstance(needed, VALUES):
            yield needed


def settings(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
    """The sections and keys of the configuration that ``provider`` is made with."""
    for needed in in_force(provider):
        if isinstance(needed, providers.TypedConfigurationOption):
            yield from in_force(needed)
        elif isinstance(needed, REACHING):
            yield from settings(needed)
        elif isinstance(needed, Settings | providers.ConfigurationOption):
            yield needed


def lifetime(provider: providers.Provider[Any]) -> Lifetime:
    """How long what ``provider`` makes is kept by it."""
    if provider.last_overriding is not None:
        return lifetime(provider.last_overriding)
    if isinstance(provider, Scoped | providers.ContextLocalResource):
        return Lifetime.REQUEST
    if isinstance(provider, providers.BaseResource):
        return Lifetime.PROCESS
    passing = (providers.ThreadLocalSingleton, providers.ContextLocalSingleton)
    if isinstance(provider, providers.BaseSingleton) and not isinstance(
        provider, passing
    ):
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
        chosen = set(in_force(provider))
        for value, branch in provider.providers.items():
            yield value, branch, branch in chosen
