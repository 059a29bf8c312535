"""The markers of a function as the check sees them, read by anybody or not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .. import library
from ..callables import find_layers, get_partial_arguments
from ..markers import InjectedFunction, find_markers, get_injected, resolve_alias

__all__ = ["MarkedParameter", "find_injected", "find_marked"]


@dataclass(frozen=True)
class MarkedParameter:
    """A parameter with a marker.

    Args:
        name: The parameter.
        text: Its annotation is text.
        inside: The marker is a part of a larger annotation, where nobody reads it.
    """

    name: str
    text: bool = False
    inside: bool = False


def find_marked(function: Any) -> Iterator[MarkedParameter]:
    """Each parameter with a marker, of all that a call of ``function`` leads to."""
    told = get_partial_arguments(function)
    for layer in find_layers(function):
        # What it wraps comes next, and has the whole signature.
        if not hasattr(layer, "__code__") or hasattr(layer, "__wrapped__"):
            continue
        texts: dict[str, Any] | None = None
        for name, parameter in inspect.signature(layer).parameters.items():
            annotation = parameter.annotation
            text = isinstance(annotation, str)
            if text:
                texts = _meanings(layer) if texts is None else texts
                annotation = texts.get(name)
            mark = _mark(parameter, annotation, text)
            if mark is not None and name not in told:
                told.add(name)
                yield mark


def _mark(
    parameter: inspect.Parameter, annotation: Any, text: bool
) -> MarkedParameter | None:
    if library.is_marker(parameter.default):
        return MarkedParameter(parameter.name)
    annotation = resolve_alias(annotation)
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    if any(map(library.is_marker, notes)):
        return MarkedParameter(parameter.name, text)
    inside = any(find_markers(annotation))
    return MarkedParameter(parameter.name, text, inside=True) if inside else None


def _meanings(function: Any) -> dict[str, Any]:
    """What annotations that are text mean, as far as their names are there."""
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:
        texts = getattr(function, "__annotations__", {})
    found: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            found[name] = eval(text, getattr(function, "__globals__", {}))
        except Exception:
            continue
    return found


def find_injected(function: Any) -> Iterator[InjectedFunction]:
    """What the kit's or the library's ``@inject`` has read from ``function``."""
    own = get_injected(function)
    if own is not None:
        yield own
        return
    for layer in find_layers(function):
        markers = library.markers_of(layer)
        if markers:
            yield InjectedFunction(inspect.unwrap(layer), markers)
            return
