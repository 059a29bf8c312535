"""Find mistakes that only opening shows: wrong types of values, targets that raise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from ...config.values import Section
from ...errors import ConfigurationError, Fault, NotConfigured
from .. import library
from ..callables import is_async_function
from ..edges import (
    dependencies,
    is_undecided,
    is_value,
    key_of,
    origin_of,
    settings_of,
)
from ..graph import Graph
from ..lifecycle import Lifecycle
from ..providers import Late
from ..settings import Choice, Settings, active_dependencies, is_configured
from ..targets import get_called
from .checked_app import CheckedApp
from .failure import NotClosed, NotOpened, make_failure

__all__ = [
    "check_opening",
    "find_lack",
    "find_own_components",
    "is_kit_component",
    "make_fault",
    "open_injected",
]

logger = logging.getLogger(__name__)

_KIT = "modern_flask"
_FAILURES = (Exception, SystemExit)
"""What an opener raises. SystemExit would make gunicorn boot workers for ever."""


def check_opening(
    container: DynamicContainer,
    wanted: Callable[[providers.Provider[Any]], bool] = lambda _: True,
) -> Iterator[Exception]:
    """Open each configured component by itself, then close all of them again.

    Args:
        container: The container.
        wanted: Returns True for each component to open.
    """
    lifecycle, graph = Lifecycle(container), Graph(container)
    failed: set[providers.Provider[Any]] = set()
    found: list[Exception] = []
    for provider in filter(wanted, _find_resources(container, lifecycle)):
        try:
            provider()
        except Fault as fault:
            found.append(fault)
            failed.add(provider)
        except _FAILURES as error:
            # A component that depends on a failed one would raise the same error.
            if failed.isdisjoint(_find_foundations(provider)):
                found.append(make_fault(provider, error, graph))
            failed.add(provider)
    found += _find_lacks(container)
    try:
        lifecycle.close()
    except ExceptionGroup as group:
        found += [_make_close_fault(each, graph) for each in group.exceptions]
    # All components that depend on one component raise the same fault.
    yield from {str(fault): fault for fault in found}.values()


def _make_close_fault(error: Exception, graph: Graph) -> Exception:
    return error if isinstance(error, Fault) else NotClosed(make_failure(error, graph))


def is_kit_component(provider: providers.Provider[Any]) -> bool:
    """Whether opening ``provider`` runs only the kit's code and connects to nothing."""
    for each in (provider, *_find_foundations(provider)):
        # It makes no object: what it was given is a foundation itself.
        if isinstance(each, providers.Dependency):
            continue
        if each.last_overriding is not None:
            return False
        if isinstance(each, Late):
            target = each.provides
            named = isinstance(target, str)
            module = target if named else getattr(target, "__module__", "")
            if not f"{module}.".startswith("modern_flask."):
                return False
        elif not isinstance(each, Choice) and not is_value(each):
            return False
    return True


def _find_lacks(container: DynamicContainer) -> list[NotConfigured]:
    """Find the service's own components without a key that they require.

    Other keys of their sections are set. The check opens the kit's components, so these
    report by themselves what they lack.
    """
    found = map(find_lack, find_own_components(container))
    return [lack for lack in found if lack is not None]


def find_lack(provider: providers.Provider[Any]) -> NotConfigured | None:
    """Find the required key that a component of the service lacks."""
    if provider.last_overriding is not None or _get_package(provider) == _KIT:
        return None
    chosen = isinstance(provider, Choice)
    for maker in active_dependencies(provider) if chosen else [provider]:
        for source in settings_of(maker):
            lack = source.find_lack() if isinstance(source, Settings) else None
            if lack is not None:
                return lack
    return None


def find_own_components(
    container: DynamicContainer,
) -> list[providers.Provider[Any]]:
    """Find the configured components that only the service's own code opens."""
    found = Lifecycle(container).resources()
    return [provider for provider in found if not is_kit_component(provider)]


def open_injected(checked: CheckedApp) -> Iterator[Exception]:
    """Open all injected components, and find mistakes in their configuration.

    The components stay open, because the app will use them. An error that is not a
    mistake in the configuration, such as a server that does not respond, is logged: the
    next request may succeed.
    """
    seen: set[providers.Provider[Any]] = set()
    waiting = [
        injection.provider
        for injection in checked.injections
        if is_configured(injection.provider)
    ]
    for provider in waiting:
        if provider in seen:
            continue
        seen.add(provider)
        if isinstance(provider, providers.BaseResource) and not _is_async(provider):
            try:
                provider()
            except ConfigurationError as fault:
                yield fault
            except _FAILURES as error:
                # If a dependency failed, its own error is already reported.
                if all(map(_is_open, _find_foundations(provider))):
                    logger.warning("%s", make_fault(provider, error, checked.graph))
        if not is_undecided(provider):
            waiting.extend(dependencies(provider))


def _is_async(provider: providers.Provider[Any]) -> bool:
    """Whether only an event loop can open it."""
    return is_async_function(get_called(provider))


def _is_open(provider: providers.Provider[Any]) -> bool:
    return not isinstance(provider, providers.BaseResource) or provider.initialized


def make_fault(
    provider: providers.Provider[Any], error: BaseException, graph: Graph
) -> Fault:
    """Make the fault of a component that raised ``error`` on opening.

    The fault has no cause: the text of the error may hold a secret.
    """
    if isinstance(error, Fault):
        return error
    lack = find_lack(provider)
    if lack is not None:
        return lack
    failure = make_failure(error, graph, _get_package(provider))
    return NotOpened(graph.name(provider), failure, _find_given(provider))


def _get_package(provider: providers.Provider[Any]) -> str:
    """Return the top package of the function that opens a component."""
    chosen = next(active_dependencies(provider), None)
    maker = chosen if isinstance(provider, Choice) else provider
    called = maker.provides if isinstance(maker, Late) else get_called(maker)
    named = called if isinstance(called, str) else getattr(called, "__module__", None)
    return str(named or "").partition(".")[0]


def _find_foundations(
    provider: providers.Provider[Any],
) -> Iterator[providers.Provider[Any]]:
    """Find all providers whose objects ``provider`` needs, directly or indirectly."""
    seen = {provider}
    waiting = [provider]
    for found in waiting:
        for needed in dependencies(found):
            if needed not in seen:
                seen.add(needed)
                waiting.append(needed)
                yield needed


def _find_given(provider: providers.Provider[Any]) -> dict[str, object]:
    """Find the keys that are set for ``provider``, with their origins."""
    found: dict[str, object] = {}
    chosen = isinstance(provider, Choice)
    for maker in active_dependencies(provider) if chosen else [provider]:
        for source in settings_of(maker):
            values = source() if isinstance(source, Settings) else None
            if isinstance(values, Section):
                found |= {values.key(name): values.origin(name) for name in values}
            # Without its conversion, which may be what has failed.
            elif (option := library.option_of(source)) and option() is not None:
                found[key_of(option)] = origin_of(option)
    return found


def _find_resources(
    container: DynamicContainer, lifecycle: Lifecycle
) -> Iterator[providers.Provider[Any]]:
    yield from lifecycle.resources()
    for provider in container.providers.values():
        # A choice whose key names no branch is not a resource, but it is a fault.
        if not isinstance(provider, Choice) or provider.value is None:
            continue
        if provider.last_overriding is None and not is_configured(provider):
            yield provider
