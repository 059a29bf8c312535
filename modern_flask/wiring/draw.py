"""A container, drawn: providers, how long they live, and who asks for what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers
from flask import Flask

from .checks.functions import find_functions
from .checks.marker_rules import find_injections
from .edges import (
    REACHING,
    Lifetime,
    branches,
    key_of,
    lifetime,
    needs,
    settings,
)
from .graph import Graph
from .injection import Bound
from .settings import Settings, is_configured

__all__ = ["FORMATS", "Edge", "Node", "Picture", "draw", "picture_of"]


# Compared by identity: two providers without a name may look alike.
@dataclass(frozen=True, eq=False)
class Node:
    """What is drawn as one shape.

    Args:
        lines: Its text.
        lives: How long the object lives; None for what is not a provider.
        configured: Whether the keys that it needs are set.
    """

    lines: tuple[str, ...]
    lives: Lifetime | None = None
    configured: bool = True


@dataclass(frozen=True)
class Edge:
    """An arrow from who needs to what is needed."""

    start: Node
    end: Node
    label: str = ""
    #: Not on the way that is taken: a branch that the configuration does not choose.
    idle: bool = False


@dataclass(frozen=True)
class Picture:
    """What is to be drawn: first views, tasks and commands, then providers."""

    nodes: list[Node]
    edges: list[Edge]


def picture_of(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> Picture:
    """The container of an app, and everything that it injects into."""
    graph = Graph(bound.container)
    made = {provider: _node(graph, provider) for provider in graph.nodes()}
    edges = [edge for provider in made for edge in _edges(graph, provider, made)]
    askers: list[Node] = []
    for asker in find_functions(app, tasks):
        wanted = [one.provider for one in find_injections(asker, bound)]
        ends = [made[end] for one in wanted for end in _ends(one) if end in made]
        if ends:
            askers.append(Node((asker.title,)))
            edges += [Edge(askers[-1], end) for end in ends]
    return Picture([*askers, *made.values()], list(dict.fromkeys(edges)))


def _ends(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
    """What is made for who asks for ``provider``, or handed over to be called."""
    if isinstance(provider, providers.Delegate):
        handed: Any = provider.provides
        yield handed
    elif isinstance(provider, REACHING):
        yield from needs(provider)
    else:
        yield provider


def _node(graph: Graph, provider: providers.Provider[Any]) -> Node:
    lines = graph.name(provider), type(provider).__name__, *_configured_by(provider)
    return Node(lines, lifetime(provider), is_configured(provider))


def _edges(
    graph: Graph,
    provider: providers.Provider[Any],
    made: Mapping[providers.Provider[Any], Node],
) -> Iterator[Edge]:
    start, chosen = made[provider], list(branches(provider))
    for value, branch, active in chosen:
        if branch in made:
            yield Edge(start, made[branch], str(value), idle=not active)
    if not chosen:
        for needed in graph.needs(provider):
            yield Edge(start, made[needed])


def _configured_by(provider: providers.Provider[Any]) -> Iterator[str]:
    """``DATABASE_ENGINE_*`` and single keys."""
    for found in settings(provider):
        if isinstance(found, Settings):
            yield f"{found.prefix}*"
        elif isinstance(found, providers.ConfigurationOption):
            yield key_of(found)
    selector = getattr(provider, "selector", None)
    if isinstance(selector, providers.ConfigurationOption):
        yield key_of(selector)


def mermaid(picture: Picture) -> Iterator[str]:
    """In the language of mermaid (mermaid.js.org/syntax/flowchart)."""
    ids = _numbered(picture)
    yield "flowchart LR"
    for node, number in ids.items():
        text = "<br>".join(map(_safe, node.lines))
        if node.lives is None:
            yield f'    {number}(["{text}"])'
        else:
            kind = node.lives.value if node.configured else "idle"
            yield f'    {number}["{text}"]:::{kind}'
    for edge in picture.edges:
        arrow = "-.->" if edge.idle else "-->"
        label = f'|"{_safe(edge.label)}"|' if edge.label else ""
        yield f"    {ids[edge.start]} {arrow}{label} {ids[edge.end]}"
    yield "    classDef process fill:#dbeafe,stroke:#1d4ed8,color:#111"
    yield "    classDef thread fill:#fef3c7,stroke:#b45309,color:#111"
    yield "    classDef request fill:#dcfce7,stroke:#15803d,color:#111"
    yield "    classDef call fill:#fff,stroke:#6b7280,color:#111"
    yield "    classDef idle fill:#f3f4f6,stroke:#9ca3af,color:#6b7280"


def dot(picture: Picture) -> Iterator[str]:
    """In the language of Graphviz (graphviz.org/doc/info/lang.html)."""
    ids = _numbered(picture)
    yield "digraph container {"
    yield "    rankdir=LR;"
    yield '    node [shape=box, fontname="sans-serif"];'
    for node, number in ids.items():
        style = _STYLES[node.lives] if node.configured else _IDLE
        yield f"    {number} [label={_quoted(*node.lines)}, {style}];"
    for edge in picture.edges:
        words = [f"label={_quoted(edge.label)}"] if edge.label else []
        words += ["style=dashed"] if edge.idle else []
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
    """The picture as text in ``mermaid`` or ``dot``."""
    return "\n".join(FORMATS[language](picture))


def _numbered(picture: Picture) -> dict[Node, str]:
    return {node: f"n{number}" for number, node in enumerate(picture.nodes)}


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
