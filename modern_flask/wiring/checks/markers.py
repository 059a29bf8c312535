"""Find markers that nothing fills, and decorators that have no effect."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from flask import Flask

from .. import library
from ..callables import find_layers, get_partial_arguments, locate, may_pass
from ..errors import ClosingMarker, UnknownProvider, WiringFault
from ..markers import OVER, get_injected, get_lookups, is_decorated
from ..targets import find_injected
from .checked_app import CheckedApp, MarkedParameter, find_marked
from .functions import AppFunction

__all__ = [
    "FIX_INSIDE",
    "FIX_LIBRARY",
    "FIX_ORDER",
    "LostDecorator",
    "NoAsync",
    "Shadowed",
    "UnfilledMarker",
    "UnresolvedAnnotation",
    "check_function",
    "check_markers",
]

FIX_INSIDE = "write the whole type first: Annotated[... | None, Provide[...]]"
FIX_LIBRARY = "use modern_flask.inject, which reads annotations that are text"
FIX_ORDER = "put the decorator that registers the function first, at the top"


class UnfilledMarker(WiringFault):
    """A function that the app calls has a marker that nothing fills."""

    def __init__(self, function: str, place: str, why: str, fix: str) -> None:
        self.function, self.place, self.why = function, place, why
        super().__init__(
            f"{function} has a marker that nothing fills: {why}.",
            ("in", place),
            ("fix", fix),
        )


class UnresolvedAnnotation(WiringFault):
    """An annotation may contain a marker, but it contains an undefined name.

    Without the marker, the parameter gets no value.
    """

    def __init__(self, function: str, place: str, names: Sequence[str]) -> None:
        self.function, self.place, self.names = function, place, tuple(names)
        verb = "is" if len(self.names) == 1 else "are"
        super().__init__(
            f"{function} can't be injected: {' and '.join(names)} {verb} not defined.",
            ("in", place),
            ("fix", "import it at run time, not under `if TYPE_CHECKING:`"),
        )


class NoAsync(WiringFault):
    """A function of the app is ``async``, but the package that runs it is missing."""

    def __init__(self, function: str, place: str) -> None:
        self.function, self.place = function, place
        super().__init__(
            f"{function} is async, but the package asgiref is not installed.",
            ("in", place),
            ("fix", "pip install 'flask[async]'"),
        )


class LostDecorator(WiringFault):
    """A decorator is above the one that registers the function."""

    def __init__(self, function: str, place: str) -> None:
        self.function, self.place = function, place
        super().__init__(
            f"{function} was registered before a decorator above it was applied.",
            ("in", place),
            ("fix", FIX_ORDER),
        )


class Shadowed(WiringFault):
    """A URL argument has the same name as a parameter with a marker."""

    def __init__(self, function: str, place: str, parameter: str, rule: str) -> None:
        self.function, self.place = function, place
        self.parameter, self.rule = parameter, rule
        super().__init__(
            f"{function} gets `{parameter}` from its URL {rule}, not from the marker.",
            ("in", place),
            ("fix", "rename the URL argument or the parameter"),
        )


def check_markers(checked: CheckedApp) -> Iterator[WiringFault]:
    """Find all mistakes in the markers of the app's functions."""
    for function in (*checked.functions, *checked.targets):
        yield from check_function(function, checked)


def check_function(function: AppFunction, checked: CheckedApp) -> Iterator[WiringFault]:
    """Find all mistakes in the markers of one function."""
    target, bound = function.function, checked.bound
    if inspect.iscoroutinefunction(target) and not _can_await(checked.app):
        yield NoAsync(function.title, locate(target))
    for name in sorted(get_lookups(target) - bound.container.providers.keys()):
        yield bound.unknown(function.title, locate(target), name)
    if is_decorated(target) and not _is_in_module(target):
        if not _is_wrapped_elsewhere(target, checked):
            yield from _check_lost(function)
        return
    for layer in find_layers(target):
        for name in library.closing_parameters(layer):
            yield ClosingMarker(function.title, function.place(name))
    yield from _check_read(function, checked)
    yield from _check_unread(function)


