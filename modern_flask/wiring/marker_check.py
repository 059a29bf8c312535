"""Faults of markers: what nothing fills, and what is filled with the wrong thing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from dependency_injector import providers

from . import library
from .askers import Asker
from .asking import OVER, Asks, asked_by, is_decorated, needs_of
from .dispatch import Bound
from .errors import ClosingMarker, PostponedAnnotations, UnknownProvider, WiringFault
from .faults import (
    Contradiction,
    LostDecorator,
    NoAsync,
    Shadowed,
    UnfilledMarker,
)
from .layers import layers, place_of
from .marks import asks_of, marks_of
from .provided import contradict, given_by, type_title

__all__ = ["Asked", "asked", "marker_faults"]


@dataclass(frozen=True)
class Asked:
    """One thing that one function asks for.

    Args:
        asker: The function.
        name: What the marker calls it, such as ``storage``.
        provider: The container's.
        parameter: Empty where the function looks it up by name.
    """

    asker: Asker
    name: str
    provider: providers.Provider[Any]
    parameter: str = ""

    @property
    def title(self) -> str:
        if not self.parameter:
            return self.asker.title
        return f"{self.asker.title} (`{self.parameter}`)"


def asked(asker: Asker, bound: Bound) -> Iterator[Asked]:
    """What ``asker`` is given; what the container does not have is left out."""
    for name in sorted(needs_of(asker.function)):
        found = bound.container.providers.get(name)
        if found is not None:
            yield Asked(asker, name, found)
    for asks in asks_of(asker.function):
        for parameter, marker in asks.markers.items():
            try:
                found = bound.provider(asks, parameter)
            except WiringFault:
                continue
            yield Asked(asker, library.marker_name(marker), found, parameter)


def marker_faults(asker: Asker, bound: Bound) -> Iterator[WiringFault]:
    """Everything that is wrong with what ``asker`` asks for."""
    function = asker.function
    if inspect.iscoroutinefunction(function) and find_spec("asgiref") is None:
        yield NoAsync(asker.title, place_of(function))
    for name in sorted(needs_of(function) - bound.container.providers.keys()):
        yield bound.unknown(asker.title, place_of(function), name)
    if is_decorated(function) and not _registered_twice(function):
        yield from _lost(asker)
        return
    for layer in layers(function):
        for name in library.closing_parameters(layer):
            yield ClosingMarker(asker.title, asker.place(name))
    asks = list(asks_of(function))
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


def _lost(asker: Asker) -> Iterator[WiringFault]:
    parameters = [mark.name for mark in marks_of(asker.function)]
    if asked_by(asker.function) is None and parameters:
        for name in parameters:
            why = "@inject stands above what registers the function"
            yield UnfilledMarker(asker.title, asker.place(name), why, OVER)
    else:
        yield LostDecorator(asker.title, place_of(asker.function))


def _unfilled(
    asker: Asker, known: set[str] | frozenset[str], under_inject: bool
) -> Iterator[WiringFault]:
    """Each marker that no ``@inject`` has read."""
    for mark in marks_of(asker.function):
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


def _wrong(asker: Asker, asks: Asks, bound: Bound) -> Iterator[WiringFault]:
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
            given = given_by(provider)
        except (ImportError, AttributeError):
            continue
        wanted = asks.annotations[name]
        if contradict(wanted, given):
            names = type_title(wanted), type_title(given)
            yield Contradiction(asker.title, asker.place(name), title, *names)
