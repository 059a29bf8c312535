"""What type a provider gives, as far as its target says so."""

from __future__ import annotations

import inspect
import types
from collections.abc import Generator, Iterable, Iterator
from typing import (
    Annotated,
    Any,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from dependency_injector import providers

from ..providers import Late
from ..settings import active_dependencies

__all__ = ["are_incompatible", "format_type", "get_provided_type"]

_YIELDING = (Iterator, Generator, Iterable)
_NUMBERS = {int, float, complex}  # each passes for the next (PEP 484)


def get_provided_type(provider: providers.Provider[Any]) -> Any:
    """The type that ``provider`` gives; ``Any`` where that is not known.

    What a test puts in its place has any type it likes.
    """
    if provider.last_overriding is not None:
        return Any
    if isinstance(provider, providers.Selector):
        branches = list(provider.providers.values())
        chosen = [found for found in active_dependencies(provider) if found in branches]
        return get_provided_type(chosen[0]) if len(chosen) == 1 else Any
    if isinstance(provider, providers.Object):
        return type(provider.provides)
    if isinstance(provider, Late):
        return _returned(provider.load())
    kinds = (providers.Factory, providers.BaseSingleton, providers.BaseResource)
    if isinstance(provider, kinds) or type(provider) is providers.Callable:
        return _returned(provider.provides)
    return Any


def _returned(target: Any) -> Any:
    if isinstance(target, type):
        return target
    try:
        found = get_type_hints(target).get("return", Any)
    except Exception:  # a name that exists for type checkers only
        return Any
    made = inspect.isgeneratorfunction(inspect.unwrap(target))
    if made and get_origin(found) in _YIELDING:
        return get_args(found)[0]
    return found


def are_incompatible(wanted: Any, given: Any) -> bool:
    """Whether no object can be both.

    A base class may turn out to be the class that is wanted: that is no contradiction.
    """
    some, others = list(_classes(wanted)), list(_classes(given))
    if not some or not others:
        return False
    return not any(
        issubclass(one, other) or issubclass(other, one) or {one, other} <= _NUMBERS
        for one in some
        for other in others
    )


def _classes(annotation: Any) -> Iterator[type]:
    """The classes that an annotation allows; none where that is not known."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _classes(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        found = [list(_classes(part)) for part in get_args(annotation)]
        # One part that may be anything makes all of it anything.
        if all(found):
            yield from (kind for part in found for kind in part)
    elif isinstance(origin or annotation, type):
        kind = origin or annotation
        open_ended = kind is Any or is_typeddict(kind)
        if not open_ended and not getattr(kind, "_is_protocol", False):
            yield kind
    elif annotation is None:
        yield type(None)


def format_type(annotation: Any) -> str:
    """``Session``; ``Redis | None``."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    return str(annotation).replace("typing.", "")
