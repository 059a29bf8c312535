"""Objects that keep others with a shorter life, and cycles of providers."""

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
    """Providers that depend on each other: making one would never end."""

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"{path[0]} depends on itself.",
            ("path", " -> ".join(path)),
            ("fix", "give one of them `NAME.provider`, to call when it is needed"),
        )


class Captive(WiringFault):
    """An object keeps another that lives shorter, and shows it to the next request.

    Args:
        path: From the keeper to what it keeps.
        keeper: The keeper's name, and ``keeps_for`` how long it lives: ``process`` or
            ``thread``.
        kept: The name of what it keeps, and ``lives_for`` how long that lives:
            ``thread`` or ``request``.
        fix: Where the keeper is no provider: what to do.
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
    """Cycles, and captive objects."""
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
    """Generator views that use an object which is closed when the answer is made."""
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
    """Whether a call of the view returns its generator, with nothing around it."""
    layers = list(find_layers(view))
    if any(getattr(layer, "__code__", None) in _STREAMING for layer in layers):
        return False
    return any(map(inspect.isgeneratorfunction, layers)) and all(
        _passes_on(layer) for layer in layers
    )


def _passes_on(layer: Any) -> bool:
    """Whether a layer is the generator itself, or a decorator of the kit over it."""
    module = getattr(layer, "__globals__", {}).get("__name__", "")
    return inspect.isgeneratorfunction(layer) or f"{module}.".startswith(
        ("modern_flask.", "dependency_injector.")
    )
