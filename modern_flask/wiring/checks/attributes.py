"""Markers as attributes of classes and modules, which only ``wire`` fills."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .. import library
from ..callables import find_code, find_layers
from ..errors import WiringFault
from ..markers import find_markers, get_injected, iterate_decorated
from .checked_app import CheckedApp
from .functions import find_own_modules

__all__ = ["FIX_ATTRIBUTE", "MarkerAttribute", "check_attributes"]

_ALIASES = ("types", "typing", "typing_extensions")
FIX_ATTRIBUTE = "make it a parameter of the function that uses it, under @inject"


class MarkerAttribute(WiringFault):
    """Code reads an attribute that is still a marker."""

    def __init__(self, owner: str, name: str, user: str) -> None:
        self.owner, self.name, self.user = owner, name, user
        super().__init__(
            f"{user} reads {owner}.{name}, which is a marker that nothing fills.",
            ("fix", FIX_ATTRIBUTE),
        )


def check_attributes(checked: CheckedApp) -> Iterator[MarkerAttribute]:
    """Find markers that the service's code uses as if they were objects.

    A variable may hold a marker for use as the default of parameters, or as part of
    their annotations. The mistake is a function whose code reads another one.
    """
    # type() instead of isinstance(), which would load a lazy module.
    own = find_own_modules(checked.app)
    modules = [module for module in own if type(module) is ModuleType]
    classes = [cls for module in modules for cls in _find_classes(module)]
    if not any(map(_find_named_markers, (*modules, *classes))):
        return
    used = _find_used(modules, classes)
    for module in modules:
        for name, marker in _find_named_markers(module).items():
            if id(marker) not in used:
                yield from _check_global(module, name, classes)
    for cls in classes:
        for name, marker in _find_named_markers(cls).items():
            if id(marker) not in used:
                yield from _check_member(cls, name)


def _find_named_markers(owner: Any) -> dict[str, Any]:
    found = list(vars(owner).items())
    return {name: value for name, value in found if library.is_marker(value)}


def _find_classes(module: ModuleType) -> list[type]:
    """Find the classes of a module, and the classes inside them."""
    found: dict[int, type] = {}
    waiting: list[Any] = [module]
    for owner in waiting:
        for member in list(vars(owner).values()):
            is_class = issubclass(type(member), type) and id(member) not in found
            if is_class and member.__module__ == module.__name__:
                found[id(member)] = member
                waiting.append(member)
    return list(found.values())


def _find_functions(owner: Any) -> Iterator[Any]:
    """Find the functions of a module or class, with those under their decorators."""
    for member in list(vars(owner).values()):
        # type() instead of isinstance(): a proxy without an object raises an error.
        kind = type(member)
        if kind is FunctionType:
            found = [member]
        elif kind in (staticmethod, classmethod):
            found = [member.__func__]
        elif kind is property:
            found = [member.fget, member.fset, member.fdel]
        else:
            continue
        for function in found:
            layers = find_layers(function)
            yield from (layer for layer in layers if type(layer) is FunctionType)


def _find_used(modules: list[ModuleType], classes: list[type]) -> set[int]:
    """Find the ids of markers that are a default or part of an annotation."""
    owners = (*modules, *classes)
    functions = [one for owner in owners for one in _find_functions(owner)]
    found: set[int] = set()
    for function in (*functions, *iterate_decorated()):
        named = (function.__kwdefaults__ or {}).values()
        found |= {id(value) for value in (*(function.__defaults__ or ()), *named)}
        injected = get_injected(function)
        if injected is not None:
            found |= {id(marker) for marker in injected.markers.values()}
        for annotation in function.__annotations__.values():
            found |= {id(marker) for marker in find_markers(annotation)}
    # An alias, such as ``NameDep = Annotated[str, NAME]``, may be used anywhere.
    for owner in owners:
        for value in list(vars(owner).values()):
            if type(value).__module__ in _ALIASES:
                found |= {id(marker) for marker in find_markers(value)}
    return found


def _check_global(
    module: ModuleType, name: str, classes: list[type]
) -> Iterator[MarkerAttribute]:
    own = [cls for cls in classes if cls.__module__ == module.__name__]
    for owner in (module, *own):
        for function in _find_functions(owner):
            if function.__globals__ is not vars(module):
                continue
            if any(_reads_global(code, name) for code in find_code(function.__code__)):
                user = f"{module.__name__}.{function.__qualname__}"
                yield MarkerAttribute(module.__name__, name, user)
                return


def _reads_global(code: CodeType, name: str) -> bool:
    """Whether ``code`` reads a global variable and uses its value.

    Code that defines a function is left out: ``def create_app(): def view(db=MARKER)``
    reads the variable for a default.
    """
    # Most code does not name it, and reading the steps is slow.
    if name not in code.co_names or any(
        isinstance(each, CodeType) and not each.co_name.startswith("<")
        for each in code.co_consts
    ):
        return False
    steps = dis.get_instructions(code)
    return any(each.opname == "LOAD_GLOBAL" and each.argval == name for each in steps)


def _check_member(cls: type, name: str) -> Iterator[MarkerAttribute]:
    owner = f"{cls.__module__}.{cls.__qualname__}"
    family = list(_find_subclasses(cls))
    # A subclass or a method may replace the marker with an object.
    if any(name in vars(one) for one in family[1:]):
        return
    functions = [one for member in family for one in _find_functions(member)]
    steps = [each for one in functions for each in dis.get_instructions(one)]
    for step in steps:
        if step.opname == "STORE_ATTR" and step.argval == name:
            return
        if step.argval in ("setattr", "__dict__", "__setattr__"):
            return
    for function in functions:
        if _reads_member(function, name):
            yield MarkerAttribute(owner, name, f"{owner}.{function.__name__}")
            return


def _find_subclasses(cls: type) -> Iterator[type]:
    waiting = [cls]
    for one in waiting:
        yield one
        waiting += type.__subclasses__(one)


def _reads_member(function: Any, name: str) -> bool:
    """Whether a method reads ``self.name``."""
    itself = function.__code__.co_varnames[:1]
    before: Any = None
    for step in dis.get_instructions(function):
        reads = step.opname in ("LOAD_ATTR", "LOAD_METHOD") and step.argval == name
        if reads and before is not None and (before.argval,) == itself:
            return True
        before = step
    return False
