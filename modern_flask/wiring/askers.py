"""Every function that an app calls, and that may ask for something."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
from flask import Flask

from .asking import place_of

__all__ = ["Asker", "askers_of"]

# Flask's own, and the kit's: neither asks.
OWN = ("flask.", "modern_flask.", "celery.")
HOOKS = {
    "url_value_preprocessors": "URL value preprocessor",
    "before_request_funcs": "Hook before_request",
    "after_request_funcs": "Hook after_request",
    "teardown_request_funcs": "Hook teardown_request",
    "template_context_processors": "Context processor",
}


@dataclass(frozen=True)
class Asker:
    """A function, and how the app knows it.

    Args:
        title: ``View files.upload``, ``Task example.tasks.index``, ``Command seed``.
        function: What the app calls, under its decorators.
        rules: For a view, its URL rules.
    """

    title: str
    function: Any
    rules: tuple[Any, ...] = ()

    def place(self, parameter: str) -> str:
        return f"{place_of(self.function)}, parameter `{parameter}`"


def askers_of(app: Flask, tasks: Mapping[str, Any]) -> Iterator[Asker]:
    """Views, hooks, error handlers, commands and tasks, each function once.

    Of the tasks, those of the app's own package: another service's are not its matter.
    """
    told: set[int] = set()
    for asker in _all(app, tasks):
        function = asker.function
        module = str(getattr(function, "__module__", ""))
        if id(function) not in told and not f"{module}.".startswith(OWN):
            told.add(id(function))
            yield asker


def _all(app: Flask, tasks: Mapping[str, Any]) -> Iterator[Asker]:
    for endpoint, view in app.view_functions.items():
        rules = tuple(app.url_map.iter_rules(endpoint))
        yield from _of_view(f"View {endpoint}", view, rules)
    for attribute, title in HOOKS.items():
        for functions in getattr(app, attribute).values():
            yield from _titled(title, functions)
    yield from _titled("Hook teardown_appcontext", app.teardown_appcontext_funcs)
    for codes in app.error_handler_spec.values():
        for handlers in codes.values():
            yield from _titled("Error handler", handlers.values())
    for name, task in tasks.items():
        function = getattr(task, "run", task)
        # Celery gives every app the shared tasks of all services in the process.
        if _package(function.__module__) == _package(app.import_name):
            yield Asker(f"Task {name}", function)
    commands = [app.cli, *(blueprint.cli for blueprint in app.blueprints.values())]
    for group in commands:
        yield from _of_commands(group, "")


def _package(module: str) -> str:
    return module.partition(".")[0]


def _titled(title: str, functions: Iterable[Any]) -> Iterator[Asker]:
    for function in functions:
        yield Asker(f"{title} {getattr(function, '__name__', '?')}", function)


def _of_view(title: str, view: Any, rules: tuple[Any, ...]) -> Iterator[Asker]:
    """A class-based view asks in each of its methods, and where it is made."""
    view_class = getattr(view, "view_class", None)
    if view_class is None:
        yield Asker(title, view, rules)
        return
    methods = {str(method).lower() for method in view_class.methods or ()}
    for name in sorted(methods | {"__init__", "dispatch_request"}):
        function = getattr(view_class, name, None)
        if inspect.isfunction(function):
            given = () if name == "__init__" else rules
            yield Asker(f"{title} ({view_class.__name__}.{name})", function, given)


def _of_commands(group: click.Group, prefix: str) -> Iterator[Asker]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _of_commands(command, f"{prefix}{name} ")
        if command.callback is not None:
            yield Asker(f"Command {prefix}{name}", command.callback)
