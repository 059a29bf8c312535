"""Find mistakes that only opening shows: wrong types of values, targets that raise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from traceback import walk_tb
from typing import Any
from urllib.parse import quote

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from ...config.masking import MASK, is_secret, redact_lines
from ...config.values import Section, Values
from ...errors import ConfigurationError, Fault
from .. import library
from ..callables import is_async_function
from ..edges import dependencies, is_undecided, is_value, key_of, settings_of
from ..errors import WiringFault
from ..graph import Graph
from ..lifecycle import Lifecycle
from ..providers import Late
from ..settings import Choice, Settings, active_dependencies, is_configured
from ..targets import get_called
from .checked_app import CheckedApp

__all__ = [
    "NotClosed",
    "NotOpened",
    "check_opening",
    "is_kit_component",
    "open_injected",
]

logger = logging.getLogger(__name__)

_SHORTEST_SECRET = 6  # characters; a shorter value would mask much of a normal text


class NotOpened(ConfigurationError):
    """A component raised an error on opening, mostly for a value of a wrong type.

    Args:
        component: The provider's name.
        error: The error of the component.
        given: The keys that are set for the component, with their origins if known.
        reason: The text of the error, without secrets.
    """

    def __init__(
        self,
        component: str,
        error: Exception,
        given: Mapping[str, object],
        reason: str = "",
    ) -> None:
        self.component, self.error, self.given = component, error, dict(given)
        self.reason = reason
        keys = [
            f"{origin} ({key})" if origin else key for key, origin in self.given.items()
        ]
        labels = ["set in", *[""] * len(keys)]
        super().__init__(
            f"{component} can't be opened: {_describe(error, reason)}.",
            ("in", _locate_raise(error)),
            *zip(labels, keys, strict=False),
            ("fix", "correct the values of these keys" if keys else ""),
        )


class NotClosed(WiringFault):
    """A component raised an error when it was closed."""

    def __init__(self, error: Exception, reason: str = "") -> None:
        self.error, self.reason = error, reason
        super().__init__(
            f"A component can't be closed: {_describe(error, reason)}.",
            ("in", _locate_raise(error)),
        )


def _describe(error: Exception, reason: str) -> str:
    name = type(error).__name__
    return f"{name}: {reason.rstrip('.')}" if reason else name


def _locate_raise(error: Exception) -> str:
    """Return the module and the line that raised the error."""
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return ""
    frame, line = frames[-1]
    return f"{frame.f_globals.get('__name__', '?')}, line {line}"


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
        except Exception as error:
            # A component that depends on a failed one would raise the same error.
            if failed.isdisjoint(_find_foundations(provider)):
                found.append(_make_fault(provider, error, graph))
            failed.add(provider)
    try:
        lifecycle.close()
    except ExceptionGroup as group:
        found += [_make_close_fault(each, container) for each in group.exceptions]
    # All components that depend on one component raise the same fault.
    yield from {str(fault): fault for fault in found}.values()


def _make_close_fault(error: Exception, container: DynamicContainer) -> Exception:
    if isinstance(error, Fault):
        return error
    fault = NotClosed(error, _mask(error, container))
    fault.__cause__ = error
    return fault


def is_kit_component(provider: providers.Provider[Any]) -> bool:
    """Whether opening ``provider`` runs only the kit's code and connects to nothing."""
    for each in (provider, *_find_foundations(provider)):
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
            except Exception as error:
                # If a dependency failed, its own error is already reported.
                if all(map(_is_open, _find_foundations(provider))):
                    logger.warning("%s", _make_fault(provider, error, checked.graph))
        if not is_undecided(provider):
            waiting.extend(dependencies(provider))


def _is_async(provider: providers.Provider[Any]) -> bool:
    """Whether only an event loop can open it."""
    return is_async_function(get_called(provider))


def _is_open(provider: providers.Provider[Any]) -> bool:
    return not isinstance(provider, providers.BaseResource) or provider.initialized


def _make_fault(
    provider: providers.Provider[Any], error: Exception, graph: Graph
) -> NotOpened:
    reason = _mask(error, graph.container)
    fault = NotOpened(graph.name(provider), error, _find_given(provider), reason)
    fault.__cause__ = error
    return fault


def _mask(error: Exception, container: DynamicContainer) -> str:
    """Return the first line of an error's text, with the secret values masked."""
    text = next(iter(str(error).strip().splitlines()), "")
    config = container.providers.get("config")
    values = config() if config is not None else None
    for key, value in (values or {}).items():
        secret = str(value)
        if is_secret(str(key)) and len(secret) >= _SHORTEST_SECRET:
            for spelling in (secret, repr(secret)[1:-1], quote(secret, safe="")):
                text = text.replace(spelling, MASK)
    return redact_lines(text)


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
            elif library.option_of(source) is not None:
                whole, key = library.configuration_of(source), key_of(source)
                if isinstance(whole, Values) and key in whole:
                    found[key] = whole.origin(key)
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
