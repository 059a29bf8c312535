"""Faults of markers: what nothing fills, and what is filled with the wrong thing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from dependency_injector import providers

from .. import library
from ..callables import find_layers, locate
from ..errors import ClosingMarker, PostponedAnnotations, UnknownProvider, WiringFault
from ..injection import Bound
from ..markers import OVER, InjectedFunction, get_injected, get_lookups, is_decorated
from .errors import (
    Contradiction,
    LostDecorator,
    NoAsync,
    Shadowed,
    UnfilledMarker,
)
from .functions import AppFunction
from .marked import find_injected, find_marked
from .types import are_incompatible, format_type, get_provided_type

__all__ = ["Injection", "check_markers", "find_injections"]


@dataclass(frozen=True)
class Injection:
    """One thing that one function asks for.

    Args:
        asker: The function.
        name: What the marker calls it, such as ``storage``.
        provider: The container's.
        parameter: Empty where the function looks it up by name.
    """

    asker: AppFunction
    name: str
    provider: providers.Provider[Any]
    parameter: str = ""

    @property
    def title(self) -> str:
        if not self.parameter:
            return self.asker.title
        return f"{self.asker.title} (`{self.parameter}`)"


def find_injections(asker: AppFunction, bound: Bound) -> Iterator[Injection]:
    """What ``asker`` is given; what the container does not have is left out."""
    for name in sorted(get_lookups(asker.function)):
        found = bound.container.providers.get(name)
        if found is not None:
            yield Injection(asker, name, found)
    for asks in find_injected(asker.function):
        for parameter, marker in asks.markers.items():
            try:
                found = bound.provider(asks, parameter)
            except WiringFault:
                continue
            yield Injection(asker, library.marker_name(marker), found, parameter)


def check_markers(asker: AppFunction, bound: Bound) -> Iterator[WiringFault]:
    """Everything that is wrong with what ``asker`` asks for."""
    function = asker.function
    if inspect.iscoroutinefunction(function) and find_spec("asgiref") is None:
        yield NoAsync(asker.title, locate(function))
    for name in sorted(get_lookups(function) - bound.container.providers.keys()):
        yield bound.unknown(asker.title, locate(function), name)
    if is_decorated(function) and not _registered_twice(function):
        yield from _lost(asker)
        return
    for layer in find_layers(function):
        for name in library.closing_parameters(layer):
            yield ClosingMarker(asker.title, asker.place(name))
    asks = list(find_injected(function))
    known = {name for one in asks for name in one.markers} | asker.given
    for one in asks:
        yield from _wrong(asker, one, bound)
    yield from _unfilled(asker, known, under_inject=bool(asks))


def _registered_twice(function: Any) -> bool:
    """Whether the module still has ``function`` itself under its name."""
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for part in getattr(function, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is function


def _lost(asker: AppFunction) -> Iterator[WiringFault]:
    parameters = [mark.name for mark in find_marked(asker.function)]
    if get_injected(asker.function) is None and parameters:
        for name in parameters:
            why = "@inject stands above what registers the function"
            yield UnfilledMarker(asker.title, asker.place(name), why, OVER)
    else:
        yield LostDecorator(asker.title, locate(asker.function))


def _unfilled(
    asker: AppFunction, known: set[str] | frozenset[str], under_inject: bool
) -> Iterator[WiringFault]:
    """Each marker that no ``@inject`` has read."""
    for mark in find_marked(asker.function):
        if mark.name in known:
            continue
        place = asker.place(mark.name)
        if mark.text:
            yield PostponedAnnotations(asker.title, place)
        if mark.inside:
            why = "it stands inside another annotation"
            remedy = "write Annotated[... | None, Provide[...]]: all of the type first"
            yield UnfilledMarker(asker.title, place, why, remedy)
        elif not under_inject:
            yield UnfilledMarker(asker.title, place, "@inject is missing", OVER)


def _wrong(
    asker: AppFunction, asks: InjectedFunction, bound: Bound
) -> Iterator[WiringFault]:
    for name, marker in asks.markers.items():
        try:
            provider = bound.provider(asks, name, asker.title)
        except UnknownProvider as fault:
            yield fault
            continue
        for rule in asker.rules:
            if name in rule.arguments and name not in asker.given:
                yield Shadowed(asker.title, asker.place(name), name, rule.rule)
        if library.is_provider_marker(marker):
            continue
        title = library.marker_name(marker)
        try:
            given = get_provided_type(provider)
        except (ImportError, AttributeError):
            continue
        wanted = asks.annotations[name]
        if are_incompatible(wanted, given):
            names = format_type(wanted), format_type(given)
            yield Contradiction(asker.title, asker.place(name), title, *names)
