"""The key of a cached call: one for the same arguments, another for other types."""

import datetime
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from inspect import Parameter, signature
from pathlib import PurePath
from typing import Annotated, Any, get_origin
from uuid import UUID

from .errors import NotKeyable

_LONGEST = 200
"""Characters of arguments that a key shows; more are hashed."""

_PLAIN = (bool, int, float, str, bytes)
_NAMED = (datetime.date, datetime.time, datetime.timedelta, Decimal, PurePath, UUID)


def _is_marker(value: object) -> bool:
    """Whether dependency-injector puts something in the place of ``value``."""
    return getattr(value, "__IS_MARKER__", False) is True


def _is_injected(parameter: Parameter) -> bool:
    annotation = parameter.annotation
    if get_origin(annotation) is Annotated:
        return any(map(_is_marker, annotation.__metadata__))
    return _is_marker(parameter.default)


class CallKey:
    """Names the calls of one function.

    Args:
        function: Its signature says which arguments are the same, however passed.
        keys: The prefix, joined by dots; the function's own name where there are none.
        ignore: Parameters that make no difference, besides those that are injected.
        by_arguments: Whether the arguments are part of the key at all.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        keys: Collection[object] = (),
        ignore: Collection[str] = (),
        by_arguments: bool = True,
    ) -> None:
        self.function = f"{function.__module__}.{function.__qualname__}"
        self.prefix = "cache." + (".".join(map(str, keys)) or self.function)
        self._signature = signature(function)
        self._by_arguments = by_arguments
        parameters = self._signature.parameters
        injected = [name for name in parameters if _is_injected(parameters[name])]
        self._left_out = {*ignore, *injected}

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """The key, such as ``cache.orders.show(order_id=7)``.

        Raises:
            NotKeyable: An argument has no canonical text.
            TypeError: The arguments don't fit the function.
        """
        if not self._by_arguments:
            return f"{self.prefix}()"
        # What is injected is not passed yet.
        bound = self._signature.bind_partial(*args, **kwargs)
        bound.apply_defaults()
        text = ",".join(
            f"{name}={self._text(name, value)}"
            for name, value in bound.arguments.items()
            if name not in self._left_out
        )
        if len(text) > _LONGEST:
            text = hashlib.sha256(text.encode()).hexdigest()
        return f"{self.prefix}({text})"

    def _text(self, name: str, value: object) -> str:
        try:
            return canonical(value)
        except _Unnameable as error:
            raise NotKeyable(self.function, name, error.value) from None


class _Unnameable(Exception):
    def __init__(self, value: object) -> None:
        self.value = value


def canonical(value: object) -> str:
    """A text that equal values of one type share, and others don't."""
    kind = type(value).__qualname__
    if value is None or type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, Enum):
        return f"{kind}.{value.name}"
    if isinstance(value, _NAMED):
        return f"{kind}({value})"
    if isinstance(value, _PLAIN):
        return f"{kind}({value!r})"
    if is_dataclass(value) and not isinstance(value, type):
        inner = {field.name: getattr(value, field.name) for field in fields(value)}
        return f"{kind}{canonical(inner)}"
    if isinstance(value, Mapping):
        pairs = sorted(f"{canonical(k)}:{canonical(v)}" for k, v in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, tuple):
        return f"({','.join(map(canonical, value))})"
    if isinstance(value, set | frozenset):
        return f"{kind}{{{','.join(sorted(map(canonical, value)))}}}"
    raise _Unnameable(value)
