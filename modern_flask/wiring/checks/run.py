"""Everything that can't work, told at start instead of at the first request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer
from flask import Flask

from ...config.values import Section, Values
from ...errors import ConfigurationError, Fault
from .. import library
from ..edges import key_of, needs, settings
from ..graph import Graph
from ..injection import Bound, bind_library_functions
from ..lifecycle import Lifecycle
from ..settings import Choice, Settings, active_dependencies, is_configured
from .errors import NotClosed, NotOpened
from .functions import AppFunction, find_functions
from .graph_rules import check_graph, check_view_initializer
from .marker_rules import Injection, check_markers, find_injections
from .requirements import check_requirements

__all__ = ["check_app", "check_opening", "check_wiring", "open_injected"]


def check_app(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[Exception]:
    """All faults: of the wiring, and of the components that don't open.

    All that is configured is opened, and closed again.
    """
    return _once([*check_wiring(app, bound, tasks), *check_opening(bound.container)])


def check_wiring(
    app: Flask, bound: Bound, tasks: Mapping[str, Any]
) -> Iterator[Exception]:
    """Faults of the graph, of the markers, and of what is injected."""
    bind_library_functions()
    graph = Graph(bound.container)
    found: list[Exception] = list(check_graph(graph))
    for asker in find_functions(app, tasks):
        found += check_markers(asker, bound)
        found += check_view_initializer(asker, bound, graph)
    for asker in _targets(graph):
        found += check_markers(asker, bound)
    found += check_requirements(_everything(app, bound, tasks), graph)
    yield from _once(found)


def _targets(graph: Graph) -> Iterator[AppFunction]:
    """The functions that providers call, as far as their parameters have markers."""
    for provider in graph.nodes():
        target = graph.target(provider)
        if target is not None:
            title = f"Provider {graph.name(provider)}"
            yield AppFunction(title, target.function, given=target.given)


def _everything(
    app: Flask, bound: Bound, tasks: Mapping[str, Any]
) -> Iterator[Injection]:
    for asker in find_functions(app, tasks):
        yield from find_injections(asker, bound)


def open_injected(
    app: Flask, bound: Bound, tasks: Mapping[str, Any]
) -> Iterator[Exception]:
    """Mistakes of configuration in what is injected, found by opening it.

    It stays open, for it will be used. A server that does not answer is no mistake of
    configuration: that is the request's to tell.
    """
    seen: set[providers.Provider[Any]] = set()
    waiting = [
        one.provider
        for one in _everything(app, bound, tasks)
        if is_configured(one.provider)
    ]
    for provider in waiting:
        if provider in seen:
            continue
        seen.add(provider)
        if isinstance(provider, providers.BaseResource):
            try:
                provider()
            except ConfigurationError as fault:
                yield fault
            except Exception:
                continue
        waiting.extend(needs(provider))


def check_opening(container: DynamicContainer) -> Iterator[Exception]:
    """Open every configured component, each for itself; close them all again.

    What is no fault of ours is told as one: by the component's name and its keys.
    """
    lifecycle, graph = Lifecycle(container), Graph(container)
    failed: set[providers.Provider[Any]] = set()
    found: list[Exception] = []
    for provider in _resources(container, lifecycle):
        try:
            provider()
        except Fault as fault:
            found.append(fault)
            failed.add(provider)
        except Exception as error:
            # What stands on a component that does not open raises the same.
            if failed.isdisjoint(_foundations(provider)):
                name, given = graph.name(provider), _given(provider)
                found.append(_told(error, NotOpened(name, error, given)))
            failed.add(provider)
    try:
        lifecycle.close()
    except ExceptionGroup as group:
        found += [
            error if isinstance(error, Fault) else _told(error, NotClosed(error))
            for error in group.exceptions
        ]
    yield from _once(found)


def _told(error: Exception, fault: Fault) -> Fault:
    fault.__cause__ = error
    return fault


def _foundations(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """All that has to be made before ``provider``'s object."""
    seen = {provider}
    waiting = [provider]
    for found in waiting:
        for needed in needs(found):
            if needed not in seen:
                seen.add(needed)
                waiting.append(needed)
                yield needed


def _given(provider: providers.Provider[Any]) -> dict[str, object]:
    """The keys that are set of those that ``provider`` is made with, and where."""
    found: dict[str, object] = {}
    makers = (
        active_dependencies(provider) if isinstance(provider, Choice) else [provider]
    )
    for maker in makers:
        for source in settings(maker):
            values = source() if isinstance(source, Settings) else None
            if isinstance(values, Section):
                found |= {values.key(name): values.origin(name) for name in values}
            elif isinstance(source, providers.ConfigurationOption):
                whole, key = library.configuration_of(source), key_of(source)
                if isinstance(whole, Values) and key in whole:
                    found[key] = whole.origin(key)
    return found


def _resources(
    container: DynamicContainer, lifecycle: Lifecycle
) -> Iterator[providers.Provider[Any]]:
    yield from lifecycle.resources()
    for provider in container.providers.values():
        # A choice whose key names no branch is no resource, and a fault all the same.
        if not isinstance(provider, Choice) or provider.value is None:
            continue
        if provider.last_overriding is None and not is_configured(provider):
            yield provider


def _once(faults: list[Exception]) -> list[Exception]:
    """Each text once: the same lack is found by each that asks."""
    told: dict[str, Exception] = {}
    for fault in faults:
        told.setdefault(str(fault), fault)
    return list(told.values())
