"""Checks that a decorated function has run when its call returns."""

from collections.abc import Callable
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

from .errors import NotPlainFunction

__all__ = ["check_plain_function"]


def check_plain_function(decorator: str, function: Callable[..., object]) -> None:
    """Refuse an async function and a generator function.

    Args:
        decorator: The name of the decorator, for the error.
        function: The function that it decorates.

    Raises:
        NotPlainFunction: A call of ``function`` returns before its body has run.
    """
    for is_later in (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction):
        if is_later(function):
            name = f"{function.__module__}.{function.__qualname__}"
            raise NotPlainFunction(decorator, name)
