"""The instance of a declared container: its methods know what is configured.

The methods work as the library documents. They differ where the library's own would
fail: ``init_resources`` would open every branch of a selector and every component
without configuration, and one failing closer would keep the others from running.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from dependency_injector import providers
from dependency_injector.containers import DynamicContainer, SingletonResetContext

from ..errors import join_names
from .edges import dependencies
from .errors import NotAContainer
from .injection import (
    bind_library_functions,
    note_wired,
    refresh_resolvers,
    title_of,
)
from .lifecycle import Lifecycle, find_opened, get_replaced, reset_singletons
from .settings import Choice, active_dependencies

__all__ = ["ContainerInstance", "check_container", "find_stale_users"]


class ContainerInstance(DynamicContainer):
    """An instance of the kit's container."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. A provider is added, or replaces the one of its name.

        Providers that were declared with the replaced one still use it. The check and
        the start warn about these; ``override`` replaces a provider for all its users.
        """
        old = vars(self).get("providers", {}).get(name)
        super().__setattr__(name, value)
        if isinstance(value, providers.Provider) and value is not old:
            if old is not None:
                get_replaced(self).setdefault(name, []).append(old)
            refresh_resolvers(self)

    def init_resources(self, resource_type: Any = providers.BaseResource) -> Any:
        """Open the configured resources; of a selector, only the chosen branch.

        Returns:
            None; an awaitable if one of the resources is asynchronous.

        Raises:
            TypeError: ``resource_type`` is not a kind of resource.
        """
        _check_type(resource_type)
        results = [
            provider()
            for provider in Lifecycle(self).resources()
            if isinstance(_get_branch(provider), resource_type)
        ]
        awaited = [result for result in results if inspect.isawaitable(result)]
        return asyncio.gather(*awaited) if awaited else None

    def shutdown_resources(self, resource_type: Any = providers.BaseResource) -> Any:
        """Close the resources that are open, each before its dependencies.

        A closer that fails does not stop the others.

        Returns:
            None; an awaitable if one of the resources is asynchronous.

        Raises:
            TypeError: ``resource_type`` is not a kind of resource.
            Exception: The error of a closer, if only one failed.
            ExceptionGroup: The errors of the closers, if several failed.
        """
        _check_type(resource_type)
        opened = [
            provider
            for provider in find_opened(self)
            if isinstance(provider, resource_type)
        ]
        if any(provider.is_async_mode_enabled() for provider in opened):
            return _shut_down_async(opened)
        failures = []
        for provider in opened:
            try:
                provider.shutdown()
            except Exception as failure:
                failures.append(failure)
        _raise(failures)
        return None

    def reset_singletons(self) -> Any:
        """Forget every singleton; used in a `with` statement, also after the block."""
        reset_singletons(self)
        return SingletonResetContext(self)

    def wire(
        self,
        modules: Any = None,
        packages: Any = None,
        from_package: str | None = None,
        keep_cache: bool | None = None,
        warn_unresolved: bool = False,
    ) -> None:
        """Wire the library's ``@inject``, and the kit's for calls without an app."""
        named = self.wiring_config.modules or self.wiring_config.packages
        if from_package is None and not named:
            # The library would use the package of its caller, and that is this module.
            from_package = (
                self.wiring_config.from_package
                or sys._getframe(1).f_globals.get("__package__")
                or None
            )
        super().wire(modules, packages, from_package, keep_cache, warn_unresolved)
        note_wired(self)

    def unwire(self) -> None:
        """Undo :meth:`wire`: the functions use the current app's container again."""
        super().unwire()
        note_wired(self)
        bind_library_functions()


def check_container(container: Any, needed: Sequence[str]) -> None:
    """Check that an object is the instance of a container.

    Args:
        container: The object.
        needed: The names of the providers that it must have.

    Raises:
        NotAContainer: It is a class or another object, or it lacks a provider.
    """
    name = getattr(container, "__name__", type(container).__name__)
    if isinstance(container, type) and hasattr(container, "providers"):
        raise NotAContainer(name, "it is a class", f"pass an instance: {name}()")
    if not isinstance(container, DynamicContainer):
        remedy = "pass an instance of modern_flask.Container or of a subclass"
        raise NotAContainer(f"A {name}", "it is not a container", remedy)
    missing = [each for each in needed if each not in container.providers]
    if missing:
        title = title_of(container)
        raise NotAContainer(
            title,
            f"it has no {join_names(missing, 'or')}",
            f"derive it: class {title}(modern_flask.Container)",
        )


def find_stale_users(container: DynamicContainer) -> dict[str, list[str]]:
    """Find the providers that still use one that ``set_provider`` has replaced.

    Returns:
        The names of these users, by the name of the replaced provider.
    """
    found: dict[str, list[str]] = {}
    for name, olds in get_replaced(container).items():
        users = [
            user
            for user, provider in container.providers.items()
            # A new provider that wraps the old one uses it on purpose.
            if user != name and any(old in dependencies(provider) for old in olds)
        ]
        if users:
            found[name] = users
    return found


def _check_type(resource_type: Any) -> None:
    if not issubclass(resource_type, providers.BaseResource):
        raise TypeError("resource_type must be a subclass of Resource provider")


def _get_branch(provider: Any) -> Any:
    if isinstance(provider, Choice) and provider.last_overriding is None:
        return next(active_dependencies(provider), None)
    return provider


async def _shut_down_async(opened: Iterable[Any]) -> None:
    failures = []
    for provider in opened:
        try:
            result = provider.shutdown()
            if inspect.isawaitable(result):
                await result
        except Exception as failure:
            failures.append(failure)
    _raise(failures)


def _raise(failures: list[Exception]) -> None:
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup("Closing the container's resources failed.", failures)
