"""Faults of markers: what nothing fills, and what is filled with the wrong thing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from dependency_injector import providers

from . import library
from .askers import Asker
from .asking import Asks, asked_by, is_decorated, needs_of, place_of
from .dispatch import Bound
from .errors import ClosingMarker, PostponedAnnotations, UnknownProvider, WiringFault
from .faults import Contradiction, LostDecorator, Shadowed, UnfilledMarker
from .provided import contradict, given_by, type_title

__all__ = ["Asked", "asked", "marker_faults"]

ORDER = "put @inject directly over the function, under what registers it"


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
    for asks in _asks(asker.function):
        for parameter, marker in asks.markers.items():
            try:
                found = bound.provider(asks, parameter)
            except WiringFault:
                continue
            yield Asked(asker, library.marker_name(marker), found, parameter)


def marker_faults(asker: Asker, bound: Bound) -> Iterator[WiringFault]:
    """Everything that is wrong with what ``asker`` asks for."""
    function = asker.function
    for name in sorted(needs_of(function) - bound.container.providers.keys()):
        yield bound.unknown(asker.title, place_of(function), name)
    if is_decorated(function) and not _registered_twice(function):
        yield from _lost(asker)
        return
    for place in library.closing_parameters(inspect.unwrap(function, stop=_is_own)):
        yield ClosingMarker(asker.title, asker.place(place))
    asks = list(_asks(function))
    if not asks:
        yield from _unfilled(asker)
    else:
        yield from _unread(asker, asks)
    for one in asks:
        yield from _wrong(asker, one, bound)


def _is_own(function: Any) -> bool:
    return library.is_library_function(function)


def _asks(function: Any) -> Iterator[Asks]:
    own = asked_by(function)
    if own is not None:
        yield own
        return
    inner = inspect.unwrap(function, stop=_is_own)
    markers = library.markers_of(inner)
    if markers:
        yield Asks(inspect.unwrap(inner), markers)


def _registered_twice(function: Any) -> bool:
    """Whether the module still has ``function`` itself under its name."""
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for part in getattr(function, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is function


def _lost(asker: Asker) -> Iterator[WiringFault]:
    parameters = [name for name, _ in _markers(asker.function)]
    if asked_by(asker.function) is None and parameters:
        for name in parameters:
            why = "@inject stands above what registers the function"
            yield UnfilledMarker(asker.title, asker.place(name), why, ORDER)
    else:
        yield LostDecorator(asker.title, place_of(asker.function))


def _unfilled(asker: Asker) -> Iterator[WiringFault]:
    """A marker on a function that no ``@inject`` stands over."""
    for name, text in _markers(asker.function):
        if text:
            yield PostponedAnnotations(asker.title, asker.place(name))
        yield UnfilledMarker(
            asker.title, asker.place(name), "@inject is missing", ORDER
        )


def _unread(asker: Asker, asks: list[Asks]) -> Iterator[WiringFault]:
    """What ``@inject`` could not read."""
    known = {name for one in asks for name in one.markers}
    for name, text in _markers(asker.function):
        if text and name not in known:
            yield PostponedAnnotations(asker.title, asker.place(name))


def _markers(function: Any) -> Iterator[tuple[str, bool]]:
    """Each parameter with a marker, and whether its annotation is text."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    for name, parameter in parameters.items():
        text = isinstance(parameter.annotation, str)
        annotation = _read(function, name) if text else parameter.annotation
        notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
        if library.is_marker(parameter.default):
            yield name, False
        elif any(map(library.is_marker, notes)):
            yield name, text


def _read(function: Any, name: str) -> Any:
    """What an annotation that is text means; nothing where its names are not there."""
    found = inspect.unwrap(function)
    try:
        return get_type_hints(found, include_extras=True).get(name)
    except Exception:
        text = getattr(found, "__annotations__", {}).get(name, "")
    try:
        return eval(text, getattr(found, "__globals__", {}))
    except Exception:
        return None


def _wrong(asker: Asker, asks: Asks, bound: Bound) -> Iterator[WiringFault]:
    hints = inspect.signature(asks.function).parameters
    for name, marker in asks.markers.items():
        try:
            provider = bound.provider(asks, name, asker.title)
        except UnknownProvider as fault:
            yield fault
            continue
        for rule in asker.rules:
            if name in rule.arguments:
                yield Shadowed(asker.title, asker.place(name), name, rule.rule)
        if library.is_provider_marker(marker):
            continue
        title = library.marker_name(marker)
        try:
            given = given_by(provider)
        except (ImportError, AttributeError):
            continue
        wanted = hints[name].annotation
        if contradict(wanted, given):
            names = type_title(wanted), type_title(given)
            yield Contradiction(asker.title, asker.place(name), title, *names)
