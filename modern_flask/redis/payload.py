"""The bytes in Redis that stand for a value.

A value that JSON has stands as its JSON. Any other value begins with ``!``, and its
JSON is an object of one item that names the type::

    !{"bytes":"aGVsbG8="}                   in Base64
    !{"tuple":[{"value":{"reason":"no"}},{"value":404}]}
    !{"response":["200 OK",[["Content-Type","text/plain"]],"aGVsbG8="]}
    !{"nothing":null}                       computed, but not stored: see Cache
"""

import base64
import json
from typing import Any

from .errors import NotCacheable

__all__ = ["NOT_STORED", "Codec", "NotStored"]

_TYPED = b"!"

NOT_STORED = b'!{"nothing":null}'
"""Stands for a result that is not stored, so that callers do not wait for it."""


class NotStored:
    """A result that a cache returns to its caller, but does not store."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Codec:
    """Turns values into bytes and back: what JSON has, ``bytes``, and tuples of both.

    Args:
        plain: Whether each value is stored as ``json.dumps`` writes it, as modern-flask
            202207b1 did. A tuple becomes a list.
    """

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain

    def dump(self, key: str, value: Any) -> bytes:
        """Return the bytes that stand for ``value``.

        Raises:
            NotCacheable: There are none. The error names the key.
        """
        try:
            if self.plain:
                return json.dumps(value).encode()
            packed = self.pack(value)
            if packed.keys() == {"value"}:
                return _write(value)
            return _TYPED + _write(packed)
        except (TypeError, ValueError) as error:
            raise NotCacheable(key, value, error) from None

    def load(self, payload: bytes) -> Any:
        """Return the value that ``payload`` stands for."""
        if self.plain or not payload.startswith(_TYPED):
            return json.loads(payload)
        return self.unpack(json.loads(payload[len(_TYPED) :]))

    def pack(self, value: Any) -> dict[str, Any]:
        """Return an object of JSON with one item, whose name is the type of ``value``.

        Raises:
            TypeError: There is none.
        """
        if isinstance(value, bytes):
            return {"bytes": base64.b64encode(value).decode()}
        if isinstance(value, tuple):
            return {"tuple": [self.pack(item) for item in value]}
        return {"value": value}

    def unpack(self, packed: dict[str, Any]) -> Any:
        """Return the value that ``packed`` was made of."""
        ((kind, content),) = packed.items()
        if kind == "bytes":
            return base64.b64decode(content)
        if kind == "tuple":
            return tuple(map(self.unpack, content))
        return content


def _write(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
