"""Find objects that keep others with a shorter lifetime, and cycles of providers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from flask import stream_with_context

from ..callables import find_layers, locate
from ..edges import lifetime
from ..errors import WiringFault
from ..graph import Graph, Path
from ..providers import Scoped
from .checked_app import CheckedApp, Use

__all__ = [
    "FIX_IN_METHOD",
    "FIX_STREAM",
    "Captive",
    "Cycle",
    "UsedAfterRequest",
    "check_generator_views",
    "check_lifetimes",
]

FIX_IN_METHOD = "inject it into the method, or leave init_every_request as it is"
FIX_STREAM = "put @stream_with_context directly under the route, above @inject"

_STREAMING = {
    code
    for code in stream_with_context.__code__.co_consts
    if getattr(code, "co_name", None) == "decorator"
}


class Cycle(WiringFault):
    """Providers depend on each other, so a call of one of them would never return."""

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"{path[0]} depends on itself.",
            ("path", " -> ".join(path)),
            ("fix", "give one of them `NAME.provider`, to call when it is needed"),
        )


class Captive(WiringFault):
    """An object keeps another with a shorter lifetime, so the next request sees it.

    Args:
        path: The providers from the keeping object to the kept one.
        keeper: The name of the keeping object.
        kept: The name of the kept object.
        keeps_for: The lifetime of the keeping object: ``process`` or ``thread``.
        lives_for: The lifetime of the kept object: ``thread`` or ``request``.
        fix: The remedy, if the keeping object does not come from a provider.
    """

    def __init__(
        self,
        path: Sequence[str],
        keeper: str,
        kept: str,
        keeps_for: str = "process",
        lives_for: str = "request",
        fix: str = "",
    ) -> None:
        self.path, self.keeper, self.kept = tuple(path), keeper, kept
        self.keeps_for, self.lives_for = keeps_for, lives_for
        super().__init__(
            f"{keeper} lives as long as {_name_life(keeps_for)} and keeps {kept}, "
            f"which lives as long as {_name_life(lives_for)}.",
            ("path", " -> ".join(path)),
            ("fix", fix or f"declare {keeper} as Scoped, or give it `{kept}.provider`"),
        )


def _name_life(word: str) -> str:
    return f"the {word}" if word == "process" else f"a {word}"


class UsedAfterRequest(WiringFault):
    """A view is a generator: its body runs after the request's objects are closed."""

    def __init__(self, function: str, place: str, name: str) -> None:
        self.function, self.place, self.name = function, place, name
        super().__init__(
            f"{function} is a generator that uses {name}, which is closed before its "
            "body runs.",
            ("in", place),
            ("fix", FIX_STREAM),
        )


def check_lifetimes(checked: CheckedApp) -> Iterator[WiringFault]:
    """Find cycles and captive objects."""
    graph = checked.graph
    for path in graph.cycles():
        yield Cycle([graph.name(provider) for provider in path])
    for path in graph.captives():
        yield _make_captive(graph, path)
    for injection in checked.injections:
        if injection.function.lasting:
            for path in graph.captives_of_owner(injection.provider):
                title, kept = injection.function.title, graph.name(path[-1])
                names = [title, *graph.titled(path)]
                lives = lifetime(path[-1]).value
                yield Captive(names, title, kept, lives_for=lives, fix=FIX_IN_METHOD)


def _make_captive(graph: Graph, path: Path) -> Captive:
    first, last = path[0], path[-1]
    lives = lifetime(first).value, lifetime(last).value
    return Captive(graph.titled(path), graph.name(first), graph.name(last), *lives)


def check_generator_views(checked: CheckedApp) -> Iterator[UsedAfterRequest]:
    """Find generator views that use an object that is closed before their body runs."""
    for use in checked.uses:
        if _is_closed(use):
            for injection in use.injections:
                function = injection.function
                if function.is_view and _runs_late(function.function):
                    place = locate(function.function)
                    name = checked.graph.name(use.provider)
                    yield UsedAfterRequest(function.title, place, name)


def _is_closed(use: Use) -> bool:
    provider = use.provider
    if not isinstance(provider, Scoped) or provider.last_overriding is not None:
        return False
    return inspect.isgeneratorfunction(provider.load())


def _runs_late(view: Any) -> bool:
    """Whether a call of the view returns its generator without a context around it."""
    layers = list(find_layers(view))
    if any(getattr(layer, "__code__", None) in _STREAMING for layer in layers):
        return False
    return any(map(inspect.isgeneratorfunction, layers)) and all(
        _passes_on(layer) for layer in layers
    )


def _passes_on(layer: Any) -> bool:
    """Whether a layer is the generator function, or a decorator of the kit over it."""
    module = getattr(layer, "__globals__", {}).get("__name__", "")
    return inspect.isgeneratorfunction(layer) or f"{module}.".startswith(
        ("modern_flask.", "dependency_injector.")
    )
