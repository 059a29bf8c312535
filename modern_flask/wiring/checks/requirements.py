"""Faults of what something injected stands on: keys, components, choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers

from ...config.values import Values
from ...errors import ConfigurationError, NotConfigured, UnknownChoice
from .. import library
from ..edges import key_of
from ..errors import WiringFault
from ..graph import Graph, Path
from ..settings import Choice, Settings
from .errors import InjectedUnconfigured, MissingKey, Undefined
from .marker_rules import Injection

__all__ = ["check_requirements"]

_END = (
    Settings,
    providers.ConfigurationOption,
    providers.Dependency,
    providers.Selector,
)


@dataclass(frozen=True)
class _Need:
    """Who asks for something, and the way to it of the first of them."""

    askers: list[str]
    path: Sequence[str]


def check_requirements(
    everything: Iterable[Injection], graph: Graph
) -> Iterator[ConfigurationError | WiringFault]:
    """What is needed and not there, each told once, with all who need it."""
    found: dict[providers.Provider[Any], _Need] = {}
    ways: dict[providers.Provider[Any], list[Path]] = {}
    for asked in everything:
        if asked.provider not in ways:
            ways[asked.provider] = list(graph.ways(asked.provider, _may_lack))
        for way in ways[asked.provider]:
            need = found.setdefault(way[-1], _Need([], _titled(graph, way)))
            need.askers.append(asked.title)
    for end, need in found.items():
        yield from _faults(end, need, graph)


def _may_lack(provider: providers.Provider[Any]) -> bool:
    return isinstance(provider, _END) and provider.last_overriding is None


def _faults(
    end: Any, need: _Need, graph: Graph
) -> Iterator[ConfigurationError | WiringFault]:
    if isinstance(end, Settings | Choice):
        try:
            end.chosen() if isinstance(end, Choice) else end.check()
        except NotConfigured as lack:
            yield InjectedUnconfigured(lack, need.askers, need.path)
        except ConfigurationError as fault:
            yield fault
    elif isinstance(end, providers.Selector):
        yield from _unknown(end)
    elif isinstance(end, providers.ConfigurationOption):
        yield from _unset(end, need)
    elif not end.is_defined:
        yield Undefined(graph.name(end), need.askers, need.path)


def _unknown(selector: providers.Selector[Any]) -> Iterator[ConfigurationError]:
    """The key of the library's own selector names no branch; unset, it is told so."""
    option = selector.selector
    if not isinstance(option, providers.ConfigurationOption):
        return
    key, value, choices = key_of(option), option(), sorted(selector.providers)
    if value is not None and value not in choices:
        whole = library.configuration_of(option)
        origin = whole.origin(key) if isinstance(whole, Values) else None
        noun = key.partition("_")[0].lower()
        yield UnknownChoice(key, value, noun, origin, choices)


def _unset(option: Any, need: _Need) -> Iterator[WiringFault]:
    whole = values = library.configuration_of(option)
    for segment in option.get_name_segments():
        name = segment() if isinstance(segment, providers.Provider) else segment
        if not isinstance(values, Mapping) or name not in values:
            searched = getattr(whole, "searched", ())
            yield MissingKey(
                key_of(option), need.askers, need.path, searched, whole or ()
            )
            return
        values = values[name]


def _titled(graph: Graph, way: Path) -> list[str]:
    """The way by name, without the key or section at its end."""
    return [
        graph.name(provider)
        for provider in way
        if not isinstance(provider, Settings | providers.ConfigurationOption)
    ]
