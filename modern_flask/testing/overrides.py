"""Overrides that reach what was already built from the provider they replace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from dependency_injector import providers

from ..config.values import Origin, Values
from ..errors import Fault, find_nearest, join_names
from ..wiring.edges import key_of
from ..wiring.graph import Graph
from ..wiring.providers import Opened, Scoped
from ..wiring.scope import parked_scope
from ..wiring.settings import Settings
from .singletons import set_aside

__all__ = ["NoSuchProvider", "overriding"]

_ORIGIN = Origin("an override of a test")


class NoSuchProvider(Fault):
    """An override names what the container does not have."""

    def __init__(self, name: str, known: list[str]) -> None:
        self.name, self.nearest = name, find_nearest(name, known)
        super().__init__(
            f"{name} can't be overridden: the container does not provide it.",
            ("did you mean", join_names(self.nearest, "or")),
        )


@contextmanager
def overriding(
    container: Any,
    config: Mapping[str, Any] | None = None,
    **doubles: Any,
) -> Iterator[None]:
    """Override providers, and what was built from them, until the end of the block.

    What the process and the current request had built from an overridden provider is
    put aside; what the block builds in its place is closed at its end, and then the
    former is put back. Blocks may be nested.

    Args:
        container: An app's container.
        config: Keys that win over the configuration within the block.
        doubles: An object, or a provider of it, for each name.

    Raises:
        NoSuchProvider: A name that the container does not have, with the nearest.
    """
    for name in doubles:
        if name not in container.providers:
            raise NoSuchProvider(name, list(container.providers))
    changed = {container.providers[name] for name in doubles}
    graph = Graph(container)
    users = _users(graph, changed | _made_with(graph, config or {}))
    with ExitStack() as stack:
        for provider in users:
            stack.enter_context(_aside(provider))
        stack.enter_context(parked_scope(p for p in users if isinstance(p, Scoped)))
        for name, double in doubles.items():
            stack.enter_context(_replaced(container.providers[name], double))
        if config:
            stack.enter_context(_replaced(container.config, _laid(container, config)))
        # Entered last, so left first: what the block built closes with its doubles.
        stack.callback(_close, users, [p for p in doubles.values() if _opens(p)])
        yield


def _laid(container: Any, config: Mapping[str, Any]) -> Values:
    below = container.config() or {}
    origins = dict(getattr(below, "origins", {}))
    values = Values(below, origins, getattr(below, "searched", ()))
    values.put(config, dict.fromkeys(config, _ORIGIN))
    return values


def _made_with(graph: Graph, config: Mapping[str, Any]) -> set[Any]:
    """The sections and options that one of the keys belongs to."""

    def concerned(provider: Any) -> bool:
        if isinstance(provider, Settings):
            return any(key.startswith(provider.prefix) for key in config)
        option = isinstance(provider, providers.ConfigurationOption)
        return option and key_of(provider).partition(".")[0] in config

    return set(filter(concerned, graph.all_providers()))


def _users(graph: Graph, changed: set[Any]) -> list[providers.Provider[Any]]:
    """What keeps an object that stands on one of ``changed``."""
    stands: dict[Any, bool] = {}

    def stands_on(provider: Any) -> bool:
        if provider not in stands:
            stands[provider] = False  # a cycle ends here
            stands[provider] = any(
                needed in changed or stands_on(needed)
                # What a target asks for by a marker is among the latter only.
                for needed in (*provider.related, *graph.dependencies(provider))
            )
        return stands[provider]

    keeping = (Opened, Scoped, providers.BaseSingleton)
    return [p for p in graph.all_providers() if isinstance(p, keeping) and stands_on(p)]


def _opens(double: Any) -> bool:
    return isinstance(double, providers.BaseResource)


@contextmanager
def _aside(provider: Any) -> Iterator[None]:
    if isinstance(provider, Opened):
        parked = provider.park()
        try:
            yield
        finally:
            provider.put_back(parked)
    elif isinstance(provider, providers.BaseSingleton):
        with set_aside(provider):
            yield
    else:
        yield


@contextmanager
def _replaced(provider: Any, double: Any) -> Iterator[None]:
    provider.override(double)
    try:
        yield
    finally:
        provider.reset_last_overriding()


def _close(users: list[Any], doubles: list[Any]) -> None:
    """Close what the block has built, the last opened first, whatever fails."""
    built = [p for p in (*users, *doubles) if _opens(p) and p.initialized]
    built.sort(key=lambda p: getattr(p, "sequence", -1), reverse=True)
    failures: list[Exception] = []
    for provider in built:
        try:
            provider.shutdown()
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise ExceptionGroup("Closing what an override built failed.", failures)
