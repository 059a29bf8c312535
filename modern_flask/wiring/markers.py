"""The parameters of a function that carry a marker.

``Annotated[T, Provide["name"]]`` and ``= Provide[Container.name]`` are markers, with
the library's modifiers or without. Annotations may be text.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from types import FunctionType
from typing import Annotated, Any, TypeVar, get_args, get_origin

from . import library
from .annotations import evaluate
from .callables import find_layers, locate
from .errors import ClosingMarker, MisplacedInject

__all__ = [
    "INJECTED",
    "OVER",
    "InjectedFunction",
    "find_markers",
    "get_injected",
    "get_lookups",
    "get_marker",
    "is_decorated",
    "iterate_decorated",
    "note_lookup",
    "read_markers",
    "resolve_alias",
    "resolve_annotation",
]

F = TypeVar("F", bound=Callable[..., Any])
INJECTED = "__modern_flask_injected__"
_LOOKUPS = "__modern_flask_lookups__"
OVER = "put @inject directly over the function, under what registers it"

_decorated: weakref.WeakSet[Any] = weakref.WeakSet()


class InjectedFunction:
    """One function, and the markers of its parameters.

    Args:
        function: The function itself, under ``@inject``.
        markers: Its parameters that carry a marker.
        unresolved: Its other parameters whose annotation names something that is not
            defined, and those names. They are read again when the function is first
            called: what the module defines further down is there by then.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        markers: dict[str, Any],
        unresolved: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.function = function
        self.unresolved = dict(unresolved or {})
        #: What stands in the function's place, with a signature without the markers.
        self.wrapper: Any = None
        self._set(markers)

    def _set(self, markers: dict[str, Any]) -> None:
        self.markers = markers
        parameters = inspect.signature(self.function).parameters
        names = list(parameters)
        # From how many positional arguments on the caller fills it; a keyword: never.
        self.positions = {
            name: names.index(name)
            if parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            else sys.maxsize
            for name in markers
        }
        #: The annotation of each, evaluated; ``Parameter.empty`` where there is none.
        self.annotations = {
            name: resolve_annotation(parameters[name], self.function, {})[0]
            for name in markers
        }
        #: The default of each; ``Parameter.empty`` for none, and for a marker.
        self.defaults = {
            name: inspect.Parameter.empty
            if library.is_marker(parameters[name].default)
            else parameters[name].default
            for name in markers
        }

    def resolve(self) -> None:
        """Read the annotations again that could not be resolved before."""
        if not self.unresolved:
            return
        found, self.unresolved = _read(self.function, {})
        if found.keys() - self.markers.keys():
            self._set({**found, **self.markers})
            if self.wrapper is not None:
                self.wrapper.__signature__ = self.signature

    @property
    def signature(self) -> inspect.Signature:
        """What a caller passes: the signature without what is injected."""
        full = inspect.signature(self.function)
        kept = [p for name, p in full.parameters.items() if name not in self.markers]
        return full.replace(parameters=kept)

    def are_given(self, given: int, named: Container[str]) -> bool:
        """Whether a call with ``given`` positional arguments needs no injection."""
        return all(
            position < given or name in named
            for name, position in self.positions.items()
        )


def read_markers(
    function: Callable[..., Any], local: Mapping[str, Any] | None = None
) -> InjectedFunction:
    """The markers of ``function``, as ``@inject`` reads them.

    Args:
        local: The variables of the place where it is defined, for annotations that are
            text and name one of them.

    Raises:
        ClosingMarker: A marker is ``Closing[...]``.
        MisplacedInject: It is not a function, or a parameter with a marker can't be
            passed by name.
    """
    _refuse_misplaced(function)
    markers, unresolved = _read(function, local or {})
    if markers or unresolved:
        _decorated.add(function)
    return InjectedFunction(function, markers, unresolved)


