"""Every function that an app calls, and that may ask for something."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from blinker import NamedSignal
from flask import Flask, signals

from ..callables import get_name, is_framework, locate

__all__ = ["AppFunction", "find_functions"]

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
_SIGNALS = [one for one in vars(signals).values() if isinstance(one, NamedSignal)]


@dataclass(frozen=True)
class AppFunction:
    """A function, and how the app knows it.

    Args:
        title: ``View files.upload``, ``Task example.tasks.index``, ``Command seed``.
        function: What the app calls, under its decorators.
        rules: For a view, its URL rules.
        given: The parameters that a caller fills: they need no marker's object.
        lasting: What is made with it lives as long as the process.
    """

    title: str
    function: Any
    rules: tuple[Any, ...] = ()
    given: frozenset[str] = frozenset()
    lasting: bool = False

    def place(self, parameter: str) -> str:
        return f"{locate(self.function)}, parameter `{parameter}`"


def find_functions(app: Flask, tasks: Mapping[str, Any]) -> Iterator[AppFunction]:
    """Views, hooks, handlers, signals, templates, commands, tasks: each function once.

    Of the tasks, those of the app's own package: another service's are not its matter.
    """
    told: set[int] = set()
    for asker in _all(app, tasks):
        function = asker.function
        if id(function) not in told and not is_framework(function):
            told.add(id(function))
            yield asker


def _all(app: Flask, tasks: Mapping[str, Any]) -> Iterator[AppFunction]:
    for endpoint, view in app.view_functions.items():
        rules = tuple(app.url_map.iter_rules(endpoint))
        yield from _of_view(f"View {endpoint}", view, rules)
    for attribute, title in _HOOKS.items():
        for functions in getattr(app, attribute).values():
            yield from _titled(title, functions)
    for attribute, title in _LISTED.items():
        yield from _titled(title, getattr(app, attribute))
    for codes in app.error_handler_spec.values():
        for handlers in codes.values():
            yield from _titled("Error handler", handlers.values())
    yield from _of_templates(app)
    for signal in _SIGNALS:
        yield from _titled(f"Signal {signal.name}", signal.receivers_for(app))
    for name, task in tasks.items():
        function = getattr(task, "run", task)
        # Celery gives every app the shared tasks of all services in the process.
        if _package(function.__module__) == _package(app.import_name):
            yield AppFunction(f"Task {name}", function)
    commands = [app.cli, *(blueprint.cli for blueprint in app.blueprints.values())]
    for group in commands:
        yield from _of_commands(group, "")


def _package(module: str) -> str:
    return module.partition(".")[0]


def _titled(title: str, functions: Iterable[Any]) -> Iterator[AppFunction]:
    for function in functions:
        yield AppFunction(f"{title} {get_name(function)}", function)


def _of_templates(app: Flask) -> Iterator[AppFunction]:
    """What templates may call; of an app without any, Flask makes no environment."""
    environment = vars(app).get("jinja_env")
    for attribute, title in _TEMPLATES.items() if environment is not None else ():
        for name, found in getattr(environment, attribute).items():
            if inspect.isroutine(found):
                yield AppFunction(f"{title} {name}", found)


def _of_view(title: str, view: Any, rules: tuple[Any, ...]) -> Iterator[AppFunction]:
    """A class-based view asks in each of its methods, and where it is made."""
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        yield AppFunction(title, view, rules)
        return
    methods = {str(method).lower() for method in view_class.methods or ()}
    for name in sorted(methods | {"__init__", "dispatch_request"}):
        function = getattr(view_class, name, None)
        if inspect.isfunction(function):
            named = f"{title} ({view_class.__name__}.{name})"
            if name != "__init__":
                yield AppFunction(named, function, rules)
            else:
                # Flask makes one for all requests where it is told so.
                lasting = not view_class.init_every_request
                yield AppFunction(named, function, lasting=lasting)


def _of_commands(group: click.Group, prefix: str) -> Iterator[AppFunction]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _of_commands(command, f"{prefix}{name} ")
        if command.callback is not None:
            yield AppFunction(f"Command {prefix}{name}", command.callback)
