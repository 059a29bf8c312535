"""Follow a call through decorators, partials, methods and callable objects."""

from __future__ import annotations

import contextlib
import dis
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from types import CellType, CodeType
from typing import Any

__all__ = [
    "find_layers",
    "get_function",
    "get_name",
    "get_partial_arguments",
    "get_signature",
    "is_async_function",
    "is_context_manager_function",
    "is_framework",
    "locate",
    "may_pass",
]

# Functions of Flask, of the kit and of their libraries have no markers.
_FRAMEWORKS = ("flask.", "jinja2.", "builtins.", "modern_flask.", "celery.")
# The decorators of these packages pass their arguments on without a change.
_TRANSPARENT = ("flask.", "modern_flask.", "celery.", "dependency_injector.", "click.")

_CALL = "__call__"
_ANYTHING = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_CONTEXT_MANAGER = contextlib.contextmanager(lambda: iter(())).__code__
_ASYNC_CONTEXT_MANAGER = contextlib.asynccontextmanager(lambda: iter(())).__code__  # type: ignore[arg-type, return-value]
# A wrapper whose code has one of these operations may add an argument.
_ADDING = frozenset({"LIST_EXTEND", "LIST_APPEND", "STORE_SUBSCR", "DICT_UPDATE"})
_ADDING_NAMES = frozenset({"update", "setdefault", "append", "insert"})


def is_framework(function: Any) -> bool:
    """Whether ``function`` belongs to Flask, Celery or the kit."""
    return f"{getattr(function, '__module__', '')}.".startswith(_FRAMEWORKS)


def find_layers(function: Any) -> Iterator[Any]:
    """Yield ``function`` and every function that a call of it reaches, outermost first.

    For a decorator that did not set ``__wrapped__``, the functions in its closure
    follow.
    """
    seen: set[int] = set()
    waiting = [function]
    for layer in waiting:
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            waiting += _find_inner(layer)


def _find_inner(function: Any) -> list[Any]:
    if isinstance(function, partial):
        return [function.func]
    if inspect.ismethod(function):
        return [function.__func__]
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped):
        return [wrapped]
    if inspect.isfunction(function):
        return _find_in_closure(function)
    call = getattr(type(function), _CALL, None)
    if not inspect.isfunction(call):
        return []
    # A decorator that is a class keeps the function in an attribute.
    return [
        call,
        *filter(inspect.isfunction, getattr(function, "__dict__", {}).values()),
    ]


def _find_in_closure(function: Any) -> list[Any]:
    """Find the functions to which a wrapper most likely passes its arguments."""
    found = []
    code = function.__code__
    named = code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & _ANYTHING and not named:
        for cell in function.__closure__ or ():
            content = _get_content(cell)
            if inspect.isroutine(content) or isinstance(content, partial):
                found.append(content)
    return found


def _get_content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None


def get_partial_arguments(function: Any) -> set[str]:
    """Return the parameters that are filled by partials in the layers of a function."""
    found: set[str] = set()
    for layer in find_layers(function):
        if isinstance(layer, partial):
            try:
                given = inspect.signature(layer.func).bind_partial(
                    *layer.args, **layer.keywords
                )
            except (TypeError, ValueError):
                continue
            found |= given.arguments.keys()
    return found


def may_pass(wrapper: Any, parameter: str) -> bool:
    """Whether ``wrapper`` may itself pass an argument as ``parameter``.

    Only a wrapper that passes on ``*args`` and ``**kwargs`` unchanged certainly does
    not. The bytecode shows this: it does not contain the parameter's name, merges no
    second mapping and adds nothing to the arguments. Every other wrapper, and one
    without Python code, may pass the argument.
    """
    code = getattr(wrapper, "__code__", None)
    if code is None:
        return True
    if f"{wrapper.__globals__.get('__name__', '')}.".startswith(_TRANSPARENT):
        return False
    if not code.co_flags & inspect.CO_VARKEYWORDS:
        return True
    cells = getattr(wrapper, "__closure__", None) or ()
    if any(isinstance(_get_content(cell), Mapping) for cell in cells):
        return True
    return any(_adds(each, parameter) for each in _find_code(code))


def _find_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _find_code(constant)


def _adds(code: CodeType, parameter: str) -> bool:
    if _ADDING_NAMES & {*code.co_names}:
        return True
    if any(_mentions(constant, parameter) for constant in code.co_consts):
        return True
    operations = [each.opname for each in dis.get_instructions(code)]
    if _ADDING & {*operations}:
        return True
    return operations.count("DICT_MERGE") > operations.count("CALL_FUNCTION_EX")


def _mentions(constant: object, parameter: str) -> bool:
    if isinstance(constant, tuple):
        return any(_mentions(each, parameter) for each in constant)
    return constant == parameter


def is_context_manager_function(function: Any) -> bool:
    """Whether ``contextlib.contextmanager`` made it."""
    return getattr(function, "__code__", None) is _CONTEXT_MANAGER


def is_async_function(function: Any) -> bool:
    """Whether a call returns an object that only an event loop can complete."""
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
        or getattr(function, "__code__", None) is _ASYNC_CONTEXT_MANAGER
    )


def get_function(called: Any) -> Any:
    """Return the function that a call runs: for a class, its ``__init__``."""
    if isinstance(called, type):
        return inspect.getattr_static(called, "__init__")
    return called


def get_signature(target: Any) -> inspect.Signature | None:
    """Return the signature that a call of ``target`` has; None if it is not known.

    The function under a decorator is ignored, because the decorator may pass arguments
    to it.
    """
    if isinstance(target, type) and target.__module__ == "builtins":
        return _get_builtin_signature(target)
    return _read_signature(target)


def _read_signature(target: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(target, follow_wrapped=False)
    except (TypeError, ValueError):
        return None


@lru_cache
def _get_builtin_signature(target: type) -> inspect.Signature | None:
    # inspect parses it from text each time: ``list`` costs as much as fifty functions.
    return _read_signature(target)


def get_name(function: Any) -> str:
    """Return the name of the outermost layer that has a name."""
    names = (getattr(layer, "__name__", None) for layer in find_layers(function))
    return next((str(name) for name in names if name), "?")


def locate(function: Callable[..., Any]) -> str:
    """Return ``orders/views.py, line 12``. Below the current folder it is relative."""
    layers = find_layers(function)
    codes = [layer.__code__ for layer in layers if hasattr(layer, "__code__")]
    if not codes:
        return "?"
    code = codes[-1]
    near = os.path.relpath(code.co_filename)
    file = code.co_filename if near.startswith(os.pardir) else near
    return f"{file}, line {code.co_firstlineno}"
