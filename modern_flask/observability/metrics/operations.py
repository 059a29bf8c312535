"""Measures the operations on one server: SQL statements and Redis commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .families import OPERATION_DURATION

__all__ = ["Operations", "Record", "find_operation", "record_operations"]

# (the operation, the class of its error or an empty text, seconds)
Record = Callable[[str, str, float], None]

_MOST = 200  # pairs of an operation and an error, to bound the number of series
_OTHER = "_OTHER"
_READ = 256  # characters of a statement in which its first word must be
_FIRST = re.compile(
    r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*([a-z]+)", re.IGNORECASE | re.DOTALL
)


def record_operations(target: Mapping[str, Any]) -> Record:
    """Make the function that records the operations on ``target``.

    The labels are bounded by the service's code. The name of an operation tells reads
    from writes and costs a dozen series; a table's name or a statement's text would
    cost one for each statement of the service.

    Args:
        target: The attributes that all spans of the server have.
    """
    return Operations(
        str(target.get("db.system.name", "")),
        str(target.get("server.address", "")),
        str(target.get("db.namespace", "")),
    ).record


class Operations:
    """The series of one server, by operation and error."""

    def __init__(self, system: str, address: str, database: str) -> None:
        self._target = (system, address, database)
        self._notes: dict[tuple[str, str], Callable[[float], None]] = {}

    def record(self, operation: str, error: str, seconds: float) -> None:
        note = self._notes.get((operation, error))
        if note is None:
            note = self._add(operation, error)
        note(seconds)

    def _add(self, operation: str, error: str) -> Callable[[float], None]:
        if len(self._notes) >= _MOST:
            series = OPERATION_DURATION.labels(*self._target, _OTHER, error and _OTHER)
            return series.note
        series = OPERATION_DURATION.labels(*self._target, operation, error)
        return self._notes.setdefault((operation, error), series.note)


def find_operation(statement: str) -> str:
    """Return the first word of a statement in capitals, such as ``SELECT``."""
    return _find_first_word(statement[:_READ])


@lru_cache(maxsize=1024)
def _find_first_word(beginning: str) -> str:
    found = _FIRST.match(beginning)
    return found[1].upper() if found and len(found[1]) <= 20 else _OTHER
