"""What a function asks for: the parameters that carry a marker."""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Container, Iterator
from functools import partial
from typing import Annotated, Any, TypeVar, get_args, get_origin

from . import library
from .callables import find_layers, locate
from .errors import ClosingMarker, MisplacedInject, PostponedAnnotations

__all__ = [
    "INJECTED",
    "InjectedFunction",
    "find_markers",
    "get_injected",
    "get_lookups",
    "is_decorated",
    "locate",
    "note_lookup",
    "read_markers",
    "resolve_alias",
]

F = TypeVar("F", bound=Callable[..., Any])
INJECTED = "__modern_flask_asks__"
_NEEDS = "__modern_flask_needs__"

_decorated: weakref.WeakSet[Any] = weakref.WeakSet()


class InjectedFunction:
    """What one function asks for: its parameters that carry a marker."""

    def __init__(self, function: Callable[..., Any], markers: dict[str, Any]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.function = function
        self.markers = markers
        parameters = inspect.signature(function).parameters
        names = list(parameters)
        # How many positional arguments leave it to us; a keyword takes any number.
        self.positions = {
            name: names.index(name)
            if parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            else sys.maxsize
            for name in markers
        }
        self.annotations = {
            name: resolve_alias(parameters[name].annotation) for name in markers
        }

    def are_given(self, given: int, named: Container[str]) -> bool:
        """Whether a call with ``given`` positional arguments leaves nothing to us."""
        return all(
            position < given or name in named
            for name, position in self.positions.items()
        )


def read_markers(function: Callable[..., Any]) -> InjectedFunction:
    """What ``function`` asks for, as ``@inject`` reads it.

    Raises:
        ClosingMarker: ``Closing[...]`` is asked for.
        MisplacedInject: It is no function, or can't be given what it asks for by name.
        PostponedAnnotations: The annotations are text and may hide markers.
    """
    _refuse_misplaced(function)
    asks = InjectedFunction(function, dict(_markers(function)))
    if asks.markers:
        _decorated.add(function)
    elif _may_hide(function):
        raise PostponedAnnotations(asks.name, locate(function))
    return asks


def note_lookup(name: str, function: F) -> F:
    """Note that ``function`` calls :func:`find` for ``name``; the check reads it."""
    setattr(function, _NEEDS, get_lookups(function) | {name})
    inner = getattr(function, "__wrapped__", None)
    if inspect.isfunction(inner):
        _decorated.add(inner)
    return function


def is_decorated(function: Any) -> bool:
    """Whether one of the kit's decorators was put over ``function`` itself."""
    return inspect.isfunction(function) and function in _decorated


def get_lookups(function: Any) -> frozenset[str]:
    """What a function and those that it wraps look up by name."""
    found: frozenset[str] = frozenset()
    for layer in find_layers(function):
        found |= getattr(layer, "__dict__", {}).get(_NEEDS, frozenset())
    return found


def get_injected(view: Any) -> InjectedFunction | None:
    """What a view asks for, through whatever was put over the function."""
    for layer in find_layers(view):
        asks = getattr(layer, "__dict__", {}).get(INJECTED)
        if asks is not None:
            return asks  # type: ignore[no-any-return]
    return None


OVER = "put @inject directly over the function, under what registers it"


def _refuse_misplaced(function: Any) -> None:
    name = getattr(function, "__qualname__", None) or getattr(function, "name", "?")
    why, remedy = "", "put @inject over the method that asks"
    if isinstance(function, type):
        why = "it is a class"
    elif hasattr(function, "view_class"):
        why, name = "it is a class-based view already", function.view_class.__name__
    elif isinstance(function, staticmethod | classmethod):
        why, remedy = "it is no function yet", f"put @inject under @{_kind(function)}"
    elif hasattr(function, "apply_async") or hasattr(function, "callback"):
        why, remedy = "it is a task or a command already", OVER
    elif isinstance(function, partial):
        name = getattr(function.func, "__qualname__", "?")
        why, remedy = "it is a partial already", "put @inject over its function"
    elif not inspect.isroutine(function):
        why, name = f"it is a {_kind(function)}", _kind(function)
        remedy = "put @inject over its method __call__"
    if why:
        raise MisplacedInject(str(name), locate(_inner(function)), why, remedy)
    for parameter in inspect.signature(function).parameters.values():
        by_name = parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        )
        if not by_name and any(_marker_of(parameter)):
            why = f"`{parameter}` can't be passed by name"
            remedy = "make it a parameter that can"
            raise MisplacedInject(str(name), locate(function), why, remedy)


def _kind(function: object) -> str:
    return type(function).__name__


def _inner(function: Any) -> Any:
    """The plain function in a task, a command, a method, a class or a view of one."""
    if isinstance(function, partial):
        return function
    owner = getattr(function, "view_class", None)
    if owner is not None:
        return next(filter(inspect.isfunction, vars(owner).values()), owner)
    for name in ("run", "callback", "__func__", "__init__"):
        found = getattr(function, name, None)
        if inspect.isfunction(found) or inspect.ismethod(found):
            return found
    return function


def _markers(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    for name, parameter in inspect.signature(function).parameters.items():
        for marker in _marker_of(parameter):
            if library.is_closing(marker):
                raise ClosingMarker(function.__qualname__, locate(function))
            yield name, marker
            break


def _marker_of(parameter: inspect.Parameter) -> Iterator[Any]:
    annotation = resolve_alias(parameter.annotation)
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return filter(library.is_marker, (*notes, parameter.default))


def resolve_alias(annotation: Any) -> Any:
    """An annotation behind the names that ``type X = ...`` gave it (PEP 695)."""
    while type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation


def find_markers(annotation: Any) -> Iterator[Any]:
    """Every marker in an annotation, however deep."""
    annotation = resolve_alias(annotation)
    for part in get_args(annotation):
        if library.is_marker(part):
            yield part
        else:
            yield from find_markers(part)


def _may_hide(function: Callable[..., Any]) -> bool:
    """Whether annotations that are text hold markers, or can't be read here."""
    texts = inspect.get_annotations(function).values()
    for text in texts:
        if isinstance(text, str):
            try:
                meant = eval(text, inspect.unwrap(function).__globals__)
            except Exception:
                return True
            if any(find_markers(meant)):
                return True
    return False
