"""Find calls that would raise TypeError: missing, unknown or too many arguments."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from itertools import pairwise
from types import CodeType
from typing import Any

from dependency_injector import providers

from .. import library
from ..callables import find_layers, get_function, get_signature, locate
from ..edges import REACHING
from ..errors import WiringFault
from ..markers import get_injected
from ..providers import drop_own_keywords
from ..targets import get_called
from .checked_app import CheckedApp, Use
from .requirements import describe_use
from .types import get_provided

__all__ = ["MissingAttribute", "NoTarget", "WrongArguments", "check_arguments"]

_CALLING = (
    providers.BaseResource,
    providers.BaseSingleton,
    providers.Callable,
    providers.Factory,
)
_SELF: Any = object()
_HEAP_TYPE = 1 << 9  # a class that Python code has made
_SETTING = {"setattr", "vars", "__class__", "__dict__", "__setattr__"}


class WrongArguments(WiringFault):
    """The arguments of a provider do not fit its target."""

    def __init__(self, name: str, called: str, why: str, place: str, use: Use) -> None:
        self.name, self.called, self.why, self.place = name, called, why, place
        super().__init__(
            f"{name} can't call {called}: {why}.",
            *describe_use(use),
            ("in", place),
            ("fix", f"correct the arguments of {name}"),
        )


class NoTarget(WiringFault):
    """An injected provider has no target."""

    def __init__(self, name: str, kind: str, use: Use) -> None:
        self.name, self.kind = name, kind
        super().__init__(
            f"{name} is a {kind} without a target.",
            *describe_use(use),
            ("fix", f"write {kind}(Target, ...), or call set_provides"),
        )


class MissingAttribute(WiringFault):
    """``provider.provided.name`` names an attribute that the object does not have."""

    def __init__(self, name: str, kind: str, attribute: str, use: Use) -> None:
        self.name, self.kind, self.attribute = name, kind, attribute
        super().__init__(
            f"{name} provides {kind}, which has no attribute {attribute}.",
            *describe_use(use),
            ("fix", f"correct {name}.provided.{attribute}"),
        )


def check_arguments(checked: CheckedApp) -> Iterator[WiringFault]:
    """Check all providers that an injection calls without arguments."""
    seen: set[providers.Provider[Any]] = set()
    for use in checked.uses:
        provider = use.provider
        if provider in seen or provider.last_overriding is not None:
            continue
        seen.add(provider)
        if not all(map(_is_known, use.path)):
            continue
        for found in _find_reaching(provider):
            yield from _check_reaching(found, use, checked)
        if isinstance(provider, _CALLING) and not _is_replaced(provider):
            yield from _check_target(provider, use, checked)


def _is_known(provider: Any) -> bool:
    """Whether the provider's class is the library's or the kit's.

    Another class may add arguments of its own.
    """
    module = f"{type(provider).__module__}."
    return module.startswith(("dependency_injector.", "modern_flask."))


def _is_replaced(provider: Any) -> bool:
    """Whether ``provider`` is abstract. Another rule checks that it has an override."""
    return type(provider).__name__.startswith("Abstract")


def _check_target(
    provider: Any, use: Use, checked: CheckedApp
) -> Iterator[WiringFault]:
    name = checked.graph.name(provider)
    if provider.provides is None:
        yield NoTarget(name, type(provider).__name__, use)
        return
    called = get_called(provider)
    if called is None or _is_entered_class(provider, called):
        return
    args, named = _skip_delegates(provider)
    why = _try_binding(called, args, named)
    if why:
        title = getattr(called, "__name__", type(called).__name__)
        yield WrongArguments(name, title, why, _locate_called(called), use)


def _locate_called(called: Any) -> str:
    function = get_function(called)
    return locate(function) if inspect.isroutine(function) else ""


def _skip_delegates(provider: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(provider.args), drop_own_keywords(provider)


def _is_entered_class(provider: Any, called: Any) -> bool:
    """Whether the target is a resource class: the library calls its ``init`` method."""
    from dependency_injector import resources

    return isinstance(called, type) and issubclass(
        called, resources.Resource | resources.AsyncResource
    )


def _try_binding(
    called: Any, args: tuple[Any, ...], named: dict[str, Any]
) -> str | None:
    """Return why a call would raise TypeError; None if it would not or is not known."""
    signature = get_signature(called)
    if signature is None or any(map(_is_wrapped, find_layers(called))):
        return None
    injected = get_injected(get_function(called))
    if injected is not None:
        # The signature does not contain the parameters with a marker.
        if args:
            return None
        named = {k: v for k, v in named.items() if k not in injected.markers}
    try:
        signature.bind(*args, **named)
    except TypeError as error:
        return str(error)
    return None


def _is_wrapped(layer: Any) -> bool:
    """Whether the library's own ``@inject`` fills some of the parameters."""
    return library.is_library_function(get_function(layer))


