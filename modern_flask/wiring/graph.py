"""A container as a graph: the one model that ``check`` reads and ``graph`` draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from . import library
from .edges import (
    REACHING,
    Lifetime,
    hands_over_provider,
    is_key,
    is_value,
    key_of,
    lifetime,
    needs,
    settings,
)
from .targets import Target, target_of

__all__ = ["Graph", "Lifetime", "Path"]

Path = tuple[providers.Provider[Any], ...]

_NAMING = (
    providers.Container,
    providers.DependenciesContainer,
    providers.Selector,
)


class Graph:
    """The providers of a container, their names and what each needs."""

    def __init__(self, container: DynamicContainer) -> None:
        self.container = container
        self.names: dict[providers.Provider[Any], str] = {}
        # A graph is of one moment: what is overridden later is not in it.
        self._known: dict[Any, tuple[providers.Provider[Any], ...]] = {}
        self._targets: dict[Any, Target | None] = {}
        self._name(container.providers, "")
        # Not among the names: nobody can ask for it, and it may not be in force.
        self._doubles = {
            double: name
            for provider, name in self.names.items()
            for double in provider.overridden
        }

    def _name(self, found: Any, prefix: str) -> None:
        for name, provider in found.items():
            self.names.setdefault(provider, prefix + name)
        for name, provider in found.items():
            if isinstance(provider, _NAMING):
                self._name(provider.providers, f"{prefix}{name}.")

    def name(self, provider: providers.Provider[Any]) -> str:
        """Its name in the container, or that of what it makes."""
        if isinstance(provider, providers.ConfigurationOption):
            return key_of(provider)
        known = self.names.get(provider) or self._doubles.get(provider)
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
            if provider in seen or is_value(provider):
                continue
            seen.add(provider)
            if not isinstance(provider, REACHING):
                yield provider
            waiting.extend(self.needs(provider))

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
            for needed in self.needs(provider):
                yield from visit(needed)
            way.pop()

        for root in self.roots():
            yield from visit(root)

    def captives(self) -> Iterator[Path]:
        """From each object that lives long to each of a shorter life that it keeps."""
        for provider in self.nodes():
            if lifetime(provider) in (Lifetime.PROCESS, Lifetime.THREAD):
                yield from self._kept(provider, _RANK[lifetime(provider)])

    def kept(self, provider: providers.Provider[Any]) -> Iterator[Path]:
        """The ways to what an owner that lasts keeps, when it is given ``provider``."""
        if _passes(provider):
            yield from self._kept(provider, _RANK[Lifetime.PROCESS])
        elif lifetime(provider) is not Lifetime.PROCESS:
            yield (provider, *_behind(provider))

    def _kept(self, start: providers.Provider[Any], rank: int) -> Iterator[Path]:
        # What another lasting object keeps is told of that one.
        for way in self.ways(start, _lasts, through=_passes):
            if _RANK[lifetime(way[-1])] > rank:
                yield (*way, *_behind(way[-1]))

    def ways(
        self,
        start: providers.Provider[Any],
        wanted: Callable[[providers.Provider[Any]], bool],
        through: Callable[[providers.Provider[Any]], bool] = lambda _: True,
    ) -> Iterator[Path]:
        """One way from ``start`` to each provider that is ``wanted``, a short one.

        No way leads beyond a provider that it can't go ``through``.
        """
        seen = {start}
        waiting: list[Path] = [(start,)]
        for way in waiting:
            if wanted(way[-1]):
                yield way
            if len(way) > 1 and not through(way[-1]):
                continue
            for needed in self._edges(way[-1]):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append((*way, needed))

    def needs(
        self, provider: providers.Provider[Any]
    ) -> Iterator[providers.Provider[Any]]:
        """What ``provider`` makes or keeps: its arguments, and its target's markers."""
        yield from needs(provider)
        for found in self._asked(provider):
            if not hands_over_provider(found):
                yield found

    def _asked(self, provider: providers.Provider[Any]) -> Iterable[Any]:
        target = self.target(provider)
        return target.injections(self._resolver).values() if target is not None else ()

    def target(self, provider: providers.Provider[Any]) -> Target | None:
        """The function that ``provider`` calls, where its parameters have markers."""
        if provider not in self._targets:
            self._targets[provider] = target_of(provider)
        return self._targets[provider]

    @cached_property
    def _resolver(self) -> Any:
        return library.providers_map(self.container)

    def _edges(
        self, provider: providers.Provider[Any]
    ) -> tuple[providers.Provider[Any], ...]:
        found = self._known.get(provider)
        if found is None:
            keys = filter(is_key, self._asked(provider))
            found = (*self.needs(provider), *settings(provider), *keys)
            self._known[provider] = found
        return found


_RANK = {lives: place for place, lives in enumerate(Lifetime)}


def _lasts(provider: providers.Provider[Any]) -> bool:
    return not _passes(provider)


def _passes(provider: providers.Provider[Any]) -> bool:
    """Whether what is given to ``provider`` is given on at once, and not kept."""
    return lifetime(provider) is Lifetime.CALL


def _behind(provider: providers.Provider[Any]) -> Path:
    """What overrides ``provider``, which has its life from it."""
    double = provider.last_overriding
    return (double, *_behind(double)) if double is not None else ()
