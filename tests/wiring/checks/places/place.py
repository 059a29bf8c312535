"""How a test registers one function with a service, written correctly or not."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import DIWiringWarning, Provide
from dependency_injector.wiring import inject as library_inject
from flask import Flask

from modern_flask.wiring import inject

Decorator = Callable[[Any], Any]
TypoDep = Annotated[str, Provide["nmae"]]


def keep(function: Any) -> Any:
    """A decorator that changes nothing."""
    return function


@dataclass(frozen=True)
class Form:
    """How a function with a marker is written.

    Args:
        below: The decorator between the function and the one that registers it.
        above: The decorator above the one that registers it.
        url: The URL of a view.
    """

    below: Decorator = keep
    above: Decorator = keep
    url: str = "/"


@dataclass(frozen=True)
class Place:
    """Where a function is registered. The function has a parameter ``name``, the last.

    Args:
        title: What the check calls the function.
        register: Defines the function in a form and registers it with an app; it
            returns the Celery tasks of the service, if there are any.
        returns_function: Whether the function is registered by a decorator that
            returns the function itself.
        has_url: Whether the function is called with the arguments of a URL.
    """

    title: str
    register: Callable[[Flask, Form], dict[str, Any] | None]
    returns_function: bool
    has_url: bool

    @property
    def file(self) -> str:
        """The name of the file that has the function."""
        return self.register.__module__.rpartition(".")[2]


class Places(dict[str, Place]):
    """Places by name; :meth:`add` is a decorator of the function that registers."""

    def add(
        self, title: str, returns_function: bool = False, has_url: bool = False
    ) -> Decorator:
        def note(register: Any) -> Any:
            place = Place(title, register, returns_function, has_url)
            self[register.__name__] = place
            return register

        return note


def use_annotation(
    annotation: Any, over: Decorator = inject, *defaults: Any
) -> Decorator:
    """A decorator that changes the annotation of ``name``, and then applies ``over``.

    Args:
        annotation: The annotation in place of ``NameDep``.
        defaults: The default of the parameter, if it has one.
    """

    def decorate(function: Any) -> Any:
        function.__annotations__["name"] = annotation
        function.__defaults__ = defaults or None
        return over(function)

    return decorate


def library_inject_without_markers(function: Any) -> Any:
    """The library's ``@inject``, which warns that it finds no marker."""
    with pytest.warns(DIWiringWarning):
        return library_inject(function)


def with_wraps(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that uses ``functools.wraps``."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def without_wraps(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that does not use ``functools.wraps``."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def with_the_name_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that keeps the function's name, and does not use ``wraps``."""
    call = without_wraps(function)
    call.__name__ = function.__name__
    return call


def with_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that passes ``name`` itself: no marker has to be filled."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, name="own", **kwargs)

    return call


class Logged:
    """A decorator that is a class."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)
