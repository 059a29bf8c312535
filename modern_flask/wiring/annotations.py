"""Evaluate text annotations, such as ``from __future__ import annotations`` makes.

Each annotation is evaluated separately. A name that is not defined at run time, such as
one imported under ``if TYPE_CHECKING:``, does not hide the marker beside it: in
``Annotated[Redis, Provide["redis"]]`` only the type stays unknown.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from .callables import unwrap

__all__ = ["MISSING", "evaluate"]


class _Missing(type):
    """The type of an undefined name. Every operation returns the class itself."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls


class MISSING(metaclass=_Missing):
    """A placeholder for each undefined name."""


class _Namespace(dict[str, Any]):
    """Looks up the names of an annotation, and records the names it does not find."""

    def __init__(self, function: Any, local: Mapping[str, Any]) -> None:
        super().__init__(local)
        inner = unwrap(function)
        self.missing: list[str] = []
        self._globals = getattr(inner, "__globals__", {})
        code = getattr(inner, "__code__", None)
        for name, cell in zip(
            getattr(code, "co_freevars", ()),
            getattr(inner, "__closure__", None) or (),
            strict=False,
        ):
            try:
                self.setdefault(name, cell.cell_contents)
            except ValueError:  # not set yet
                continue
        for parameter in getattr(inner, "__type_params__", ()):
            self.setdefault(parameter.__name__, parameter)

    def __missing__(self, name: str) -> Any:
        if name in self._globals:
            return self._globals[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        self.missing.append(name)
        return MISSING


def evaluate(
    text: str, function: Any, local: Mapping[str, Any]
) -> tuple[Any, tuple[str, ...]]:
    """Evaluate a text annotation of ``function``, and list the undefined names in it.

    Args:
        text: The annotation.
        function: Its closure, type parameters and module are searched for the names.
        local: The variables of the place where the function was defined. They are
            searched first.

    Returns:
        The value and the undefined names; ``MISSING`` and the text itself if the
        annotation can't be evaluated at all.
    """
    namespace = _Namespace(function, local)
    try:
        # The annotation is code of the service's module: Python would run it, too.
        found = eval(text, {}, namespace)
    except Exception:
        return MISSING, tuple(namespace.missing) or (text,)
    return found, tuple(dict.fromkeys(namespace.missing))
