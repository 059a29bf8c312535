"""Find every function that an app calls and that may have injections."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import click
from blinker import NamedSignal
from flask import Flask, signals
from flask.views import MethodView

from ..callables import find_layers, get_name, is_framework, is_routine, locate
from ..markers import get_injected

__all__ = ["AppFunction", "belongs_to", "find_functions", "find_own_modules"]

_HOOKS = {
    "url_value_preprocessors": "URL value preprocessor",
    "before_request_funcs": "Hook before_request",
    "after_request_funcs": "Hook after_request",
    "teardown_request_funcs": "Hook teardown_request",
    "template_context_processors": "Context processor",
    "url_default_functions": "URL defaults",
}
_LISTED = {
    "teardown_appcontext_funcs": "Hook teardown_appcontext",
    "shell_context_processors": "Shell context processor",
    "url_build_error_handlers": "URL build error handler",
}
_TEMPLATES = {
    "filters": "Template filter",
    "globals": "Template global",
    "tests": "Template test",
}
_CALL = "__call__"
_INITIALIZER = "__init__"
_DISPATCH = "dispatch_request"
_SIGNALS = [one for one in vars(signals).values() if isinstance(one, NamedSignal)]


@dataclass(frozen=True)
class AppFunction:
    """A function that the app calls.

    Args:
        title: ``View files.upload``, ``Task example.tasks.index``, ``Command seed``.
        function: The function as the app calls it, with its decorators.
        rules: The URL rules of a view.
        filled: The parameters that get a value without a marker.
        lasting: True for the ``__init__`` of an object that lives as long as the
            process.
        is_view: Whether its only arguments are those of the URL, and it returns the
            response.
    """

    title: str
    function: Any
    rules: tuple[Any, ...] = ()
    filled: frozenset[str] = frozenset()
    lasting: bool = False
    is_view: bool = False

    def place(self, parameter: str) -> str:
        return f"{locate(self.function)}, parameter `{parameter}`"


def find_functions(app: Flask, tasks: Mapping[str, Any]) -> Iterator[AppFunction]:
    """Find views, hooks, handlers, signals, templates, commands and tasks, each once.

    Tasks of other services are left out: Celery gives every app the shared tasks of all
    services in the process.
    """
    seen: set[int] = set()
    for found in _find_all(app, tasks):
        if id(found.function) not in seen and not is_framework(found.function):
            seen.add(id(found.function))
            yield found


def _find_all(app: Flask, tasks: Mapping[str, Any]) -> Iterator[AppFunction]:
    for endpoint, view in app.view_functions.items():
        rules = tuple(app.url_map.iter_rules(endpoint))
        yield from _find_in_view(f"View {endpoint}", view, rules)
    for attribute, title in _HOOKS.items():
        for functions in getattr(app, attribute).values():
            yield from _add_title(title, functions)
    for attribute, title in _LISTED.items():
        yield from _add_title(title, getattr(app, attribute))
    for codes in app.error_handler_spec.values():
        for handlers in codes.values():
            yield from _add_title("Error handler", handlers.values())
    yield from _find_in_templates(app)
    for signal in _SIGNALS:
        yield from _add_title(f"Signal {signal.name}", signal.receivers_for(app))
    for name, task in tasks.items():
        function = getattr(task, "run", task)
        if belongs_to(app, str(function.__module__)):
            yield AppFunction(f"Task {name}", function)
    for group in (app.cli, *(blueprint.cli for blueprint in app.blueprints.values())):
        yield from _find_in_commands(group, "")


def belongs_to(app: Flask, module: str) -> bool:
    """Whether a module belongs to the service: beside the app's module, or below it.

    The topmost package does not decide this: several services may share it.
    """
    return f"{module}.".startswith(_get_prefix(app))


def find_own_modules(app: Flask) -> list[Any]:
    """Find what the service has in ``sys.modules``: modules, and what replaces them."""
    prefix = _get_prefix(app)
    loaded = list(sys.modules.items())
    return [module for name, module in loaded if f"{name}.".startswith(prefix)]


def _get_prefix(app: Flask) -> str:
    name = app.import_name
    is_package = hasattr(sys.modules.get(name), "__path__")
    package = name if is_package else name.rpartition(".")[0] or name
    return f"{package}."


def _add_title(title: str, functions: Iterable[Any]) -> Iterator[AppFunction]:
    for function in functions:
        yield AppFunction(f"{title} {get_name(function)}", function)


def _find_in_templates(app: Flask) -> Iterator[AppFunction]:
    """Find the functions that templates may call.

    If the app has no template environment yet, this creates none.
    """
    environment = vars(app).get("jinja_env")
    for attribute, title in _TEMPLATES.items() if environment is not None else ():
        for name, found in getattr(environment, attribute).items():
            if is_routine(found) or _is_injected_object(found):
                yield AppFunction(f"{title} {name}", found)


def _is_injected_object(found: Any) -> bool:
    kind = type(found)
    call = inspect.getattr_static(kind, _CALL, None)
    return not issubclass(kind, type) and get_injected(call) is not None


def _find_in_view(
    title: str, view: Any, rules: tuple[Any, ...]
) -> Iterator[AppFunction]:
    """Yield a view; for a class-based view, its methods and its ``__init__``."""
    view_class: Any = getattr(view, "view_class", None)
    if not issubclass(type(view_class), type):
        yield AppFunction(title, view, rules, is_view=True)
        return
    methods = {str(method).lower() for method in view_class.methods or ()}
    own_dispatch = view_class.dispatch_request is not MethodView.dispatch_request
    for name in sorted(methods | {_INITIALIZER, _DISPATCH}):
        function = inspect.getattr_static(view_class, name, None)
        if type(function) is not FunctionType:
            continue
        named = f"{title} ({view_class.__name__}.{name})"
        if name == _INITIALIZER:
            filled = _get_view_arguments(view, function)
            lasting = not view_class.init_every_request
            yield AppFunction(named, function, filled=filled, lasting=lasting)
            continue
        # A decorator of the class, or its own dispatch, may pass and return anything.
        direct = name == _DISPATCH or not own_dispatch
        is_view = direct and not view_class.decorators
        yield AppFunction(named, function, rules, is_view=is_view)


def _get_view_arguments(view: Any, initializer: Any) -> frozenset[str]:
    """Return the parameters that get a value from ``View.as_view(name, ...)``."""
    for layer in find_layers(view):
        held = layer.__code__.co_freevars if type(layer) is FunctionType else ()
        if {"class_args", "class_kwargs"} <= {*held}:
            values = inspect.getclosurevars(layer).nonlocals
            names = list(inspect.signature(initializer).parameters)[1:]
            given = names[: len(values["class_args"])]
            return frozenset({*given, *values["class_kwargs"]})
    return frozenset()


def _find_in_commands(group: click.Group, prefix: str) -> Iterator[AppFunction]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _find_in_commands(command, f"{prefix}{name} ")
        if command.callback is not None:
            yield AppFunction(f"Command {prefix}{name}", command.callback)
