"""Puts the objects of dependency-injector's singletons aside, and restores them.

The library itself can only reset a singleton.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dependency_injector import providers

__all__ = ["set_aside"]

_ABSENT: Any = object()


class _NoObject(Exception):
    """A singleton was called, but had no object yet."""


@contextmanager
def set_aside(singleton: Any) -> Iterator[None]:
    """Let ``singleton`` make a new object in the block, and restore the old one after.

    For a thread-local or context-local singleton, this changes only the object of the
    current thread or context.
    """
    if isinstance(singleton, providers.AbstractSingleton):
        yield  # the override has the object, and is itself put aside
        return
    made = _get_made(singleton)
    singleton.reset()
    try:
        yield
    finally:
        singleton.reset()
        if made is not _ABSENT:
            with _replace_target(singleton, lambda: made):
                singleton()


def _get_made(singleton: Any) -> Any:
    """Return the existing object of ``singleton``, without making one."""
    if singleton.provided_type is not None:
        return _ABSENT  # the singleton accepts only targets of its type

    def refuse() -> Any:
        raise _NoObject

    with _replace_target(singleton, refuse):
        try:
            return singleton()
        except _NoObject:
            return _ABSENT


@contextmanager
def _replace_target(singleton: Any, target: Callable[[], Any]) -> Iterator[None]:
    """In the block, ``singleton`` has no overrides and calls ``target``."""
    provides, attributes = singleton.provides, singleton.attributes
    args, kwargs, doubles = singleton.args, singleton.kwargs, singleton.overridden
    singleton.reset_override()
    singleton.clear_args()
    singleton.clear_kwargs()
    singleton.clear_attributes()
    singleton.set_provides(target)
    try:
        yield
    finally:
        singleton.set_provides(provides)
        singleton.set_args(*args)
        singleton.set_kwargs(**kwargs)
        singleton.set_attributes(**attributes)
        for double in doubles:
            singleton.override(double)
