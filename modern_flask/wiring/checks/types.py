"""Find parameters whose annotation contradicts the injected object.

A type is checked only if there is an annotation and both types are plain classes: not
an abstract class or a protocol, and no class with a metaclass or its own ``__new__``.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Generator, Iterable, Iterator
from contextlib import _GeneratorContextManager
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from dependency_injector import providers, resources

from .. import library
from ..callables import find_layers, is_async_function, is_context_manager_function
from ..edges import is_undecided
from ..errors import WiringFault
from ..providers import Late
from ..settings import active_dependencies
from .checked_app import CheckedApp, Injection

__all__ = ["Contradiction", "Provided", "check_types", "get_provided", "is_plain"]

_YIELDING = (Iterator, Generator, Iterable)
# Type checkers accept an int for a float, and both for a complex (PEP 484).
_NUMBERS = {int, float, complex}
_BYTES = {bytes, bytearray, memoryview}

_FIX = "inject another provider, or correct the annotation"
_FIXES: dict[type, str] = {
    types.CoroutineType: "make the target a plain function, or await it",
    types.AsyncGeneratorType: "make the target a generator function without async",
    types.GeneratorType: "declare it as Scoped, which gives what the generator yields",
    _GeneratorContextManager: "declare it as Scoped, over the function without "
    "@contextmanager, or enter the injected object",
}


class Contradiction(WiringFault):
    """A parameter's annotation contradicts the type of the injected object."""

    def __init__(
        self, function: str, place: str, name: str, wanted: type, given: type
    ) -> None:
        self.function, self.place, self.name = function, place, name
        self.wanted, self.given = wanted, given
        super().__init__(
            f"{function} expects {wanted.__name__} from {name}, which provides "
            f"{_NAMES.get(given, given.__name__)}.",
            ("in", place),
            ("fix", _FIXES.get(given, _FIX)),
        )


_NAMES: dict[type, str] = {
    types.CoroutineType: "a coroutine",
    types.AsyncGeneratorType: "an asynchronous generator",
    types.GeneratorType: "a generator",
    _GeneratorContextManager: "a context manager that is not entered",
}


@dataclass(frozen=True)
class Provided:
    """The class of the object that a provider gives.

    Args:
        kind: The class.
        is_exact: Whether the object has exactly this class. A function with this return
            annotation may also return an object of a subclass.
    """

    kind: type
    is_exact: bool

    def may_be(self, wanted: type) -> bool:
        """Whether the object can be an instance of ``wanted``."""
        if issubclass(self.kind, wanted) or _is_promoted(self.kind, wanted):
            return True
        if self.is_exact:
            return False
        return issubclass(wanted, self.kind) or _have_common_subclass(self.kind, wanted)


def check_types(checked: CheckedApp) -> Iterator[Contradiction]:
    """Find contradictions between annotations and injected objects."""
    for injection in checked.injections + checked.injections_of(checked.targets):
        if injection.parameter not in injection.function.filled:
            yield from _check(injection)


def _check(injection: Injection) -> Iterator[Contradiction]:
    wanted = _get_class(injection.annotation)
    if injection.hands_over or wanted is None:
        return
    try:
        given = get_provided(injection.provider)
    except (ImportError, AttributeError):  # the rule for targets reports this
        return
    if given is None or _is_awaited(injection, given):
        return
    if not given.may_be(wanted):
        yield Contradiction(
            injection.function.title,
            injection.place,
            injection.name,
            wanted,
            given.kind,
        )


def _is_awaited(injection: Injection, given: Provided) -> bool:
    """Whether the library's own ``@inject`` awaits it for an async function."""
    layers = list(find_layers(injection.function.function))
    return (
        given.kind is types.CoroutineType
        and any(map(inspect.iscoroutinefunction, layers))
        and any(map(library.is_library_function, layers))
    )


def _get_class(annotation: Any) -> type | None:
    """Return the plain class that an annotation names, else None."""
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    return annotation if is_plain(annotation) else None


def is_plain(kind: Any) -> bool:
    """Whether ``kind`` is a class with the usual creation and ``isinstance`` check."""
    return (
        type(kind) is type
        and kind not in (object, inspect.Parameter.empty)
        and not getattr(kind, "_is_protocol", False)
        and not is_typeddict(kind)
    )


