"""Reads the fields that a log call or a record factory has added to a record.

``logger.info("sold", extra={"order": 17})`` makes an attribute of the record, and a
record factory may add more. In JSON they are members of the line's object.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Set
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any
from uuid import UUID

from ...config.masking import MASK, is_secret, redact, redact_lines
from .fields import FIELDS, ROUTE

__all__ = ["add_extra", "mask_text"]

# Limits for one line. A value that exceeds one ends with a note that says so.
_ITEMS = 100  # fields of a record, and items of one list or mapping
_CHARACTERS = 8192  # of one text
_LARGEST = 1 << 64  # of a number; back ends of logs refuse a larger one
_DEPTH = 6  # of lists and mappings within each other; it also ends a circle

_STANDARD = frozenset(
    {*vars(logging.makeLogRecord({})), *FIELDS, ROUTE}
    # Set by formatters, by Python 3.12 and by the kit's formatter of the access log.
    | {"message", "asctime", "taskName", "members"}
)
# Most texts contain none of these, and so skip the masking, which takes 10 us.
_SUSPECT = ("://", "=", ":", "-----BEGIN")
_EXACT = (UUID, Decimal)
# The names in a program are few, and each is judged once.
_is_secret = lru_cache(maxsize=1024)(is_secret)
_TIMES = (datetime, date, time)


def add_extra(
    line: dict[str, Any], record: logging.LogRecord, reserved: frozenset[str]
) -> None:
    """Add every field of ``record`` that is not one of :mod:`logging` to ``line``.

    Values become what JSON can hold, with secrets masked.

    Args:
        line: The members of the JSON object.
        record: The record.
        reserved: The members that only the kit sets. A field with such a name is
            written with the prefix ``extra_``.
    """
    names = [name for name in vars(record) if name not in _STANDARD]
    for name in names[:_ITEMS]:
        text = str(name)
        key = text
        while key in reserved or key in line:
            key = f"extra_{key}"
        line[key] = _convert_safely(getattr(record, name), _is_secret(text))
    if len(names) > _ITEMS:
        line["extra_dropped"] = len(names) - _ITEMS


def mask_text(text: str) -> str:
    """Mask the secrets of ``text``."""
    for sign in _SUSPECT:
        if sign in text:
            return redact(text)
    return text


def _convert_safely(value: Any, hidden: bool) -> Any:
    try:
        return _convert(value, hidden, _DEPTH)
    except Exception as error:
        # A mapping may read its items from anywhere, and fail.
        return f"<{type(value).__name__}: not readable, {type(error).__name__}>"


def _convert(value: Any, hidden: bool, depth: int) -> Any:
    """Return ``value`` in a form that JSON can hold; masked if it is hidden."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Mapping | list | tuple | Set) and depth:
        return _convert_items(value, hidden, depth - 1)
    if hidden:
        return MASK
    kind = type(value)
    if (kind is int and abs(value) < _LARGEST) or (kind is float and isfinite(value)):
        return value
    return _shorten(_write(value))


def _convert_items(value: Any, hidden: bool, depth: int) -> Any:
    more = len(value) - _ITEMS
    if isinstance(value, Mapping):
        found = {
            _shorten(_write(name)): _convert(
                item, hidden or _is_secret(_write(name)), depth
            )
            for name, item in islice(value.items(), _ITEMS)
        }
        return {**found, "...": f"{more} more"} if more > 0 else found
    items = [_convert(item, hidden, depth) for item in islice(value, _ITEMS)]
    return [*items, f"... {more} more"] if more > 0 else items


def _write(value: Any) -> str:
    """Write ``value`` as text, with its secrets masked."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, BaseException):
        return redact_lines(f"{type(value).__name__}: {value}")
    if isinstance(value, _TIMES):
        return value.isoformat()
    if isinstance(value, _EXACT):
        return str(value)
    if isinstance(value, bytes):
        return mask_text(value.decode("utf-8", "replace"))
    return mask_text(repr(value))


def _shorten(text: str) -> str:
    more = len(text) - _CHARACTERS
    return f"{text[:_CHARACTERS]}... {more} more characters" if more > 0 else text