def _can_await(app: Flask) -> bool:
    """Whether the app can run async functions, with asgiref or in its own way."""
    own = (
        name in vars(app) or getattr(type(app), name) is not getattr(Flask, name)
        for name in ("async_to_sync", "ensure_sync")
    )
    return any(own) or find_spec("asgiref") is not None


def _is_wrapped_elsewhere(target: Any, checked: CheckedApp) -> bool:
    """Whether the app calls both: ``target``, and a decorator over it."""
    return any(
        other.function is not target and target in find_layers(other.function)
        for other in checked.functions
    )


def _is_in_module(function: Any) -> bool:
    """Whether the name of ``function`` in its module still refers to it."""
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for part in getattr(function, "__qualname__", "").split("."):
        found = getattr(found, part, None)
    return found is function


def _check_lost(function: AppFunction) -> Iterator[WiringFault]:
    marked = list(find_marked(function.function))
    if get_injected(function.function) is None and marked:
        why = "@inject is above the decorator that registers the function"
        for each in marked:
            place = function.place(each.name)
            yield UnfilledMarker(function.title, place, why, OVER)
    else:
        yield LostDecorator(function.title, locate(function.function))


def _check_read(function: AppFunction, checked: CheckedApp) -> Iterator[WiringFault]:
    """Check the markers that ``@inject`` has read: unknown providers, URL arguments."""
    injected = find_injected(function.function)
    if injected is None:
        return
    for name in injected.markers:
        try:
            checked.bound.provider(injected, name, function.title)
        except UnknownProvider as fault:
            yield fault
            continue
        rules = [rule for rule in function.rules if name in rule.arguments]
        # If another rule lacks the argument, the marker fills it there: that is right.
        if rules and len(rules) == len(function.rules) and name not in function.filled:
            text = rules[0].rule
            yield Shadowed(function.title, function.place(name), name, text)
    # A preprocessor may add any value to the arguments of the URL.
    unresolved = {} if checked.app.url_value_preprocessors else injected.unresolved
    for name, missing in unresolved.items():
        if _gets_no_value(name, function, injected.function):
            yield UnresolvedAnnotation(function.title, function.place(name), missing)


def _gets_no_value(name: str, function: AppFunction, inner: Any) -> bool:
    """Whether a view's parameter gets no value except from a marker."""
    parameter = inspect.signature(inner).parameters[name]
    if parameter.default is not parameter.empty or not function.is_view:
        return False
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    if name in ("self", "cls") or name in get_partial_arguments(function.function):
        return False
    by_url = any(
        name in rule.arguments or name in (rule.defaults or ())
        for rule in function.rules
    )
    return not by_url and not _may_be_passed(function.function, inner)


def _check_unread(function: AppFunction) -> Iterator[WiringFault]:
    """Find markers that no ``@inject`` has read."""
    injected = find_injected(function.function)
    known = set(injected.markers) if injected is not None else set()
    for marked in find_marked(function.function):
        if marked.name in known | function.filled:
            continue
        if _may_be_passed(function.function, marked.layer):
            continue
        yield from _explain(function, marked, has_inject=injected is not None)


def _may_be_passed(function: Any, inner: Any) -> bool:
    """Whether a decorator around ``inner`` may pass an argument of its own."""
    for layer in find_layers(function):
        if layer is inner:
            return False
        if may_pass(layer):
            return True
    return False


def _explain(
    function: AppFunction, marked: MarkedParameter, has_inject: bool
) -> Iterator[WiringFault]:
    place = function.place(marked.name)
    if marked.is_inside:
        why = "it is inside another annotation"
        yield UnfilledMarker(function.title, place, why, FIX_INSIDE)
    elif marked.is_text and _is_under_library(function.function):
        why = "the library's @inject does not read annotations that are text"
        yield UnfilledMarker(function.title, place, why, FIX_LIBRARY)
    elif not has_inject:
        yield UnfilledMarker(function.title, place, "@inject is missing", OVER)


def _is_under_library(function: Any) -> bool:
    return any(map(library.is_library_function, find_layers(function)))
