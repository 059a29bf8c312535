"""The injections of an app's functions, found once for all rules."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dependency_injector import providers
from flask import Flask

from .. import library
from ..callables import find_layers, get_partial_arguments
from ..errors import WiringFault
from ..graph import Graph, Path
from ..injection import Bound
from ..markers import (
    find_markers,
    get_lookups,
    get_marker,
    resolve_annotation,
)
from ..targets import find_injected
from .functions import AppFunction, find_functions

__all__ = [
    "CheckedApp",
    "Injection",
    "MarkedParameter",
    "Use",
    "find_injections",
    "find_marked",
]


@dataclass(frozen=True)
class MarkedParameter:
    """A parameter with a marker.

    Args:
        name: The parameter.
        layer: The function that has the parameter.
        is_text: Whether the annotation is text.
        is_inside: Whether the marker is inside a larger annotation, so that nothing
            reads it.
    """

    name: str
    layer: Any
    is_text: bool = False
    is_inside: bool = False


def find_marked(function: Any) -> Iterator[MarkedParameter]:
    """Yield each parameter with a marker in ``function`` and the functions under it."""
    seen = get_partial_arguments(function)
    for layer in find_layers(function):
        # The wrapped function comes next, and it has the whole signature.
        if not hasattr(layer, "__code__") or hasattr(layer, "__wrapped__"):
            continue
        for name, parameter in inspect.signature(layer).parameters.items():
            found = _find_marker(parameter, layer)
            if found is not None and name not in seen:
                seen.add(name)
                yield found


def _find_marker(parameter: inspect.Parameter, layer: Any) -> MarkedParameter | None:
    if library.is_marker(parameter.default):
        return MarkedParameter(parameter.name, layer)
    is_text = isinstance(parameter.annotation, str)
    annotation, _ = resolve_annotation(parameter, layer, {})
    if get_marker(annotation, None) is not None:
        return MarkedParameter(parameter.name, layer, is_text)
    if any(find_markers(annotation)):
        return MarkedParameter(parameter.name, layer, is_text, is_inside=True)
    return None


@dataclass(frozen=True)
class Injection:
    """One object, or one provider, that is injected into one function.

    Args:
        function: The function.
        name: The name in the marker, such as ``storage``.
        provider: The container's provider of this name.
        parameter: The parameter; empty if the function looks the object up by name.
        annotation: The annotation of the parameter, or ``Parameter.empty``.
        default: The default of the parameter; ``Parameter.empty`` if none or a marker.
        hands_over: Whether the provider itself is injected, so that the function can
            call it later.
    """

    function: AppFunction
    name: str
    provider: providers.Provider[Any]
    parameter: str = ""
    annotation: Any = inspect.Parameter.empty
    default: Any = inspect.Parameter.empty
    hands_over: bool = False

    @property
    def title(self) -> str:
        if not self.parameter:
            return self.function.title
        return f"{self.function.title} (`{self.parameter}`)"

    @property
    def place(self) -> str:
        return self.function.place(self.parameter)


def find_injections(function: AppFunction, bound: Bound) -> Iterator[Injection]:
    """Find the injections of ``function`` for which the container has a provider."""
    for name in sorted(get_lookups(function.function)):
        found = bound.container.providers.get(name)
        if found is not None:
            yield Injection(function, name, found)
    injected = find_injected(function.function)
    if injected is None:
        return
    for name, marker in injected.markers.items():
        try:
            found = bound.provider(injected, name)
        except WiringFault:
            continue
        yield Injection(
            function,
            library.marker_name(marker),
            found,
            name,
            injected.annotations[name],
            injected.defaults[name],
            hands_over=library.is_provider_marker(marker),
        )


@dataclass(frozen=True)
class Use:
    """A provider that an injection calls without arguments.

    Args:
        provider: The provider.
        path: The providers from the injected one to it.
        injections: All injections that lead to it.
    """

    provider: providers.Provider[Any]
    path: Path
    injections: list[Injection]

    @property
    def titles(self) -> list[str]:
        return [each.title for each in self.injections]


class CheckedApp:
    """An app for the rules: the graph of its container, and its injections.

    Args:
        app: The app.
        bound: The app's container and its state.
        tasks: The service's Celery tasks by name.
    """

    def __init__(self, app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> None:
        self.app, self.bound, self.tasks = app, bound, tasks
        self.graph = Graph(bound.container)

    @cached_property
    def functions(self) -> list[AppFunction]:
        """All functions that the app calls."""
        return list(find_functions(self.app, self.tasks))

    @cached_property
    def targets(self) -> list[AppFunction]:
        """The targets of providers that have a parameter with a marker."""
        found = []
        for provider in self.graph.nodes():
            target = self.graph.target(provider)
            if target is not None and any(find_marked(target.function)):
                title = f"Provider {self.graph.name(provider)}"
                found.append(AppFunction(title, target.function, filled=target.filled))
        return found

    @cached_property
    def injections(self) -> list[Injection]:
        """The injections of the app's functions."""
        return self.injections_of(self.functions)

    def injections_of(self, functions: Iterable[AppFunction]) -> list[Injection]:
        return [
            injection
            for function in functions
            for injection in find_injections(function, self.bound)
        ]

    @cached_property
    def uses(self) -> list[Use]:
        """All providers that an injection calls, including their settings."""
        return self.uses_of(self.injections)

    def uses_of(self, injections: Iterable[Injection]) -> list[Use]:
        """Return each provider that ``injections`` call, with the path to it."""
        starts: dict[providers.Provider[Any], list[Injection]] = {}
        for injection in injections:
            if not injection.hands_over:
                starts.setdefault(injection.provider, []).append(injection)
        found: dict[Any, Use] = {}
        for start, group in starts.items():
            for path in self.graph.paths(start, lambda _: True):
                # A setting counts once for each provider that uses it.
                use = found.setdefault(path[-2:], Use(path[-1], path, []))
                use.injections.extend(group)
        return list(found.values())

    def name_path(self, path: Path) -> list[str]:
        """Return the names of a path, without a setting at its end."""
        last = path[-1]
        ends = library.option_of(last) is not None or type(last).__name__ == "Settings"
        return [self.graph.name(each) for each in (path[:-1] if ends else path)]
