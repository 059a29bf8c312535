"""What a function asks for: the parameters that carry a marker."""

from __future__ import annotations

import inspect
import os
import weakref
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

from . import library
from .errors import ClosingMarker, MisplacedInject, PostponedAnnotations

__all__ = [
    "ASKS",
    "Asks",
    "asked_by",
    "is_decorated",
    "needing",
    "needs_of",
    "place_of",
    "read",
]

F = TypeVar("F", bound=Callable[..., Any])
ASKS = "__modern_flask_asks__"
NEEDS = "__modern_flask_needs__"

_decorated: weakref.WeakSet[Any] = weakref.WeakSet()


class Asks:
    """What one function asks for: its parameters that carry a marker."""

    def __init__(self, function: Callable[..., Any], markers: dict[str, Any]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.function = function
        self.markers = markers
        parameters = list(inspect.signature(function).parameters)
        self.positions = {name: parameters.index(name) for name in markers}


def read(function: Callable[..., Any]) -> Asks:
    """What ``function`` asks for, as ``@inject`` reads it.

    Raises:
        ClosingMarker: ``Closing[...]`` is asked for.
        MisplacedInject: It is no function, or can't be given what it asks for by name.
        PostponedAnnotations: The annotations are text and may hide markers.
    """
    _refuse_misplaced(function)
    asks = Asks(function, dict(_markers(function)))
    if not asks.markers and _is_text(function):
        raise PostponedAnnotations(asks.name, place_of(function))
    _decorated.add(function)
    return asks


def needing(name: str, function: F) -> F:
    """Note that ``function`` calls :func:`find` for ``name``; the check reads it."""
    setattr(function, NEEDS, needs_of(function) | {name})
    inner = getattr(function, "__wrapped__", None)
    if inspect.isfunction(inner):
        _decorated.add(inner)
    return function


def is_decorated(function: Any) -> bool:
    """Whether one of the kit's decorators was put over ``function`` itself."""
    return inspect.isfunction(function) and function in _decorated


def needs_of(function: Any) -> frozenset[str]:
    """What a function and those that it wraps look up by name."""
    found: frozenset[str] = frozenset()
    while function is not None:
        found |= getattr(function, "__dict__", {}).get(NEEDS, frozenset())
        function = getattr(function, "__wrapped__", None)
    return found


def asked_by(view: Any) -> Asks | None:
    """What a view asks for, through the decorators that kept ``__wrapped__``."""
    while view is not None:
        asks = getattr(view, "__dict__", {}).get(ASKS)
        if asks is not None:
            return asks  # type: ignore[no-any-return]
        view = getattr(view, "__wrapped__", None)
    return None


def _refuse_misplaced(function: Any) -> None:
    name = getattr(function, "__qualname__", None) or getattr(function, "name", "?")
    why = ""
    if isinstance(function, type):
        why, remedy = "it is a class", "put @inject over the method that asks"
    elif isinstance(function, staticmethod | classmethod):
        why, remedy = "it is no function yet", f"put @inject under @{_kind(function)}"
    elif hasattr(function, "apply_async") or hasattr(function, "callback"):
        why = "it is a task or a command already"
        remedy = "put @inject directly over the function, under what registers it"
    if why:
        raise MisplacedInject(str(name), place_of(_inner(function)), why, remedy)
    for parameter in inspect.signature(function).parameters.values():
        by_name = parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        if not by_name and any(_marker_of(parameter)):
            why = f"`{parameter}` can't be passed by name"
            remedy = "make it a parameter that can"
            raise MisplacedInject(str(name), place_of(function), why, remedy)


def _kind(function: object) -> str:
    return type(function).__name__


def _inner(function: Any) -> Any:
    """The plain function in a task, a command, a method or a class."""
    for name in ("run", "callback", "__func__", "__init__"):
        found = getattr(function, name, None)
        if inspect.isroutine(found):
            return found
    return function


def _markers(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    for name, parameter in inspect.signature(function).parameters.items():
        for marker in _marker_of(parameter):
            if library.is_closing(marker):
                raise ClosingMarker(function.__qualname__, place_of(function))
            yield name, marker
            break


def _marker_of(parameter: inspect.Parameter) -> Iterator[Any]:
    annotation = parameter.annotation
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return filter(library.is_marker, (*notes, parameter.default))


def _is_text(function: Callable[..., Any]) -> bool:
    return any(isinstance(a, str) for a in inspect.get_annotations(function).values())


def place_of(function: Callable[..., Any]) -> str:
    """``orders/views.py, line 12``: from here, where the file is below."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return "?"
    near = os.path.relpath(code.co_filename)
    file = code.co_filename if near.startswith(os.pardir) else near
    return f"{file}, line {code.co_firstlineno}"
