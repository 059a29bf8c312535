"""Reads the caller's trace from the headers of a request."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

from ..passing import list_header_names

__all__ = ["make_reader", "read_headers"]

_Environ = dict[str, Any]


def make_reader() -> Callable[[_Environ], Context | None]:
    """Make the function that reads the caller's context from a WSGI environment.

    The function returns None for a request without any header of the global propagator.
    That costs one comparison, because no header is decoded.
    """
    fields = list_header_names() | {"b3"}
    headers = tuple(sorted(_make_key(name) for name in fields))

    def read_caller(environ: _Environ) -> Context | None:
        if environ.keys().isdisjoint(headers):
            return None
        return propagate.extract(environ, getter=_GETTER)

    return read_caller


def read_headers(environ: _Environ) -> dict[str, str]:
    """Read the caller's headers as they came, by their names in lower case."""
    keys = _list_keys(list_header_names())
    return {name: environ[key] for name, key in keys if key in environ}


@lru_cache(maxsize=1)
def _list_keys(names: frozenset[str]) -> list[tuple[str, str]]:
    return [(name, _make_key(name)) for name in sorted(names)]


class _EnvironGetter(Getter[_Environ]):
    def get(self, carrier: _Environ, key: str) -> list[str] | None:
        value = carrier.get(_make_key(key))
        return None if value is None else [value]

    def keys(self, carrier: _Environ) -> list[str]:
        return [
            key[5:].replace("_", "-").lower()
            for key in carrier
            if key.startswith("HTTP_")
        ]


_GETTER = _EnvironGetter()


def _make_key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")
