"""Overrides that also replace the objects built from the overridden provider."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from dependency_injector import providers

from ..config.values import Origin, Values
from ..wiring.edges import key_of
from ..wiring.graph import Graph
from ..wiring.providers import Opened, Scoped
from ..wiring.scope import parked_scope
from ..wiring.settings import Settings
from .errors import NoSuchProvider
from .singletons import set_aside

__all__ = ["overriding"]

_ORIGIN = Origin("an override of a test")


@contextmanager
def overriding(
    container: Any,
    config: Mapping[str, Any] | None = None,
    **doubles: Any,
) -> Iterator[None]:
    """Override providers, and the objects built from them, until the end of the block.

    Objects that the process and the current request have built from an overridden
    provider are put aside. The end of the block closes the objects that were built in
    their place, and puts the former ones back. Blocks may be nested.

    Args:
        container: An app's container.
        config: Keys that override the configuration within the block.
        **doubles: By the name of a provider, the object to provide or another provider.

    Raises:
        NoSuchProvider: The container has no such provider; the error shows the nearest
            names.
    """
    _check_names(container, doubles)
    changed = {container.providers[name] for name in doubles}
    graph = Graph(container)
    dependents = _find_dependents(graph, changed | _find_sections(graph, config or {}))
    with ExitStack() as stack:
        for provider in dependents:
            stack.enter_context(_put_aside(provider))
        stack.enter_context(
            parked_scope(p for p in dependents if isinstance(p, Scoped))
        )
        for name, double in doubles.items():
            stack.enter_context(_override(container.providers[name], double))
        if config:
            stack.enter_context(
                _override(container.config, _merge_keys(container, config))
            )
        # Registered last, so it runs first: the objects of the block close before the
        # overrides end.
        stack.callback(
            _close, dependents, [p for p in doubles.values() if _is_resource(p)]
        )
        yield


def _check_names(container: Any, names: Iterable[str]) -> None:
    for name in names:
        if name not in container.providers:
            raise NoSuchProvider(name, list(container.providers))


def _merge_keys(container: Any, config: Mapping[str, Any]) -> Values:
    """Return the configuration, overridden by the keys of ``config``."""
    below = container.config() or {}
    origins = dict(getattr(below, "origins", {}))
    values = Values(below, origins, getattr(below, "searched", ()))
    values.put(config, dict.fromkeys(config, _ORIGIN))
    return values


def _find_sections(graph: Graph, config: Mapping[str, Any]) -> set[Any]:
    """Find the sections and options that contain one of the keys."""

    def contains_key(provider: Any) -> bool:
        if isinstance(provider, Settings):
            return any(key.startswith(provider.whole_prefix) for key in config)
        option = isinstance(provider, providers.ConfigurationOption)
        return option and key_of(provider).partition("[")[0] in config

    return set(filter(contains_key, graph.all_providers()))


def _find_dependents(graph: Graph, changed: set[Any]) -> list[providers.Provider[Any]]:
    """Find the providers that keep an object that depends on one of ``changed``."""
    found: dict[Any, bool] = {}

    def depends(provider: Any) -> bool:
        if provider not in found:
            found[provider] = False  # a cycle ends here
            found[provider] = any(
                needed in changed or depends(needed)
                # Only graph.dependencies() includes the markers of a target.
                for needed in (*provider.related, *graph.dependencies(provider))
            )
        return found[provider]

    keeping = (Opened, Scoped, providers.BaseSingleton)
    return [p for p in graph.all_providers() if isinstance(p, keeping) and depends(p)]


def _is_resource(double: Any) -> bool:
    return isinstance(double, providers.BaseResource)


@contextmanager
def _put_aside(provider: Any) -> Iterator[None]:
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
def _override(provider: Any, double: Any) -> Iterator[None]:
    provider.override(double)
    try:
        yield
    finally:
        provider.reset_last_overriding()


def _close(dependents: list[Any], doubles: list[Any]) -> None:
    """Close the objects that the block has opened, the last opened first.

    Raises:
        ExceptionGroup: The errors of all providers that failed to close.
    """
    built = [p for p in (*dependents, *doubles) if _is_resource(p) and p.initialized]
    built.sort(key=lambda p: getattr(p, "sequence", -1), reverse=True)
    failures: list[Exception] = []
    for provider in built:
        try:
            provider.shutdown()
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise ExceptionGroup("Closing the objects of an override failed.", failures)
