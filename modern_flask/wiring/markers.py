"""Find the parameters of a function that have a marker.

``Annotated[T, Provide["name"]]`` and ``= Provide[Container.name]`` are markers, with or
without the library's modifiers. Annotations may be text.
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
OVER = "put @inject directly over the function, under the decorator that registers it"

_decorated: weakref.WeakSet[Any] = weakref.WeakSet()


class InjectedFunction:
    """One function, and the markers of its parameters.

    Args:
        function: The function itself, under ``@inject``.
        markers: Its markers, by parameter.
        unresolved: The undefined names in the annotations of other parameters, by
            parameter. The first call of the function reads these annotations again,
            because the module may define the names further down.
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
        #: The wrapper that replaces the function. Its signature has no markers.
        self.wrapper: Any = None
        self._set(markers)

    def _set(self, markers: dict[str, Any]) -> None:
        self.markers = markers
        parameters = inspect.signature(self.function).parameters
        names = list(parameters)
        # A call with more positional arguments than this fills the parameter. For a
        # keyword-only parameter that never happens.
        self.positions = {
            name: names.index(name)
            if parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            else sys.maxsize
            for name in markers
        }
        #: The evaluated annotation of each marked parameter, or ``Parameter.empty``.
        self.annotations = {
            name: resolve_annotation(parameters[name], self.function, {})[0]
            for name in markers
        }
        #: The default of each; ``Parameter.empty`` if it has none or a marker.
        self.defaults = {
            name: inspect.Parameter.empty
            if library.is_marker(parameters[name].default)
            else parameters[name].default
            for name in markers
        }

    def resolve(self) -> None:
        """Read again all annotations that were not resolved before."""
        if not self.unresolved:
            return
        found, self.unresolved = _read(self.function, {})
        if found.keys() - self.markers.keys():
            self._set({**found, **self.markers})
            if self.wrapper is not None:
                self.wrapper.__signature__ = self.signature

    @property
    def signature(self) -> inspect.Signature:
        """The signature for a caller: without the injected parameters."""
        full = inspect.signature(self.function)
        kept = [p for name, p in full.parameters.items() if name not in self.markers]
        return full.replace(parameters=kept)

    def are_given(self, given: int, named: Container[str]) -> bool:
        """Whether the arguments of a call already fill all parameters with a marker.

        Args:
            given: The number of positional arguments.
            named: The names of the keyword arguments.
        """
        return all(
            position < given or name in named
            for name, position in self.positions.items()
        )


def read_markers(
    function: Callable[..., Any], local: Mapping[str, Any] | None = None
) -> InjectedFunction:
    """Read the markers of ``function``, as ``@inject`` does.

    Args:
        function: The function.
        local: The local variables around its definition. A text annotation may use
            them.

    Raises:
        ClosingMarker: A marker is ``Closing[...]``.
        MisplacedInject: ``function`` is not a plain function, or a parameter with a
            marker can't be passed by name.
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
    """Return the annotation, evaluated if it is text, and its undefined names."""
    annotation: Any = parameter.annotation
    missing: tuple[str, ...] = ()
    if isinstance(annotation, str):
        annotation, missing = evaluate(annotation, function, local)
    return resolve_alias(annotation), missing


def get_marker(annotation: Any, default: Any) -> Any:
    """Return the marker of a parameter, or None."""
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next(filter(library.is_marker, (*notes, default)), None)


def resolve_alias(annotation: Any) -> Any:
    """Return the annotation that a ``type X = ...`` alias stands for (PEP 695)."""
    while type(annotation).__name__ == "TypeAliasType":
        annotation = annotation.__value__
    return annotation


def find_markers(annotation: Any) -> Iterator[Any]:
    """Yield every marker in an annotation, at any depth. Aliases may be recursive."""
    if type(annotation) in (type, str):  # most annotations: nothing is inside
        return
    seen: set[int] = set()
    waiting = [annotation]
    for one in waiting:
        if library.is_marker(one):
            yield one
        elif id(one) not in seen:
            seen.add(id(one))
            waiting += get_args(resolve_alias(one))


def note_lookup(name: str, function: F) -> F:
    """Record for the check that ``function`` calls :func:`find` with ``name``."""
    setattr(function, _LOOKUPS, get_lookups(function) | {name})
    inner = getattr(function, "__wrapped__", None)
    if inspect.isfunction(inner):
        _decorated.add(inner)
    return function


def get_lookups(function: Any) -> frozenset[str]:
    """Return the names that a function and its wrapped functions look up."""
    found: frozenset[str] = frozenset()
    for layer in find_layers(function):
        found |= getattr(layer, "__dict__", {}).get(_LOOKUPS, frozenset())
    return found


def is_decorated(function: Any) -> bool:
    """Whether one of the kit's decorators decorates ``function`` itself."""
    return type(function) is FunctionType and function in _decorated


def iterate_decorated() -> list[Any]:
    """Return all functions of the process that have one of the kit's decorators."""
    return list(_decorated)


def get_injected(function: Any) -> InjectedFunction | None:
    """Return the markers that the kit's ``@inject`` read below any decorators."""
    for layer in find_layers(function):
        injected = getattr(layer, "__dict__", {}).get(INJECTED)
        if injected is not None:
            return injected  # type: ignore[no-any-return]
    return None


def _refuse_misplaced(function: Any) -> None:
    kind = type(function).__name__
    name = getattr(function, "__qualname__", None) or getattr(function, "name", "?")
    why, fix = "", "put @inject over the method that has the markers"
    if isinstance(function, type):
        why = "it is a class"
    elif hasattr(function, "view_class"):
        why, name = "it is a class-based view already", function.view_class.__name__
    elif isinstance(function, staticmethod | classmethod):
        why, fix = (
            "it is not a function yet",
            f"put @inject under @{kind}",
        )
    elif hasattr(function, "apply_async") or hasattr(function, "callback"):
        why, fix = "it is a task or a command already", OVER
    elif isinstance(function, partial):
        name = getattr(function.func, "__qualname__", "?")
        why, fix = "it is a partial already", "put @inject over its function"
    elif not inspect.isroutine(function):
        why, name = f"it is a {kind}", kind
        fix = "put @inject over its method __call__"
    if why:
        raise MisplacedInject(str(name), locate(_find_function(function)), why, fix)


def _find_function(owner: Any) -> Any:
    """Find the plain function in a task, command, method, class or class-based view."""
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
