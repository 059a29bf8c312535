"""Injected functions that the app does not register: helpers, methods, loaders.

One that a registered function calls is a fault like any other, for a request will reach
it. Of one that nothing seems to call, only a warning is due.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from flask import Flask

from ..callables import find_layers
from ..markers import get_injected, iterate_decorated
from ..targets import get_called
from .checked_app import CheckedApp
from .functions import AppFunction, belongs_to
from .markers import check_function

__all__ = ["check_helpers", "warn_of_unreached"]


def check_helpers(checked: CheckedApp) -> Iterator[Exception]:
    """Faults of unregistered functions that a registered one calls."""
    helpers = _find_helpers(checked)
    for code in _find_reached(checked) if helpers else ():
        if code in helpers:
            yield from check_function(helpers[code], checked.bound)


def warn_of_unreached(checked: CheckedApp) -> Iterator[str]:
    """Faults of unregistered functions that nothing of the app seems to call."""
    helpers = _find_helpers(checked)
    reached = set(_find_reached(checked)) if helpers else set()
    for code, helper in helpers.items():
        if code not in reached:
            for fault in check_function(helper, checked.bound):
                yield str(fault)


def _find_helpers(checked: CheckedApp) -> dict[CodeType, AppFunction]:
    """The service's functions under ``@inject`` that the app does not call itself.

    A function inside another is left out: who calls it is not known.
    """
    own = {
        function.__code__: function
        for function in iterate_decorated()
        if "<locals>" not in function.__qualname__
        and belongs_to(checked.app, function.__module__)
    }
    if not own:
        return {}
    for function in (*checked.functions, *checked.targets):
        for layer in find_layers(function.function):
            own.pop(getattr(layer, "__code__", None), None)
    modules = _find_modules(checked) if own else set()
    found: dict[CodeType, AppFunction] = {}
    for code, function in own.items():
        wrapper = _get_wrapper(function) if function.__module__ in modules else None
        if wrapper is not None:
            title = f"Function {function.__module__}.{function.__qualname__}"
            found[code] = AppFunction(title, wrapper)
    return dict(sorted(found.items(), key=lambda item: item[1].title))


def _find_modules(checked: CheckedApp) -> set[str]:
    """The service's modules that the app's module and its functions lead to.

    A package may hold several services: one of them does not answer for the others.
    """
    functions = [each.function for each in (*checked.functions, *checked.targets)]
    named = [str(getattr(function, "__module__", "")) for function in functions]
    own = [name for name in named if belongs_to(checked.app, name)]
    waiting = list(dict.fromkeys([checked.app.import_name, *own]))
    found = set(waiting)
    for name in waiting:
        for value in list(getattr(sys.modules.get(name), "__dict__", {}).values()):
            kind = type(value)
            if kind is ModuleType:
                other = value.__name__
            elif kind is FunctionType or issubclass(kind, type):
                other = str(value.__module__)
            else:
                continue
            if other not in found and belongs_to(checked.app, other):
                found.add(other)
                waiting.append(other)
    return found


def _get_wrapper(function: Any) -> Any:
    """What stands in the module for the function: with its markers read."""
    found = _find_in_module(function.__module__, function.__qualname__)
    plain = type(found) is FunctionType
    return found if plain and get_injected(found) is not None else None


def _find_owner(function: Any) -> Any:
    """The class of a method, by its qualified name."""
    path = function.__qualname__.rpartition(".")[0]
    owner = _find_in_module(function.__module__, path) if path else None
    return owner if issubclass(type(owner), type) else None


def _find_in_module(module: str, path: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = inspect.getattr_static(found, part, None)
        found = _unwrap_method(found)
    return found


def _unwrap_method(found: Any) -> Any:
    """The function of a static or class method.

    By its type: a proxy, such as a shared task of Celery's, may not be touched.
    """
    return found.__func__ if type(found) in (staticmethod, classmethod) else found


def _find_reached(checked: CheckedApp) -> Iterator[CodeType]:
    """The code of everything that registered functions and providers may call."""
    methods = _find_methods(checked)
    seen: set[CodeType] = set()
    waiting: list[Any] = [
        layer
        for function in (*checked.functions, *checked.targets)
        for layer in find_layers(function.function)
    ]
    for function in waiting:
        code = getattr(function, "__code__", None)
        if code is None or code in seen:
            continue
        seen.add(code)
        yield code
        for found in _find_called(function, methods, checked.app):
            waiting += find_layers(found)


def _find_methods(checked: CheckedApp) -> dict[str, list[Any]]:
    """The methods of the classes that the container provides, by their names."""
    found: dict[str, list[Any]] = {}
    for provider in checked.graph.nodes():
        called = get_called(provider)
        if isinstance(called, type):
            for name, member in inspect.getmembers(called, inspect.isfunction):
                found.setdefault(name, []).append(member)
    return found


def _find_called(
    function: Any, methods: dict[str, list[Any]], app: Flask
) -> Iterator[Any]:
    """The service's functions that the names in the code of ``function`` lead to."""
    for found in _resolve_names(function, methods):
        if type(found) is FunctionType and belongs_to(app, found.__module__):
            yield found


def _resolve_names(function: Any, methods: dict[str, list[Any]]) -> Iterator[Any]:
    """Functions and methods of the names in the code of ``function``.

    An object is never touched, only its class: a proxy of Flask's has no object here.
    """
    names = {name for code in _find_code(function.__code__) for name in code.co_names}
    scope = dict(getattr(function, "__globals__", {}))
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    for name, cell in cells:
        names.add(name)
        try:
            scope[name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    owner = _find_owner(function)
    if owner is not None:
        yield from (_get_member(owner, name) for name in names)
    for name in names:
        yield from methods.get(name, ())
        found = scope.get(name)
        if type(found) is ModuleType:
            yield from (vars(found).get(other) for other in names)
        elif type(found) is not FunctionType:
            kind: Any = found if issubclass(type(found), type) else type(found)
            yield from (_get_member(kind, each) for each in {*names, "__init__"})
        else:
            yield found


def _get_member(owner: type, name: str) -> Any:
    found = inspect.getattr_static(owner, name, None)
    return _unwrap_method(found)


def _find_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _find_code(constant)
