"""A container as a graph. The checks read it, and the command ``graph`` draws it."""

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
        # A graph is a snapshot: it does not contain later overrides.
        self._known: dict[Any, tuple[providers.Provider[Any], ...]] = {}
        self._targets: dict[Any, Target | None] = {}
        self._name(container.providers, "")
        # Overriding providers are not in `names`: no marker can name them, and only the
        # last override takes effect.
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
        """Return the name of ``provider`` in the container, or else its target's."""
        if library.option_of(provider) is not None:
            return key_of(provider)
        known = self.names.get(provider) or self._overriding.get(provider)
        return known if known is not None else library.target_name(provider)

    def titled(self, path: Path) -> list[str]:
        """Return a text such as ``session (Scoped)`` for each provider of a path."""
        return [f"{self.name(p)} ({type(p).__name__})" for p in path]

    @cached_property
    def _nodes(self) -> list[providers.Provider[Any]]:
        return list(self._iterate_nodes())

    def nodes(self) -> Iterator[providers.Provider[Any]]:
        """Yield all providers that make an object, in the order of declaration.

        Their dependencies follow. Every branch of a selector is included.
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
        """Yield all providers, including values and branches that are not chosen."""
        seen: set[providers.Provider[Any]] = set()
        waiting = list(self.names)
        for provider in waiting:
            if provider not in seen:
                seen.add(provider)
                yield provider
                waiting.extend(provider.related)

    def roots(self) -> Iterator[providers.Provider[Any]]:
        """Yield the providers that have a name in the container."""
        yield from self.container.providers.values()

    def cycles(self) -> Iterator[Path]:
        """Yield each path on which a provider depends on itself, once."""
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
            # The branch is not known, so a cycle through it may never be entered.
            known = not is_undecided(provider)
            for needed in self.dependencies(provider) if known else ():
                yield from visit(needed)
            path.pop()

        for root in self.roots():
            yield from visit(root)

    def captives(self) -> Iterator[Path]:
        """Yield the paths from an object to a kept object with a shorter lifetime."""
        for provider in self.nodes():
            if lifetime(provider) in (Lifetime.PROCESS, Lifetime.THREAD):
                yield from self._find_captives(provider, _RANK[lifetime(provider)])

    def captives_of_owner(self, provider: providers.Provider[Any]) -> Iterator[Path]:
        """Yield the paths to the shorter-lived objects that an owner would keep.

        The owner lives as long as the process and receives the object of ``provider``.
        """
        if _passes_on(provider):
            yield from self._find_captives(provider, _RANK[Lifetime.PROCESS])
        elif lifetime(provider) is not Lifetime.PROCESS:
            yield (provider, *_get_overriding(provider))

    def _find_captives(
        self, start: providers.Provider[Any], rank: int
    ) -> Iterator[Path]:
        # The objects that another long-lived object keeps are reported for that object.
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
        """Yield a shortest path from ``start`` to each provider that is ``wanted``.

        If only a call can show the branch of a selector, no path leads to its branches.

        Args:
            start: The first provider of every path.
            wanted: Returns True for a provider at which a path may end.
            through: A path does not continue after a provider for which this is false.
            follow: Returns the next providers of a path. By default these are all
                dependencies and settings.
        """
        seen = {start}
        waiting: list[Path] = [(start,)]
        for path in waiting:
            if wanted(path[-1]):
                yield path
            if len(path) > 1 and not through(path[-1]):
                continue
            for needed in (follow or self._find_edges)(path[-1]):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append((*path, needed))

    def dependencies(
        self, provider: providers.Provider[Any]
    ) -> Iterator[providers.Provider[Any]]:
        """Yield the providers in the arguments and in the markers of the target."""
        yield from dependencies(provider)
        for found in self.target_injections(provider).values():
            if not hands_over_provider(found):
                yield found

    def _find_kept(
        self, provider: providers.Provider[Any]
    ) -> Iterator[providers.Provider[Any]]:
        """Find the providers whose objects the object of ``provider`` may keep."""
        if is_undecided(provider):
            return
        yield from kept_objects(provider)
        for found in self.target_injections(provider).values():
            if not hands_over_provider(found):
                yield found

    def target_injections(
        self, provider: providers.Provider[Any]
    ) -> dict[str, providers.Provider[Any]]:
        """Return the providers that fill the target's markers, by parameter."""
        target = self.target(provider)
        return target.injections(self._resolver) if target is not None else {}

    def target(self, provider: providers.Provider[Any]) -> Target | None:
        """Return the function that ``provider`` calls, unless it is a framework's."""
        if provider not in self._targets:
            self._targets[provider] = get_target(provider)
        return self._targets[provider]

    @cached_property
    def _resolver(self) -> Any:
        return library.providers_map(self.container)

    def _find_edges(
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
    """Whether ``provider`` only passes its dependencies on, and keeps none."""
    return lifetime(provider) is Lifetime.CALL


def _get_overriding(provider: providers.Provider[Any]) -> Path:
    """Return the overriding providers. The last decides how long the object lives."""
    overriding = provider.last_overriding
    return (overriding, *_get_overriding(overriding)) if overriding is not None else ()
