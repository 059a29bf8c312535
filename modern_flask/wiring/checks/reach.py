"""Check injected functions that the app does not register: helpers, methods, loaders.

If a registered function calls one, its mistakes are faults, because a request will
reach it. If nothing seems to call it, they are only warnings.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..callables import find_code, find_layers
from ..markers import get_injected, iterate_decorated
from ..targets import get_called
from .checked_app import CheckedApp, find_injections
from .functions import AppFunction, belongs_to
from .markers import check_function

__all__ = ["check_helpers", "warn_of_unreached"]

_UNKNOWN: Any = object()
# They stand between a name and its call.
_PASSING = ("KW_NAMES", "PRECALL", "PUSH_NULL")


def check_helpers(checked: CheckedApp) -> Iterator[Exception]:
    """Find faults of unregistered functions that a registered function calls."""
    helpers = _find_helpers(checked)
    for code in _find_reached(checked) if helpers else ():
        if code in helpers:
            yield from check_function(helpers[code], checked)


def warn_of_unreached(checked: CheckedApp) -> Iterator[str]:
    """Find faults of unregistered functions that nothing in the app seems to call."""
    helpers = _find_helpers(checked)
    reached = set(_find_reached(checked)) if helpers else set()
    for code, helper in helpers.items():
        if code not in reached:
            for fault in check_function(helper, checked):
                yield str(fault)


def _find_helpers(checked: CheckedApp) -> dict[CodeType, AppFunction]:
    """Find the service's functions under ``@inject`` that the app does not register.

    Functions inside other functions are left out, because their callers are not known.
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
        for layer in _find_plain_layers(function.function):
            own.pop(layer.__code__, None)
    modules = _find_modules(checked) if own else set()
    found: dict[CodeType, AppFunction] = {}
    for code, function in own.items():
        wrapper = _get_wrapper(function) if function.__module__ in modules else None
        if wrapper is not None:
            title = f"Function {function.__module__}.{function.__qualname__}"
            found[code] = AppFunction(title, wrapper)
    return dict(sorted(found.items(), key=lambda item: item[1].title))


def _find_modules(checked: CheckedApp) -> set[str]:
    """Find the service's modules that the app's module and functions refer to.

    A package may contain several services, and each reports only its own faults.
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
    """Return the function's wrapper in its module, if ``@inject`` is part of it."""
    found = _find_in_module(function.__module__, function.__qualname__)
    plain = type(found) is FunctionType
    return found if plain and get_injected(found) is not None else None


def _find_owner(function: Any) -> Any:
    """Find the class of a method by the method's qualified name."""
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
    """Return the function of a static or class method.

    This uses type() instead of isinstance(), because a proxy without an object, such as
    a shared task of Celery, raises an error.
    """
    return found.__func__ if type(found) in (staticmethod, classmethod) else found


def _find_reached(checked: CheckedApp) -> Iterator[CodeType]:
    """Find the code of all functions that the app and the providers may call."""
    registered = (*checked.functions, *checked.targets)
    seen: set[CodeType] = set()
    waiting = [each.function for each in registered]
    for function in waiting:
        provided = dict(_find_provided(function, checked))
        for layer in _find_plain_layers(function):
            code = layer.__code__
            if code not in seen:
                seen.add(code)
                yield code
                waiting += _find_called(layer, provided, checked)


def _find_plain_layers(function: Any) -> Iterator[Any]:
    return (one for one in find_layers(function) if type(one) is FunctionType)


def _find_provided(function: Any, checked: CheckedApp) -> Iterator[tuple[str, type]]:
    """Find the injected parameters of ``function``, with the class of their objects."""
    for injection in find_injections(AppFunction("", function), checked.bound):
        called = get_called(injection.provider)
        if issubclass(type(called), type):
            yield injection.parameter, called


def _find_called(
    function: Any, provided: Mapping[str, type], checked: CheckedApp
) -> Iterator[Any]:
    """Find the service's functions that the code of ``function`` names."""
    for found in _resolve_names(function, provided):
        if type(found) is FunctionType and belongs_to(checked.app, found.__module__):
            yield found


def _resolve_names(function: Any, provided: Mapping[str, type]) -> Iterator[Any]:
    """Find the objects that the code of ``function`` names, and their attributes.

    This reads only the classes of objects, never the objects themselves: a proxy of
    Flask has no object here.
    """
    local = {**dict(_get_cells(function)), **provided}
    owner = _find_owner(function)
    if owner is not None:
        local |= dict.fromkeys(function.__code__.co_varnames[:1], owner)
    found: list[Any] = []
    loose: set[str] = set()
    for code in find_code(function.__code__):
        found += _follow(code, function.__globals__, local, loose)
    yield from found
    # The class of an object that a call returns is not known, so each class is tried.
    for cls in [one for one in found if _is_class(one)]:
        yield from (_get_member(cls, name) for name in loose)


def _get_cells(function: Any) -> Iterator[tuple[str, Any]]:
    names, cells = function.__code__.co_freevars, function.__closure__ or ()
    for name, cell in zip(names, cells, strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not set yet
            continue


def _follow(
    code: CodeType, names: Mapping[str, Any], local: Mapping[str, Any], loose: set[str]
) -> Iterator[Any]:
    """Yield each variable that ``code`` loads, and its attributes.

    Args:
        names: The global variables.
        local: The local variables whose values are known.
        loose: Receives the names of attributes of unknown objects.
    """
    current: Any = _UNKNOWN
    for step in dis.get_instructions(code):
        operation = step.opname
        # A call of a class returns an object of it.
        is_creation = operation.startswith("CALL") and _is_class(current)
        if operation in _PASSING or is_creation:
            continue
        if operation in ("LOAD_ATTR", "LOAD_METHOD"):
            if current is _UNKNOWN:
                loose.add(step.argval)
                continue
            current = _get_member(current, step.argval)
        elif operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            current = names.get(step.argval, _UNKNOWN)
        elif operation.startswith(("LOAD_FAST", "LOAD_DEREF")):
            current = local.get(step.argval, _UNKNOWN)
        else:
            current = _UNKNOWN
        yield current
        if _is_class(current):
            yield _get_member(current, "__init__")


def _is_class(found: Any) -> bool:
    return issubclass(type(found), type)


def _get_member(owner: Any, name: str) -> Any:
    """Return an attribute of a module, or of the class of an object."""
    if type(owner) is ModuleType:
        return vars(owner).get(name)
    kind = owner if _is_class(owner) else type(owner)
    return _unwrap_method(inspect.getattr_static(kind, name, None))
