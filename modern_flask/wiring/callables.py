"""What lies under a function: decorators, partials, methods, callable objects."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

__all__ = ["find_layers", "get_name", "get_partial_arguments", "is_framework", "locate"]

# Flask's own, and the kit's: neither asks.
_OWN = ("flask.", "jinja2.", "builtins.", "modern_flask.", "celery.")

_CALL = "__call__"
_ANYTHING = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def is_framework(function: Any) -> bool:
    """Whether ``function`` is Flask's or the kit's, and asks for nothing."""
    return f"{getattr(function, '__module__', '')}.".startswith(_OWN)


def find_layers(function: Any) -> Iterator[Any]:
    """``function`` and everything that a call of it leads to, the outermost first.

    Of a decorator that did not keep ``__wrapped__``: the functions in its closure.
    """
    seen: set[int] = set()
    waiting = [function]
    for layer in waiting:
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            waiting += _under(layer)


def _under(function: Any) -> list[Any]:
    if isinstance(function, partial):
        return [function.func]
    if inspect.ismethod(function):
        return [function.__func__]
    wrapped = getattr(function, "__wrapped__", None)
    if callable(wrapped):
        return [wrapped]
    if inspect.isfunction(function):
        return _closed_over(function)
    call = getattr(type(function), _CALL, None)
    if not inspect.isfunction(call):
        return []
    # A decorator that is a class keeps the function in itself.
    return [
        call,
        *filter(inspect.isfunction, getattr(function, "__dict__", {}).values()),
    ]


def _closed_over(function: Any) -> list[Any]:
    """The functions that a wrapper hands its arguments on to, most likely."""
    found = []
    code = function.__code__
    named = code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & _ANYTHING and not named:
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not set yet
                continue
            if inspect.isroutine(content) or isinstance(content, partial):
                found.append(content)
    return found


def get_partial_arguments(function: Any) -> set[str]:
    """The parameters that partials on the way have given already."""
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


def get_name(function: Any) -> str:
    """The name of the outermost layer that has one."""
    names = (getattr(layer, "__name__", None) for layer in find_layers(function))
    return next((str(name) for name in names if name), "?")


def locate(function: Callable[..., Any]) -> str:
    """``orders/views.py, line 12``: from here, where the file is below."""
    codes = [
        layer.__code__ for layer in find_layers(function) if hasattr(layer, "__code__")
    ]
    if not codes:
        return "?"
    code = codes[-1]
    near = os.path.relpath(code.co_filename)
    file = code.co_filename if near.startswith(os.pardir) else near
    return f"{file}, line {code.co_firstlineno}"
