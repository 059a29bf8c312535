"""The library's singletons, put aside and back: it only knows how to forget them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dependency_injector import providers

__all__ = ["set_aside"]

_ABSENT: Any = object()


class _NotMade(Exception):
    """A singleton was asked for its object, and had none."""


@contextmanager
def set_aside(singleton: Any) -> Iterator[None]:
    """Have ``singleton`` make another object in the block, and the former again after.

    Of one that is local to a thread or a context, the object of this one.
    """
    if isinstance(singleton, providers.AbstractSingleton):
        yield  # what overrides it holds the object, and is put aside itself
        return
    made = _held(singleton)
    singleton.reset()
    try:
        yield
    finally:
        singleton.reset()
        if made is not _ABSENT:
            with _calling(singleton, lambda: made):
                singleton()


def _held(singleton: Any) -> Any:
    """The object that was made already; none is made."""
    if singleton.provided_type is not None:
        return _ABSENT  # it takes no target but of that type

    def refuse() -> Any:
        raise _NotMade

    with _calling(singleton, refuse):
        try:
            return singleton()
        except _NotMade:
            return _ABSENT


@contextmanager
def _calling(singleton: Any, target: Callable[[], Any]) -> Iterator[None]:
    """Within the block a call reaches ``singleton`` itself, which calls ``target``."""
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