def _read(
    function: Any, local: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    markers: dict[str, Any] = {}
    unresolved: dict[str, tuple[str, ...]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        annotation, missing = resolve_annotation(parameter, function, local)
        marker = get_marker(annotation, parameter.default)
        if marker is None:
            if missing:
                unresolved[name] = missing
            continue
        if library.is_closing(marker):
            raise ClosingMarker(function.__qualname__, locate(function))
        if parameter.kind not in _BY_NAME:
            why = f"`{parameter}` can't be passed by name"
            fix = "make it a parameter that can be passed by name"
            raise MisplacedInject(function.__qualname__, locate(function), why, fix)
        markers[name] = marker
    return markers, unresolved


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def resolve_annotation(
    parameter: inspect.Parameter, function: Any, local: Mapping[str, Any]
) -> tuple[Any, tuple[str, ...]]:
    """A parameter's annotation, evaluated if it is text, and the missing names."""
    annotation: Any = parameter.annotation
    missing: tuple[str, ...] = ()
    if isinstance(annotation, str):
        annotation, missing = evaluate(annotation, function, local)
    return resolve_alias(annotation), missing


def get_marker(annotation: Any, default: Any) -> Any:
    """The marker of a parameter; None if it has none."""
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next(filter(library.is_marker, (*notes, default)), None)


def resolve_alias(annotation: Any) -> Any:
    """An annotation behind the names that ``type X = ...`` gave it (PEP 695)."""
    while type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation


def find_markers(annotation: Any) -> Iterator[Any]:
    """Every marker in an annotation, however deep; an alias may contain itself."""
    seen: set[int] = set()
    waiting = [annotation]
    for one in waiting:
        if library.is_marker(one):
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            waiting += get_args(resolve_alias(one))


def note_lookup(name: str, function: F) -> F:
    """Note for the check that ``function`` calls :func:`find` with ``name``."""
    setattr(function, _LOOKUPS, get_lookups(function) | {name})
    inner = getattr(function, "__wrapped__", None)
    if inspect.isfunction(inner):
        _decorated.add(inner)
    return function


def get_lookups(function: Any) -> frozenset[str]:
    """The names that a function, and those that it wraps, look up."""
    found: frozenset[str] = frozenset()
    for layer in find_layers(function):
        found |= getattr(layer, "__dict__", {}).get(_LOOKUPS, frozenset())
    return found


def is_decorated(function: Any) -> bool:
    """Whether one of the kit's decorators was put over ``function`` itself."""
    return type(function) is FunctionType and function in _decorated


def iterate_decorated() -> list[Any]:
    """Every function of the process under one of the kit's decorators."""
    return list(_decorated)


def get_injected(function: Any) -> InjectedFunction | None:
    """What the kit's ``@inject`` read, through whatever was put over it."""
    for layer in find_layers(function):
        injected = getattr(layer, "__dict__", {}).get(INJECTED)
        if injected is not None:
            return injected  # type: ignore[no-any-return]
    return None


def _refuse_misplaced(function: Any) -> None:
    name = getattr(function, "__qualname__", None) or getattr(function, "name", "?")
    why, fix = "", "put @inject over the method that has the markers"
    if isinstance(function, type):
        why = "it is a class"
    elif hasattr(function, "view_class"):
        why, name = "it is a class-based view already", function.view_class.__name__
    elif isinstance(function, staticmethod | classmethod):
        why, fix = "it is not a function yet", f"put @inject under @{_kind(function)}"
    elif hasattr(function, "apply_async") or hasattr(function, "callback"):
        why, fix = "it is a task or a command already", OVER
    elif isinstance(function, partial):
        name = getattr(function.func, "__qualname__", "?")
        why, fix = "it is a partial already", "put @inject over its function"
    elif not inspect.isroutine(function):
        why, name = f"it is a {_kind(function)}", _kind(function)
        fix = "put @inject over its method __call__"
    if why:
        raise MisplacedInject(str(name), locate(_find_function(function)), why, fix)


def _kind(function: object) -> str:
    return type(function).__name__


def _find_function(owner: Any) -> Any:
    """The plain function in a task, a command, a method, a class or a view of one."""
    if isinstance(owner, partial):
        return owner
    view_class = getattr(owner, "view_class", None)
    if view_class is not None:
        return next(filter(inspect.isfunction, vars(view_class).values()), view_class)
    for name in ("run", "callback", "__func__", "__init__"):
        found = getattr(owner, name, None)
        if inspect.isfunction(found) or inspect.ismethod(found):
            return found
    return owner