def _find_reaching(provider: Any) -> Iterator[Any]:
    """Find ``provider.provided...`` in the arguments, or as ``provider`` itself."""
    waiting = [provider] if isinstance(provider, REACHING) else []
    if isinstance(provider, _CALLING):
        waiting += [*provider.args, *dict(provider.kwargs).values()]
    for found in waiting:
        if isinstance(found, providers.List | providers.Dict):
            waiting += [*found.args, *getattr(found, "kwargs", {}).values()]
        if isinstance(found, REACHING):
            yield found
            waiting.append(_get_source(found))


def _check_reaching(found: Any, use: Use, checked: CheckedApp) -> Iterator[WiringFault]:
    """Check the first step from a provided object if its class is known."""
    if isinstance(found, providers.MethodCaller):
        yield from _check_call(found, use, checked)
        return
    if not isinstance(found, providers.AttributeGetter):
        return
    source, attribute = _get_first_step(found)
    # Other code that shares the object may set its attributes.
    if type(source) is not providers.Factory or attribute in source.attributes:
        return
    known = get_provided(source)
    if known is not None and known.is_exact and _lacks(known.kind, attribute):
        name = checked.graph.name(source)
        yield MissingAttribute(name, known.kind.__name__, attribute, use)


def _check_call(call: Any, use: Use, checked: CheckedApp) -> Iterator[WiringFault]:
    source, attribute = _get_first_step(call.provides)
    known = get_provided(source) if source is not None else None
    if known is None or not known.is_exact or _may_set(known.kind, attribute):
        return
    method = inspect.getattr_static(known.kind, attribute, None)
    args, named = tuple(call.args), dict(call.kwargs)
    if isinstance(method, staticmethod | classmethod):
        method = getattr(known.kind, attribute)
    elif inspect.isfunction(method):
        args = (_SELF, *args)
    else:
        return
    why = _try_binding(method, args, named)
    if why:
        name = checked.graph.name(source)
        title = f"{known.kind.__name__}.{attribute}"
        yield WrongArguments(name, title, why, _locate_called(method), use)


def _get_source(found: Any) -> Any:
    return found.provides


def _get_first_step(found: Any) -> tuple[Any, str]:
    """Return the provider and the name of ``provider.provided.name``, else None."""
    if isinstance(found, providers.AttributeGetter):
        start: Any = found.provides
        if isinstance(start, providers.ProvidedInstance):
            return start.provides, str(found.name)
    return None, ""


def _lacks(kind: type, name: str) -> bool:
    """Whether the code of ``kind`` shows that its objects have no attribute ``name``.

    That is so if all its classes are plain Python, and none of their methods may set
    the attribute.
    """
    for cls in kind.__mro__[:-1]:
        own = vars(cls)
        if name in own or name in own.get("__annotations__", ()):
            return False
        if {"__getattr__", "__getattribute__", "__slots__"} & own.keys():
            return False
        if cls.__flags__ & _HEAP_TYPE == 0:
            return False
    return not hasattr(object, name) and not _may_set(kind, name)


def _may_set(kind: type, name: str) -> bool:
    """Whether a method may set the attribute: it names it, or passes ``self`` on."""
    return any(
        _may_set_in(code, name)
        for cls in kind.__mro__[:-1]
        for member in vars(cls).values()
        for code in _find_code(member)
    )


def _find_code(member: Any) -> Iterator[CodeType]:
    """Find the code of a member, under its decorators and inside it."""
    kind = type(member)
    if kind in (staticmethod, classmethod):
        member = member.__func__
    if kind is property:
        member = member.fget
    waiting = [getattr(layer, "__code__", None) for layer in find_layers(member)]
    for code in waiting:
        if isinstance(code, CodeType):
            yield code
            waiting += [each for each in code.co_consts if isinstance(each, CodeType)]


def _may_set_in(code: CodeType, name: str) -> bool:
    names = {*code.co_names}
    if name in names or name in code.co_consts or _SETTING & names:
        return True
    if not code.co_argcount:  # the wrapper of a decorator passes ``*args`` on
        return bool(code.co_flags & inspect.CO_VARARGS)
    # If ``self`` is passed on, other code may set its attributes.
    first = code.co_varnames[:1]
    if first[0] in code.co_cellvars:
        return True
    steps = list(dis.get_instructions(code))
    return any(
        (one.argval,) == first and not after.opname.endswith(("_ATTR", "_METHOD"))
        for one, after in pairwise(steps)
        if one.opname.startswith("LOAD")
    )
