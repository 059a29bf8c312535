"""Follow a call through decorators, partials, methods and callable objects."""

from __future__ import annotations

import contextlib
import dis
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

from ..places import locate_line

__all__ = [
    "find_code",
    "find_layers",
    "get_function",
    "get_name",
    "get_partial_arguments",
    "get_signature",
    "is_async_function",
    "is_context_manager_function",
    "is_framework",
    "is_routine",
    "locate",
    "may_pass",
    "unwrap",
]

# Functions of Flask, of the kit and of their libraries have no markers.
_FRAMEWORKS = ("flask.", "jinja2.", "builtins.", "modern_flask.", "celery.")
# The decorators of these packages pass their arguments on without a change.
_TRANSPARENT = ("flask.", "modern_flask.", "celery.", "dependency_injector.", "click.")

_CALL = "__call__"
_INJECTED = "__modern_flask_injected__"
_ANYTHING = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_CONTEXT_MANAGER = contextlib.contextmanager(lambda: iter(())).__code__
_ASYNC_CONTEXT_MANAGER = contextlib.asynccontextmanager(lambda: iter(())).__code__  # type: ignore[arg-type, return-value]
# Decorators over one function. An object may return new ones without an end.
_MOST_LAYERS = 50
_ROUTINES = (FunctionType, MethodType, BuiltinFunctionType, WrapperDescriptorType)


def is_framework(function: Any) -> bool:
    """Whether ``function`` belongs to Flask, Celery or the kit."""
    return f"{getattr(function, '__module__', '')}.".startswith(_FRAMEWORKS)


def is_routine(found: Any) -> bool:
    """Whether ``found`` is a function or method.

    This looks at its type alone: ``isinstance`` would ask a proxy for its class, and so
    run the code behind the proxy.
    """
    return issubclass(type(found), _ROUTINES)


def find_layers(function: Any) -> Iterator[Any]:
    """Yield ``function`` and every function that a call of it reaches, outermost first.

    For a decorator that did not set ``__wrapped__``, the functions in its closure
    follow.
    """
    seen: set[int] = set()
    waiting = [function]
    for layer in waiting:
        if id(layer) not in seen and len(seen) < _MOST_LAYERS:
            seen.add(id(layer))
            yield layer
            waiting += _find_inner(layer)


def unwrap(function: Any) -> Any:
    """Return the function under all decorators that set ``__wrapped__``."""
    for _ in range(_MOST_LAYERS):
        inner = _get_wrapped(function)
        if inner is None:
            break
        function = inner
    return function


def _get_wrapped(function: Any) -> Any:
    """Return the ``__wrapped__`` that a wrapper itself has, else None.

    ``getattr`` would find one on every object with a ``__getattr__`` for all names.
    """
    if type(function).__module__.partition(".")[0] == "wrapt":
        return function.__wrapped__
    found = _get_attributes(function).get("__wrapped__")
    return found if callable(found) else None


def _get_attributes(found: Any) -> Mapping[str, Any]:
    try:
        return {**vars(found)}
    except Exception:  # it has none, or is a proxy without an object
        return {}


def _find_inner(function: Any) -> list[Any]:
    kind = type(function)
    if issubclass(kind, partial):
        return [function.func]
    if kind is MethodType:
        return [function.__func__]
    wrapped = _get_wrapped(function)
    if wrapped is not None:
        return [wrapped]
    if kind is FunctionType:
        return _find_in_closure(function)
    call = _get_call(kind)
    if call is None:
        return []
    # A decorator that is a class keeps the function in an attribute.
    kept = _get_attributes(function).values()
    return [call, *(each for each in kept if type(each) is FunctionType)]


def _get_call(kind: type) -> Any:
    """Return the Python function that a call of an object runs, else None."""
    call = inspect.getattr_static(kind, _CALL, None)
    return call if type(call) is FunctionType else None


def _find_in_closure(function: Any) -> list[Any]:
    """Find the functions to which a wrapper most likely passes its arguments."""
    code = function.__code__
    named = code.co_argcount + code.co_kwonlyargcount
    if not code.co_flags & _ANYTHING or named:
        return []
    contents = map(_get_content, function.__closure__ or ())
    return [each for each in contents if is_routine(each) or type(each) is partial]


def _get_content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not set yet
        return None


def get_partial_arguments(function: Any) -> set[str]:
    """Return the parameters that are filled by partials in the layers of a function."""
    found: set[str] = set()
    for layer in find_layers(function):
        if issubclass(type(layer), partial):
            try:
                given = inspect.signature(layer.func).bind_partial(
                    *layer.args, **layer.keywords
                )
            except (TypeError, ValueError):
                continue
            found |= given.arguments.keys()
    return found


def may_pass(wrapper: Any) -> bool:
    """Whether a wrapper may pass an argument that it did not receive.

    Only a wrapper whose bytecode passes on ``*args`` and ``**kwargs`` unchanged
    certainly does not. Every other wrapper, and one without Python code, may.
    """
    kind = type(wrapper)
    if kind is not FunctionType:
        # The function that these call is a layer of its own.
        known = kind is MethodType or issubclass(kind, partial) or _get_call(kind)
        return not known
    if f"{wrapper.__globals__.get('__name__', '')}.".startswith(_TRANSPARENT):
        return False
    code = wrapper.__code__
    if code.co_flags & _ANYTHING != _ANYTHING:
        return True
    first = code.co_argcount + code.co_kwonlyargcount
    args, kwargs = code.co_varnames[first : first + 2]
    steps = [(each.opname, each.argval) for each in dis.get_instructions(code)]
    values = [value for _, value in steps]
    calls = [n for n, (name, _) in enumerate(steps) if name == "CALL_FUNCTION_EX"]
    # Load the first, start a mapping, load the second, merge it: and call.
    exact = all(values[n - 4 : n] == [args, 0, kwargs, 1] for n in calls)
    uses = [value for value in values if value in (args, kwargs)]
    return not exact or len(uses) != 2 * len(calls)


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


def find_code(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from find_code(constant)


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
    # A signature that was set by hand may belong to another function.
    written = inspect.getattr_static(target, "__signature__", None)
    if written is not None and not hasattr(target, _INJECTED):
        return None
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
    return locate_line(code.co_filename, code.co_firstlineno)