def get_provided(provider: providers.Provider[Any]) -> Provided | None:
    """Return the plain class of the provider's object; None if it is not known.

    A test may override a provider with an object of any type.
    """
    if provider.last_overriding is not None:
        return None
    if is_undecided(provider):
        return None
    if isinstance(provider, providers.Selector):
        return _get_of_branch(provider)
    if isinstance(provider, providers.Object):
        configuration = isinstance(provider, providers.Configuration)
        return None if configuration else _make_exact(type(provider.provides))
    if isinstance(provider, Late):
        return _get_of_late(provider.load())
    if isinstance(provider, providers.BaseResource):
        return _get_of_resource(provider.provides)
    if isinstance(provider, providers.TypedConfigurationOption):
        kind: Any = provider.provides
        return Provided(kind, is_exact=True) if kind in (int, float) else None
    kinds = (providers.Factory, providers.BaseSingleton, providers.Callable)
    return _get_returned(provider.provides) if isinstance(provider, kinds) else None


def _get_of_branch(selector: providers.Selector[Any]) -> Provided | None:
    branches = list(selector.providers.values())
    chosen = [found for found in active_dependencies(selector) if found in branches]
    return get_provided(chosen[0]) if len(chosen) == 1 else None


def _get_of_late(target: Any) -> Provided | None:
    if inspect.isgeneratorfunction(target):
        return _make_declared(_get_yielded(target))
    return _get_returned(target)


def _get_of_resource(target: Any) -> Provided | None:
    """Return the class for a library's resource.

    The library enters a context manager, and calls ``init`` of a resource class.
    """
    if isinstance(target, type):
        if issubclass(target, resources.Resource | resources.AsyncResource):
            return _make_declared(_get_hint(target.init))
        if hasattr(target, "__enter__") or hasattr(target, "__aenter__"):
            return None
        return _make_exact(target)
    if is_context_manager_function(target):
        target = target.__wrapped__  # the library enters it
    if inspect.isgeneratorfunction(target):
        return _make_declared(_get_yielded(target))
    if hasattr(target, "__wrapped__"):
        return None
    found = _make_declared(_get_hint(target))
    if found is None or is_async_function(target) or hasattr(found.kind, "__enter__"):
        return None
    return found


def _get_returned(target: Any) -> Provided | None:
    """Return the class of the object that a plain call returns."""
    if isinstance(target, type):
        return _make_exact(target)
    if inspect.iscoroutinefunction(target):
        return Provided(types.CoroutineType, is_exact=True)
    if inspect.isasyncgenfunction(target):
        return Provided(types.AsyncGeneratorType, is_exact=True)
    if inspect.isgeneratorfunction(target):
        return Provided(types.GeneratorType, is_exact=True)
    if is_context_manager_function(target):
        return Provided(_GeneratorContextManager, is_exact=True)
    if hasattr(target, "__wrapped__"):
        return None
    return _make_declared(_get_hint(target))


def _make_exact(kind: type) -> Provided | None:
    """Return the class, if it is certain that calling it makes an object of it."""
    hidden = any("__class__" in vars(each) for each in kind.__mro__[:-1])
    made_otherwise = inspect.isfunction(kind.__new__)
    plain = type(kind) is type and not hidden and not made_otherwise
    return Provided(kind, is_exact=True) if plain else None


def _make_declared(annotation: Any) -> Provided | None:
    found = is_plain(annotation) and annotation is not type(None)
    return Provided(annotation, is_exact=False) if found else None


def _get_hint(target: Any) -> Any:
    try:
        return get_type_hints(target).get("return")
    except Exception:  # a name may exist only for type checkers
        return None


def _get_yielded(target: Any) -> Any:
    found = _get_hint(target)
    return get_args(found)[0] if get_origin(found) in _YIELDING else None


def _is_promoted(given: type, wanted: type) -> bool:
    return {given, wanted} <= _NUMBERS or {given, wanted} <= _BYTES


def _have_common_subclass(one: type, other: type) -> bool:
    waiting = [other]
    for kind in waiting:
        if issubclass(kind, one):
            return True
        waiting += type.__subclasses__(kind)
    return False
