"""Draw a container: its providers, their lifetimes, and the injected functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers
from flask import Flask

from . import library
from .checks.checked_app import CheckedApp
from .edges import (
    REACHING,
    Lifetime,
    branches,
    dependencies,
    key_of,
    lifetime,
    settings_of,
)
from .graph import Graph
from .injection import Bound
from .settings import Settings, is_configured

__all__ = ["FORMATS", "Edge", "Node", "Picture", "draw", "make_picture"]


# Nodes are compared by identity: two providers without a name may look the same.
@dataclass(frozen=True, eq=False)
class Node:
    """One shape of the drawing.

    Args:
        lines: The lines of its text.
        lives: The lifetime of the provider's object; None for a function.
        configured: Whether all required keys of the provider are set.
    """

    lines: tuple[str, ...]
    lives: Lifetime | None = None
    configured: bool = True


@dataclass(frozen=True)
class Edge:
    """An arrow from a provider, or a function, to its dependency."""

    start: Node
    end: Node
    label: str = ""
    #: True for a branch that the configuration does not choose.
    unused: bool = False


@dataclass(frozen=True)
class Picture:
    """The whole drawing: views, tasks and commands first, then providers."""

    nodes: list[Node]
    edges: list[Edge]


def make_picture(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> Picture:
    """Make the picture of an app's container and of all functions it injects into."""
    checked = CheckedApp(app, bound, tasks)
    graph = checked.graph
    made = {provider: _make_node(graph, provider) for provider in graph.nodes()}
    edges = [edge for provider in made for edge in _find_edges(graph, provider, made)]
    users: dict[int, Node] = {}
    for injection in checked.injections:
        for end in _find_ends(injection.provider):
            if end in made:
                function = injection.function
                user = users.setdefault(id(function), Node((function.title,)))
                edges.append(Edge(user, made[end]))
    return Picture([*users.values(), *made.values()], list(dict.fromkeys(edges)))


def _find_ends(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
    """Yield the providers that an injection calls or injects as providers."""
    if isinstance(provider, providers.Delegate):
        handed: Any = provider.provides
        yield handed
    elif isinstance(provider, REACHING):
        yield from dependencies(provider)
    else:
        yield provider


def _make_node(graph: Graph, provider: providers.Provider[Any]) -> Node:
    lines = graph.name(provider), type(provider).__name__, *_find_keys(provider)
    return Node(lines, lifetime(provider), is_configured(provider))


def _find_edges(
    graph: Graph,
    provider: providers.Provider[Any],
    made: Mapping[providers.Provider[Any], Node],
) -> Iterator[Edge]:
    start, chosen = made[provider], list(branches(provider))
    for value, branch, active in chosen:
        if branch in made:
            yield Edge(start, made[branch], str(value), unused=not active)
    if not chosen:
        for needed in graph.dependencies(provider):
            yield Edge(start, made[needed])


def _find_keys(provider: providers.Provider[Any]) -> Iterator[str]:
    """Yield the sections, such as ``DATABASE_ENGINE_*``, and the single keys."""
    for found in settings_of(provider):
        if isinstance(found, Settings):
            yield f"{found.prefix}*"
        else:
            yield key_of(found)
    chooses = isinstance(provider, providers.Selector)
    option: Any = provider.selector if chooses else None  # type: ignore[attr-defined]
    if library.option_of(option) is not None:
        yield key_of(option)


def mermaid(picture: Picture) -> Iterator[str]:
    """Write the picture in Mermaid's language (mermaid.js.org/syntax/flowchart)."""
    ids = _number_nodes(picture)
    yield "flowchart LR"
    for node, number in ids.items():
        text = "<br>".join(map(_escape, node.lines))
        if node.lives is None:
            yield f'    {number}(["{text}"])'
        else:
            kind = node.lives.value if node.configured else "unused"
            yield f'    {number}["{text}"]:::{kind}'
    for edge in picture.edges:
        arrow = "-.->" if edge.unused else "-->"
        label = f'|"{_escape(edge.label)}"|' if edge.label else ""
        yield f"    {ids[edge.start]} {arrow}{label} {ids[edge.end]}"
    yield "    classDef process fill:#dbeafe,stroke:#1d4ed8,color:#111"
    yield "    classDef thread fill:#fef3c7,stroke:#b45309,color:#111"
    yield "    classDef request fill:#dcfce7,stroke:#15803d,color:#111"
    yield "    classDef call fill:#fff,stroke:#6b7280,color:#111"
    yield "    classDef unused fill:#f3f4f6,stroke:#9ca3af,color:#6b7280"


def dot(picture: Picture) -> Iterator[str]:
    """Write the picture in Graphviz's language (graphviz.org/doc/info/lang.html)."""
    ids = _number_nodes(picture)
    yield "digraph container {"
    yield "    rankdir=LR;"
    yield '    node [shape=box, fontname="sans-serif"];'
    for node, number in ids.items():
        style = _STYLES[node.lives] if node.configured else _IDLE
        yield f"    {number} [label={_quote(*node.lines)}, {style}];"
    for edge in picture.edges:
        words = [f"label={_quote(edge.label)}"] if edge.label else []
        words += ["style=dashed"] if edge.unused else []
        more = f" [{', '.join(words)}]" if words else ""
        yield f"    {ids[edge.start]} -> {ids[edge.end]}{more};"
    yield "}"


_IDLE = 'style="dashed", color="#9ca3af"'
_STYLES = {
    None: "shape=oval",
    Lifetime.PROCESS: 'style="filled", fillcolor="#dbeafe"',
    Lifetime.THREAD: 'style="filled", fillcolor="#fef3c7"',
    Lifetime.REQUEST: 'style="filled", fillcolor="#dcfce7"',
    Lifetime.CALL: 'style="solid"',
}
FORMATS: dict[str, Callable[[Picture], Iterable[str]]] = {
    "mermaid": mermaid,
    "dot": dot,
}


def draw(picture: Picture, language: str) -> str:
    """Return the picture as text in the language ``mermaid`` or ``dot``."""
    return "\n".join(FORMATS[language](picture))


def _number_nodes(picture: Picture) -> dict[Node, str]:
    return {node: f"n{number}" for number, node in enumerate(picture.nodes)}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _quote(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
