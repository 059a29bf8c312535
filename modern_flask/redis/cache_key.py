"""The key of a cached call: equal arguments of the same types have the same key."""

import datetime
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from inspect import Parameter, signature
from pathlib import PurePath
from typing import Annotated, Any, get_origin
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from .errors import NotInKey, NotKeyable

__all__ = ["CallKey", "VariantKey", "canonicalize"]

_LONGEST = 200
"""Characters: a key shows shorter arguments, and the hash of longer ones."""

_PLAIN = (bool, int, float, str, bytes)
_NAMED = (datetime.date, datetime.time, datetime.timedelta, Decimal, PurePath, UUID)


def _is_marker(value: object) -> bool:
    """Whether dependency-injector replaces ``value`` by an injected object."""
    return getattr(value, "__IS_MARKER__", False) is True


def _is_injected(parameter: Parameter) -> bool:
    annotation = parameter.annotation
    if get_origin(annotation) is Annotated:
        return any(map(_is_marker, annotation.__metadata__))
    return _is_marker(parameter.default)


class CallKey:
    """Makes the keys of the calls of one function.

    Args:
        function: The function. Its signature gives an argument the same key by position
            and by name.
        keys: The parts of the prefix, joined by dots; the name of the function by
            default.
        ignore: Parameters that are not part of the key. Injected parameters never are.
        by_arguments: Whether the arguments are part of the key at all. Without them it
            is the key of modern-flask 202207b1.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        keys: Collection[object] = (),
        ignore: Collection[str] = (),
        by_arguments: bool = True,
    ) -> None:
        self.function = f"{function.__module__}.{function.__qualname__}"
        self.prefix = "cache." + (".".join(map(str, keys)) if keys else self.function)
        self._signature = signature(function)
        self._by_arguments = by_arguments
        parameters = self._signature.parameters
        injected = [name for name in parameters if _is_injected(parameters[name])]
        self._left_out = {*ignore, *injected}

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """Make the key of a call, such as ``cache.orders.show(order_id=7)``.

        Raises:
            NotKeyable: An argument has no canonical text.
            TypeError: The function does not accept these arguments.
        """
        if not self._by_arguments:
            return self.prefix
        # bind_partial, because the injected arguments are not passed yet.
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
            return canonicalize(value)
        except _NoText as error:
            raise NotKeyable(self.function, name, error.value) from None


class VariantKey:
    """Makes the part of a key that depends on the request, not on the arguments.

    It is a hash, because a query string or a header may hold a secret. It is empty if
    no header is declared, there is no query string, and no ``by``.

    Args:
        function: The dotted name of the function, for errors.
        vary: The names of the request headers that belong to the key.
        by: Returns a value that belongs to the key, such as the id of the user.
        with_query: Whether the query string of a view belongs to the key.
    """

    def __init__(
        self,
        function: str,
        vary: Collection[str] = (),
        by: Callable[[], object] | None = None,
        with_query: bool = True,
    ) -> None:
        self.vary = tuple(sorted(name.lower() for name in vary))
        self._function, self._by, self._with_query = function, by, with_query

    def __call__(self, query: str, headers: Mapping[str, str | None]) -> str:
        """Make the part for a request; ``by`` is called now.

        Args:
            query: The query string as it was sent. The order of the names in it makes
                no difference, the order of the values of one name does.
            headers: The values of the declared headers, by their names in lower case.

        Raises:
            NotKeyable: The result of ``by`` has no canonical text.
        """
        return self._make(query, headers, self._by() if self._by else None)

    def select(
        self,
        query: Mapping[str, object] | str,
        headers: Mapping[str, str],
        by: object,
    ) -> str:
        """Make the part for a request that is described; ``by`` is a result of ``by``.

        Raises:
            NotInKey: A part that is given does not belong to the key.
        """
        given = {name.lower(): value for name, value in headers.items()}
        for name in headers:
            if name.lower() not in self.vary:
                raise NotInKey(self._function, f"The header {name}", f'vary=["{name}"]')
        if query and not self._with_query:
            raise NotInKey(self._function, "The query string", "by_arguments=True")
        if by is not None and self._by is None:
            raise NotInKey(self._function, "A value of `by`", "by=")
        text = query if isinstance(query, str) else urlencode(query, doseq=True)
        if by is None and self._by is not None:
            return self(text, given)
        return self._make(text, given, by)

    def _make(self, query: str, headers: Mapping[str, str | None], by: object) -> str:
        pairs: list[tuple[str, str]] = []
        if query and self._with_query:
            pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
            pairs.sort(key=lambda pair: pair[0])
        if not (pairs or self.vary or self._by):
            return ""
        try:
            owner = canonicalize(by)
        except _NoText as error:
            raise NotKeyable(self._function, "by", error.value) from None
        values = [headers.get(name) for name in self.vary]
        text = f"{canonicalize(pairs)}{canonicalize(values)}{owner}"
        return f"?{hashlib.sha256(text.encode()).hexdigest()}"


class _NoText(Exception):
    """A value, or a part of it, has no canonical text."""

    def __init__(self, value: object) -> None:
        self.value = value


def canonicalize(value: object) -> str:
    """Return a text that only equal values of the same type have in common."""
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
        return f"{kind}{canonicalize(inner)}"
    if isinstance(value, Mapping):
        pairs = sorted(f"{canonicalize(k)}:{canonicalize(v)}" for k, v in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonicalize, value))}]"
    if isinstance(value, tuple):
        return f"({','.join(map(canonicalize, value))})"
    if isinstance(value, set | frozenset):
        return f"{kind}{{{','.join(sorted(map(canonicalize, value)))}}}"
    raise _NoText(value)
