"""A container, drawn: providers, how long they live, and who asks for what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers
from flask import Flask

from .askers import askers_of
from .configured import Settings, is_configured
from .dispatch import Bound
from .graph import Graph, Lifetime, branches, key_of, lifetime, needs, settings
from .marker_check import asked

__all__ = ["FORMATS", "Edge", "Picture", "draw", "picture_of"]


@dataclass(frozen=True)
class Edge:
    """An arrow from who needs to what is needed."""

    start: str
    end: str
    label: str = ""
    #: Not on the way that is taken: a branch that the configuration does not choose.
    idle: bool = False


@dataclass(frozen=True)
class Picture:
    """What is to be drawn.

    Args:
        nodes: By name: lines of text, the lifetime, and whether it is configured.
        askers: Views, tasks and commands, as they are called.
        edges: The arrows.
    """

    nodes: dict[str, tuple[list[str], Lifetime, bool]]
    askers: list[str]
    edges: list[Edge]


def picture_of(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> Picture:
    """The container of an app, and everything that it injects into."""
    graph = Graph(bound.container)
    nodes: dict[str, tuple[list[str], Lifetime, bool]] = {}
    edges: list[Edge] = []
    for provider in graph.nodes():
        name = graph.name(provider)
        lines = [name, type(provider).__name__, *_configured_by(provider)]
        nodes[name] = (lines, lifetime(provider), is_configured(provider))
        edges += _edges(graph, provider)
    askers: list[str] = []
    for asker in askers_of(app, tasks):
        found = [one for one in asked(asker, bound) if one.provider in graph.names]
        ends = [graph.name(one.provider) for one in found]
        edges += [Edge(asker.title, end) for end in ends if end in nodes]
        askers += [asker.title] if ends else []
    return Picture(nodes, askers, list(dict.fromkeys(edges)))


def _edges(graph: Graph, provider: providers.Provider[Any]) -> Iterator[Edge]:
    name = graph.name(provider)
    chosen = list(branches(provider))
    for value, branch, active in chosen:
        yield Edge(name, graph.name(branch), str(value), idle=not active)
    if not chosen:
        for needed in needs(provider):
            yield Edge(name, graph.name(needed))


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
    for asker in picture.askers:
        yield f'    {ids[asker]}(["{_safe(asker)}"])'
    for name, (lines, lives, configured) in picture.nodes.items():
        text = "<br>".join(map(_safe, lines))
        kind = lives.value if configured else "idle"
        yield f'    {ids[name]}["{text}"]:::{kind}'
    for edge in picture.edges:
        arrow = "-.->" if edge.idle else "-->"
        label = f"|{_safe(edge.label)}|" if edge.label else ""
        yield f"    {ids[edge.start]} {arrow}{label} {ids[edge.end]}"
    yield "    classDef process fill:#dbeafe,stroke:#1d4ed8,color:#111"
    yield "    classDef request fill:#dcfce7,stroke:#15803d,color:#111"
    yield "    classDef call fill:#fff,stroke:#6b7280,color:#111"
    yield "    classDef idle fill:#f3f4f6,stroke:#9ca3af,color:#6b7280"


def dot(picture: Picture) -> Iterator[str]:
    """In the language of Graphviz (graphviz.org/doc/info/lang.html)."""
    ids = _numbered(picture)
    yield "digraph container {"
    yield "    rankdir=LR;"
    yield '    node [shape=box, fontname="sans-serif"];'
    for asker in picture.askers:
        yield f"    {ids[asker]} [label={_quoted(asker)}, shape=oval];"
    for name, (lines, lives, configured) in picture.nodes.items():
        style = STYLES[lives] if configured else 'style="dashed", color="#9ca3af"'
        yield f"    {ids[name]} [label={_quoted(*lines)}, {style}];"
    for edge in picture.edges:
        words = [f"label={_quoted(edge.label)}"] if edge.label else []
        words += ["style=dashed"] if edge.idle else []
        more = f" [{', '.join(words)}]" if words else ""
        yield f"    {ids[edge.start]} -> {ids[edge.end]}{more};"
    yield "}"


STYLES = {
    Lifetime.PROCESS: 'style="filled", fillcolor="#dbeafe"',
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


def _numbered(picture: Picture) -> dict[str, str]:
    names = [*picture.askers, *picture.nodes]
    return {name: f"n{number}" for number, name in enumerate(dict.fromkeys(names))}


def _safe(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
