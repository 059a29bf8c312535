"""Opening and closing the resources of a container, in order, whatever fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from ..waiting import DeadlinePassed, call_within
from .providers import Opened
from .settings import Choice, active_dependencies, is_configured

__all__ = ["CLOSE_DEADLINE", "Lifecycle", "find_opened", "reset_singletons"]

CLOSE_DEADLINE = 10.0  # seconds for one closer; a pod has 30 in all

logger = logging.getLogger(__name__)


class Lifecycle:
    """Opens each configured resource once, closes all in the reverse order.

    Both are idempotent, and safe to call from several threads.
    """

    def __init__(self, container: DynamicContainer, deadline: float = CLOSE_DEADLINE):
        self.container = container
        self.deadline = deadline
        self._lock = threading.RLock()
        self._users = 0

    def open(self) -> None:
        """Open all in topological order, ties as declared; undo a start that fails.

        Raises:
            Exception: What the first failing resource raised.
        """
        with self._lock:
            try:
                for provider in self.resources():
                    provider()
            except BaseException:
                try:
                    self.close()
                except Exception:
                    logger.exception("Closing after a failed start failed as well.")
                raise

    def close(self) -> None:
        """Close everything that is open, the last opened first, each with a deadline.

        Raises:
            ExceptionGroup: What the closers raised.
        """
        with self._lock:
            failures: list[Exception] = []
            for provider in find_opened(self.container):
                try:
                    _close_in_time(self.deadline, provider)
                except Exception as failure:
                    failures.append(failure)
            reset_singletons(self.container)
        if failures:
            raise ExceptionGroup("Closing the container's resources failed.", failures)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Open all, and close after the last block that entered here has ended."""
        with self._lock:
            self.open()
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                last = self._users == 0
            if last:
                self.close()

    def resources(self) -> Iterator[providers.Provider[Any]]:
        """The configured resources in the order of their declaration.

        A resource opens its dependencies before itself, by calling them.
        """
        for provider in _iterate_declared(self.container.providers):
            kinds = (providers.BaseResource, Choice)
            if isinstance(provider, kinds) and is_configured(provider):
                yield provider


def _iterate_declared(found: Any) -> Iterator[providers.Provider[Any]]:
    """The providers of a container, and of the containers in it."""
    for provider in found.values():
        yield provider
        if isinstance(provider, providers.Container):
            yield from _iterate_declared(provider.providers)


def reset_singletons(container: DynamicContainer) -> None:
    """Forget every singleton of ``container``, as the library does.

    An abstract one that nothing overrides holds none, and the library's call raises.
    """
    for provider in container.traverse(types=[providers.BaseSingleton]):
        abstract = isinstance(provider, providers.AbstractSingleton)
        if not abstract or provider.last_overriding is not None:
            provider.reset()


def find_opened(container: DynamicContainer) -> list[providers.BaseResource[Any]]:
    """The open resources, in the order in which to close them.

    The kit's own are numbered when they are complete, so the reverse is a topological
    order; the library's plain resources close before their dependencies.
    """
    found: list[providers.BaseResource[Any]] = []
    for provider in _iterate_post_order(container.providers.values()):
        if isinstance(provider, providers.BaseResource) and provider.initialized:
            found.append(provider)
    own = sorted((p for p in found if isinstance(p, Opened)), key=lambda p: p.sequence)
    if len(own) == len(found):
        return list(reversed(own))
    return list(reversed(found))


def _iterate_post_order(roots: Any) -> Iterator[providers.Provider[Any]]:
    seen: set[providers.Provider[Any]] = set()

    def walk(provider: providers.Provider[Any]) -> Iterator[providers.Provider[Any]]:
        if provider in seen:
            return
        seen.add(provider)
        overridden = provider.related if provider.last_overriding is not None else ()
        chooses = isinstance(provider, providers.Selector)
        branches = provider.related if chooses else ()
        for needed in (*active_dependencies(provider), *overridden, *branches):
            yield from walk(needed)
        yield provider

    for root in roots:
        yield from walk(root)


def _close_in_time(seconds: float, provider: providers.BaseResource[Any]) -> None:
    """Close ``provider`` in a thread of its own: a closer that hangs is left behind."""
    name = provider.label if isinstance(provider, Opened) else type(provider).__name__
    try:
        call_within(seconds, provider.shutdown, f"close {name}")
    except DeadlinePassed:
        raise TimeoutError(
            f"{name} was not closed within {seconds:g} s; it was left."
        ) from None
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"{name} left its closer by {error!r}.") from error
