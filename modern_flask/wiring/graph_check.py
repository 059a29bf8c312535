"""Faults of a container's graph, whoever asks for what."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dependency_injector import providers

from modern_flask.errors import nearest

from .configured import is_configured
from .errors import WiringFault
from .faults import Captive, Cycle, MissingTarget, Redeclared
from .graph import Graph, needs
from .lifetimes import Late

__all__ = ["graph_faults"]


def graph_faults(graph: Graph) -> Iterator[WiringFault]:
    """Cycles, captive dependencies, targets that are not there, old providers."""
    for path in graph.cycles():
        yield Cycle([graph.name(provider) for provider in path])
    for path in graph.captives():
        keeper, kept = graph.name(path[0]), graph.name(path[-1])
        yield Captive(graph.titled(path), keeper, kept)
    for provider in graph.nodes():
        if isinstance(provider, Late) and is_configured(provider):
            yield from _missing(graph.name(provider), provider)
    yield from _redeclared(graph)


def _missing(name: str, provider: Late) -> Iterator[WiringFault]:
    """A dotted path that leads nowhere. What fails inside of it is not told here."""
    target = provider.provides
    if not isinstance(target, str):
        return
    place, _, attribute = target.rpartition(".")
    try:
        found = find_spec(place)
    except (ImportError, ValueError):
        found = None
    if found is None:
        yield MissingTarget(name, target, [])
        return
    try:
        module = import_module(place)
    except Exception:  # told by opening it
        return
    if not hasattr(module, attribute):
        near = [f"{place}.{one}" for one in nearest(attribute, dir(module))]
        yield MissingTarget(name, target, near)


def _redeclared(graph: Graph) -> Iterator[WiringFault]:
    """The library keeps a base class's wires when a subclass declares an end anew."""
    declared: Any = graph.container.declarative_parent
    own: dict[str, Any] = dict(getattr(declared, "providers", {}))
    for parent in getattr(declared, "__mro__", ())[1:]:
        for name, old in getattr(parent, "cls_providers", {}).items():
            new = own.get(name)
            if new is None or new is old or isinstance(old, providers.Configuration):
                continue
            users = [
                user
                for user, provider in own.items()
                if provider is not new and old in needs(provider)
            ]
            if users:
                yield Redeclared(name, declared.__name__, parent.__name__, users)
