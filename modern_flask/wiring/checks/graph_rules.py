"""Faults of a container's graph, whoever asks for what."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dependency_injector import providers

from ...errors import nearest
from ..edges import lifetime, needs
from ..errors import WiringFault
from ..graph import Graph, Path
from ..injection import Bound
from ..providers import Late
from ..settings import is_configured
from .errors import Captive, Cycle, MissingTarget, Redeclared
from .functions import AppFunction
from .marker_rules import find_injections

__all__ = ["check_graph", "check_view_initializer"]

_IN_METHOD = "ask in the method, or leave init_every_request as it is"


def check_graph(graph: Graph) -> Iterator[WiringFault]:
    """Cycles, captive dependencies, targets that are not there, old providers."""
    # First of all: it imports what is configured, and so shows its markers.
    missing = [
        fault
        for provider in graph.nodes()
        if isinstance(provider, Late) and is_configured(provider)
        for fault in _missing(graph.name(provider), provider)
    ]
    for path in graph.cycles():
        yield Cycle([graph.name(provider) for provider in path])
    for path in graph.captives():
        yield _captive(graph, path)
    yield from missing
    yield from _redeclared(graph)


def check_view_initializer(
    asker: AppFunction, bound: Bound, graph: Graph
) -> Iterator[Captive]:
    """What the initializer of a view is given that is made once for all requests."""
    for one in find_injections(asker, bound) if asker.lasting else ():
        for way in graph.kept(one.provider):
            titles, kept = graph.titled(way), graph.name(way[-1])
            path, lives = [asker.title, *titles], lifetime(way[-1]).value
            yield Captive(path, asker.title, kept, lives_for=lives, remedy=_IN_METHOD)


def _captive(graph: Graph, path: Path) -> Captive:
    first, last = path[0], path[-1]
    lives = lifetime(first).value, lifetime(last).value
    return Captive(graph.titled(path), graph.name(first), graph.name(last), *lives)


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
