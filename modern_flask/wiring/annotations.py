"""Annotations that are text, as ``from __future__ import annotations`` makes them.

Each is evaluated alone. A name that is not there at run time, such as one imported
under ``if TYPE_CHECKING:``, does not hide the marker beside it: in
``Annotated[Redis, Provide["redis"]]`` only the type stays unknown.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from .callables import unwrap

__all__ = ["MISSING", "evaluate"]


class _Missing(type):
    """The type of a name that is not defined: every operation returns it again."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls


class MISSING(metaclass=_Missing):
    """Stands for each name that is not defined."""


class _Namespace(dict[str, Any]):
    """Where the names of an annotation are looked up, and which were not found."""

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
    """What an annotation of ``function`` means, and the names that are not defined.

    Args:
        text: The annotation.
        function: Its closure, its type parameters and its module are looked in.
        local: What is looked in first: the variables of the place where it was defined.

    Returns:
        The value. ``MISSING`` and the text itself where it can't be evaluated at all.
    """
    namespace = _Namespace(function, local)
    try:
        # It is code of the service's own module, as Python would have run it.
        found = eval(text, {}, namespace)
    except Exception:
        return MISSING, tuple(namespace.missing) or (text,)
    return found, tuple(dict.fromkeys(namespace.missing))
