"""A container as a graph: the model that the checks read and ``graph`` draws."""

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
    dependencies,
    hands_over_provider,
    is_setting,
    is_undecided,
    is_value,
    kept_objects,
    key_of,
    lifetime,
    settings_of,
)
from .targets import Target, get_target

__all__ = ["Graph", "Lifetime", "Path"]

Path = tuple[providers.Provider[Any], ...]

_NAMING = (
    providers.Container,
    providers.DependenciesContainer,
    providers.Selector,
)


class Graph:
    """The providers of a container, their names and their dependencies."""

    def __init__(self, container: DynamicContainer) -> None:
        self.container = container
        self.names: dict[providers.Provider[Any], str] = {}
        # A graph shows one moment: later overrides are not in it.
        self._known: dict[Any, tuple[providers.Provider[Any], ...]] = {}
        self._targets: dict[Any, Target | None] = {}
        self._name(container.providers, "")
        # Not among the names: no marker can name it, and it may not be the last one.
        self._overriding = {
            overriding: name
            for provider, name in self.names.items()
            for overriding in provider.overridden
        }

    def _name(self, found: Any, prefix: str) -> None:
        for name, provider in found.items():
            self.names.setdefault(provider, prefix + name)
        for name, provider in found.items():
            if isinstance(provider, _NAMING):
                self._name(provider.providers, f"{prefix}{name}.")

    def name(self, provider: providers.Provider[Any]) -> str:
        """Its name in the container, or that of its target."""
        if library.option_of(provider) is not None:
            return key_of(provider)
        known = self.names.get(provider) or self._overriding.get(provider)
        return known if known is not None else library.target_name(provider)

    def titled(self, path: Path) -> list[str]:
        """``session (Scoped)`` for each provider of a path."""
        return [f"{self.name(p)} ({type(p).__name__})" for p in path]

    @cached_property
    def _nodes(self) -> list[providers.Provider[Any]]:
        return list(self._iterate_nodes())

    def nodes(self) -> Iterator[providers.Provider[Any]]:
        """All providers that make something, as declared, then their dependencies.

        Every branch of a selector is among them.
        """
        yield from self._nodes

    def _iterate_nodes(self) -> Iterator[providers.Provider[Any]]:
        seen: set[providers.Provider[Any]] = set()
        waiting = list(self.names)
        for provider in waiting:
            if provider in seen or is_value(provider):
                continue
            seen.add(provider)
            if not isinstance(provider, REACHING):
                yield provider
            waiting.extend(self.dependencies(provider))

    def all_providers(self) -> Iterator[providers.Provider[Any]]:
        """All providers there are: values and branches that are not chosen, too."""
        seen: set[providers.Provider[Any]] = set()
        waiting = list(self.names)
        for provider in waiting:
            if provider not in seen:
                seen.add(provider)
                yield provider
                waiting.extend(provider.related)

    def roots(self) -> Iterator[providers.Provider[Any]]:
        """The providers that the container has by name."""
        yield from self.container.providers.values()

    def cycles(self) -> Iterator[Path]:
        """Each path on which a provider depends on itself, once."""
        done: set[providers.Provider[Any]] = set()
        path: list[providers.Provider[Any]] = []

        def visit(provider: providers.Provider[Any]) -> Iterator[Path]:
            if provider in path:
                yield (*path[path.index(provider) :], provider)
                return
            if provider in done:
                return
            done.add(provider)
            path.append(provider)
            # Which branch it takes is not known, so neither is whether it ends.
            known = not is_undecided(provider)
            for needed in self.dependencies(provider) if known else ():
                yield from visit(needed)
            path.pop()

        for root in self.roots():
            yield from visit(root)

    def captives(self) -> Iterator[Path]:
        """The path from each object to each of a shorter life that it keeps."""
        for provider in self.nodes():
            if lifetime(provider) in (Lifetime.PROCESS, Lifetime.THREAD):
                yield from self._captives_from(provider, _RANK[lifetime(provider)])

    def captives_of_owner(self, provider: providers.Provider[Any]) -> Iterator[Path]:
        """The paths to what an object of the process keeps, given ``provider``'s."""
        if _passes_on(provider):
            yield from self._captives_from(provider, _RANK[Lifetime.PROCESS])
        elif lifetime(provider) is not Lifetime.PROCESS:
            yield (provider, *_get_overriding(provider))

    def _captives_from(
        self, start: providers.Provider[Any], rank: int
    ) -> Iterator[Path]:
        # What another lasting object keeps is reported for that one.
        for path in self.paths(start, _keeps, _passes_on, self._find_kept):
            if _RANK[lifetime(path[-1])] > rank:
                yield (*path, *_get_overriding(path[-1]))

    def paths(
        self,
        start: providers.Provider[Any],
        wanted: Callable[[providers.Provider[Any]], bool],
        through: Callable[[providers.Provider[Any]], bool] = lambda _: True,
        follow: Callable[[providers.Provider[Any]], Iterable[Any]] | None = None,
    ) -> Iterator[Path]:
        """One short path from ``start`` to each provider that is ``wanted``.

        No path leads to the branches of a selector whose choice only a call shows.

        Args:
            through: No path leads beyond a provider for which this is false.
            follow: The next providers of a path; all dependencies and settings if None.
        """
        seen = {start}
        waiting: list[Path] = [(start,)]
        for path in waiting:
            if wanted(path[-1]):
                yield path
            if len(path) > 1 and not through(path[-1]):
                continue
            for needed in (follow or self._edges)(path[-1]):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append((*path, needed))

    def dependencies(
        self, provider: providers.Provider[Any]
    ) -> Iterator[providers.Provider[Any]]:
        """What ``provider`` calls or keeps: its arguments, and its target's markers."""
        yield from dependencies(provider)
        for found in self.target_injections(provider).values():
            if not hands_over_provider(found):
                yield found

    def _find_kept(
        self, provider: providers.Provider[Any]
    ) -> Iterator[providers.Provider[Any]]:
        """What the object of ``provider`` may keep."""
        if is_undecided(provider):
            return
        yield from kept_objects(provider)
        for found in self.target_injections(provider).values():
            if not hands_over_provider(found):
                yield found

    def target_injections(
        self, provider: providers.Provider[Any]
    ) -> dict[str, providers.Provider[Any]]:
        """The providers that fill the markers of a target, by parameter."""
        target = self.target(provider)
        return target.injections(self._resolver) if target is not None else {}

    def target(self, provider: providers.Provider[Any]) -> Target | None:
        """The function that ``provider`` calls, unless it is a framework's."""
        if provider not in self._targets:
            self._targets[provider] = get_target(provider)
        return self._targets[provider]

    @cached_property
    def _resolver(self) -> Any:
        return library.providers_map(self.container)

    def _edges(
        self, provider: providers.Provider[Any]
    ) -> tuple[providers.Provider[Any], ...]:
        found = self._known.get(provider)
        if found is None and is_undecided(provider):
            chooser: Any = provider.selector  # type: ignore[attr-defined]
            known = isinstance(chooser, providers.Provider)
            found = self._known[provider] = (chooser,) if known else ()
        if found is None:
            keys = filter(is_setting, self.target_injections(provider).values())
            found = (*self.dependencies(provider), *settings_of(provider), *keys)
            self._known[provider] = found
        return found


_RANK = {lives: place for place, lives in enumerate(Lifetime)}


def _keeps(provider: providers.Provider[Any]) -> bool:
    return not _passes_on(provider)


def _passes_on(provider: providers.Provider[Any]) -> bool:
    """Whether ``provider`` passes its dependencies on at once, and keeps none."""
    return lifetime(provider) is Lifetime.CALL


def _get_overriding(provider: providers.Provider[Any]) -> Path:
    """What overrides ``provider``, and decides how long its object lives."""
    overriding = provider.last_overriding
    return (overriding, *_get_overriding(overriding)) if overriding is not None else ()
