"""Opening and closing what a container holds, in order, whatever fails on the way."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer

from .providers import Opened
from .settings import Choice, active_dependencies, is_configured

__all__ = ["CLOSE_DEADLINE", "Lifecycle", "opened"]

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
        """Open in topological order, ties as declared; undo a half-done start.

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
                    logger.exception("Undoing a start that failed, failed too.")
                raise

    def close(self) -> None:
        """Close everything that is open, the last opened first, each with a deadline.

        Raises:
            ExceptionGroup: What the closers raised.
        """
        with self._lock:
            failures: list[Exception] = []
            for provider in opened(self.container):
                try:
                    _within(self.deadline, provider)
                except Exception as failure:
                    failures.append(failure)
            self.container.reset_singletons()
        if failures:
            raise ExceptionGroup("Closing the container's resources failed.", failures)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Open, and close after the last of those who are inside has left."""
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

        What a resource depends on opens first, by being asked for.
        """
        for provider in _declared(self.container.providers):
            kinds = (providers.BaseResource, Choice)
            if isinstance(provider, kinds) and is_configured(provider):
                yield provider


def _declared(found: Any) -> Iterator[providers.Provider[Any]]:
    """What a container provides, and the containers inside of it."""
    for provider in found.values():
        yield provider
        if isinstance(provider, providers.Container):
            yield from _declared(provider.providers)


def opened(container: DynamicContainer) -> list[providers.BaseResource[Any]]:
    """What is open, in the order in which to close it.

    The kit's own count the moment at which they were complete, so that the reverse is a
    topological order; the library's plain resources close before what they stand on.
    """
    found: list[providers.BaseResource[Any]] = []
    for provider in _post_order(container.providers.values()):
        if isinstance(provider, providers.BaseResource) and provider.initialized:
            found.append(provider)
    own = sorted((p for p in found if isinstance(p, Opened)), key=lambda p: p.sequence)
    if len(own) == len(found):
        return list(reversed(own))
    return list(reversed(found))


def _post_order(roots: Any) -> Iterator[providers.Provider[Any]]:
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


def _within(seconds: float, provider: providers.BaseResource[Any]) -> None:
    """Close ``provider`` in a thread of its own: a closer that hangs can be left."""
    raised: list[BaseException] = []

    def close() -> None:
        try:
            provider.shutdown()
        except BaseException as error:
            raised.append(error)

    name = getattr(provider, "label", type(provider).__name__)
    thread = threading.Thread(target=close, name=f"close {name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # From Python 3.12 on none can be started once the interpreter ends: better
        # without a deadline than not at all.
        close()
    else:
        thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"{name} was not closed within {seconds:g} s; it was left.")
    if raised:
        if isinstance(raised[0], Exception):
            raise raised[0]
        raise RuntimeError(f"{name} left its closer by {raised[0]!r}.") from raised[0]
