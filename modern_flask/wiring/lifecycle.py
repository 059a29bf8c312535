"""Open and close the resources of a container in order, even if some of them fail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from ..waiting import DeadlinePassed, call_within
from .providers import Opened
from .settings import Choice, active_dependencies, is_configured

__all__ = [
    "CLOSE_DEADLINE",
    "Explain",
    "Lifecycle",
    "find_opened",
    "get_replaced",
    "reset_singletons",
]

CLOSE_DEADLINE = 10.0  # seconds for one closer; Kubernetes gives a pod 30 s in all

_REPLACED = "_modern_flask_replaced"

logger = logging.getLogger(__name__)

Explain = Callable[[providers.Provider[Any], BaseException], Exception]
"""Makes the error to raise from a resource and the error that it raised."""


class Lifecycle:
    """Opens each configured resource once, and closes all in the reverse order.

    Both operations are idempotent and thread-safe.

    Args:
        container: The container.
        deadline: Seconds that each closer has.
    """

    def __init__(self, container: DynamicContainer, deadline: float = CLOSE_DEADLINE):
        self.container = container
        self.deadline = deadline
        self._lock = threading.RLock()
        self._users = 0

    def open(self, explain: Explain | None = None) -> None:
        """Open all resources, each after its dependencies, else in declared order.

        If one fails, all open resources are closed again.

        Args:
            explain: Makes the error to raise for a failing resource. By default its own
                error is raised.

        Raises:
            Exception: The error of the first failing resource.
        """
        with self._lock:
            failure = self._open_each(explain)
        # Raised outside of the handler: a context would be printed with the error.
        if failure is not None:
            raise failure

    def _open_each(self, explain: Explain | None) -> Exception | None:
        provider: providers.Provider[Any] | None = None
        try:
            for provider in self.resources():
                provider()
        except BaseException as error:
            try:
                self.close()
            except Exception:
                logger.exception("Closing failed, too, after a failed start.")
            explained = isinstance(error, Exception | SystemExit)
            if explain is None or provider is None or not explained:
                raise
            return explain(provider, error)
        return None

    def close(self) -> None:
        """Close all open resources, the last opened first, each with a deadline.

        Raises:
            ExceptionGroup: The errors of the closers.
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
    def running(self, explain: Explain | None = None) -> Iterator[None]:
        """Open all resources, and close them when the last running block ends.

        Args:
            explain: As in :meth:`open`.
        """
        with self._lock:
            self.open(explain)
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
        """Yield the configured resources in the order of their declaration.

        A resource calls its dependencies when it opens, so they open first.
        """
        for provider in _iterate_declared(self.container.providers):
            kinds = (providers.BaseResource, Choice)
            if isinstance(provider, kinds) and is_configured(provider):
                yield provider


def _iterate_declared(found: Any) -> Iterator[providers.Provider[Any]]:
    """Yield the providers of a container and of its inner containers."""
    for provider in found.values():
        yield provider
        if isinstance(provider, providers.Container):
            yield from _iterate_declared(provider.providers)


def reset_singletons(container: DynamicContainer) -> None:
    """Forget every singleton of ``container``, as the library does.

    This skips abstract singletons without an override: they hold no object, and the
    library's ``reset`` raises an error for them.
    """
    for provider in container.traverse(types=[providers.BaseSingleton]):
        abstract = isinstance(provider, providers.AbstractSingleton)
        if not abstract or provider.last_overriding is not None:
            provider.reset()


def find_opened(container: DynamicContainer) -> list[providers.BaseResource[Any]]:
    """Return the open resources in the order in which they must be closed.

    The kit's resources get a number when they are complete, so the reverse of their
    numbers is a topological order. If there are also plain resources of the library,
    each resource is closed before its dependencies.
    """
    found: list[providers.BaseResource[Any]] = []
    replaced = chain.from_iterable(get_replaced(container).values())
    for provider in _iterate_post_order((*container.providers.values(), *replaced)):
        if isinstance(provider, providers.BaseResource) and provider.initialized:
            found.append(provider)
    own = sorted((p for p in found if isinstance(p, Opened)), key=lambda p: p.sequence)
    if len(own) == len(found):
        return list(reversed(own))
    return list(reversed(found))


def get_replaced(container: Any) -> dict[str, list[providers.Provider[Any]]]:
    """Return the providers that others of the same name have replaced, to change."""
    found: dict[str, list[providers.Provider[Any]]]
    found = vars(container).setdefault(_REPLACED, {})
    return found


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
    """Close ``provider`` in a new thread, and abandon a closer that hangs."""
    name = provider.label if isinstance(provider, Opened) else type(provider).__name__
    try:
        call_within(seconds, provider.shutdown, f"close {name}")
    except DeadlinePassed:
        raise TimeoutError(
            f"{name} was not closed within {seconds:g} s; it was abandoned."
        ) from None
    except Exception:
        raise
    except BaseException as error:
        raise RuntimeError(f"The closer of {name} raised {error!r}.") from error
