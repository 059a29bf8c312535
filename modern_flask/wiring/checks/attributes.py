"""Find markers as attributes of classes and modules. Only ``wire`` fills those."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .. import library
from ..errors import WiringFault
from .checked_app import CheckedApp
from .functions import belongs_to

__all__ = ["FIX_ATTRIBUTE", "MarkerAttribute", "check_attributes"]

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

    A variable may hold a marker for use as the default of parameters. The mistake is a
    function whose code reads a variable that is not such a default.
    """
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and belongs_to(checked.app, name):
            defaults = _find_defaults(module)
            yield from _check_module(module, defaults)


def _find_defaults(module: ModuleType) -> set[int]:
    """Find the ids of markers that are defaults of the module's functions."""
    found: set[int] = set()
    for function in _find_functions(module):
        values = (
            *(function.__defaults__ or ()),
            *(function.__kwdefaults__ or {}).values(),
        )
        found |= {id(value) for value in values if library.is_marker(value)}
    return found


def _find_functions(owner: Any) -> Iterator[Any]:
    for member in list(vars(owner).values()):
        # type() instead of isinstance(): a proxy without an object raises an error.
        if type(member) in (staticmethod, classmethod):
            member = member.__func__
        if type(member) is FunctionType:
            yield inspect.unwrap(member)
        elif isinstance(owner, ModuleType) and _is_class_of(member, owner):
            yield from _find_functions(member)


def _is_class_of(member: Any, module: ModuleType) -> bool:
    return issubclass(type(member), type) and member.__module__ == module.__name__


def _check_module(module: ModuleType, defaults: set[int]) -> Iterator[MarkerAttribute]:
    for name, value in list(vars(module).items()):
        if library.is_marker(value) and id(value) not in defaults:
            for function in _find_functions(module):
                if _reads_global(function, name):
                    user = f"{module.__name__}.{function.__qualname__}"
                    yield MarkerAttribute(module.__name__, name, user)
                    break
        elif _is_class_of(value, module):
            yield from _check_class(value, defaults)


def _check_class(cls: type, defaults: set[int]) -> Iterator[MarkerAttribute]:
    for name, value in list(vars(cls).items()):
        if not library.is_marker(value) or id(value) in defaults:
            continue
        for function in _find_functions(cls):
            if name in function.__code__.co_names:
                owner = f"{cls.__module__}.{cls.__qualname__}"
                yield MarkerAttribute(owner, name, f"{owner}.{function.__name__}")
                break


def _reads_global(function: Any, name: str) -> bool:
    """Whether the function's own code reads a global. Inner functions do not count.

    A read for a default, as in ``def create_app(): def view(db=MARKER)``, does not
    count either.
    """
    code: CodeType = function.__code__
    nested = any(isinstance(each, CodeType) for each in code.co_consts)
    return name in code.co_names and not nested
