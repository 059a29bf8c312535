"""Find async targets behind functions without ``async``: no event loop runs them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from dependency_injector import providers

from ..callables import find_layers, is_async_function
from ..errors import WiringFault
from ..providers import Late
from ..targets import get_called
from .checked_app import CheckedApp, Use
from .functions import AppFunction

__all__ = ["FIX_ASYNC", "AsyncTarget", "check_async"]

FIX_ASYNC = "make the function async, or the target a plain function"


class AsyncTarget(WiringFault):
    """A function without ``async`` needs an object that an async function makes."""

    def __init__(self, function: str, place: str, name: str) -> None:
        self.function, self.place, self.name = function, place, name
        super().__init__(
            f"{function} is not async, but an async function makes {name}.",
            ("in", place),
            ("fix", FIX_ASYNC),
        )


def check_async(checked: CheckedApp) -> Iterator[AsyncTarget]:
    """Find async targets whose object a function without ``async`` needs at once.

    An injected coroutine is not reported, because the function may run it.
    """
    for use in checked.uses:
        if not _needs_loop(use):
            continue
        for injection in use.injections:
            if not _is_async(injection.function):
                name = checked.graph.name(use.provider)
                yield AsyncTarget(injection.title, injection.place, name)


def _needs_loop(use: Use) -> bool:
    """Whether the library awaits the target, because it keeps or passes its result."""
    provider = use.provider
    if provider.last_overriding is not None or not _is_async_target(provider):
        return False
    if isinstance(provider, Late):
        return False  # the kit's providers pass the coroutine itself
    kept = isinstance(provider, providers.BaseSingleton | providers.BaseResource)
    return kept or len(use.path) > 1


def _is_async_target(provider: Any) -> bool:
    return is_async_function(get_called(provider))


def _is_async(function: AppFunction) -> bool:
    return any(map(inspect.iscoroutinefunction, find_layers(function.function)))
