"""Measures the operations on one server: SQL statements and Redis commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .families import OPERATION_DURATION

__all__ = ["OTHER", "Operations", "Record", "record_operations"]

# (the operation, the class of its error or an empty text, seconds)
Record = Callable[[str, str, float], None]

_MOST = 200  # pairs of an operation and an error, to bound the number of series
OTHER = "_OTHER"


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
            series = OPERATION_DURATION.labels(*self._target, OTHER, error and OTHER)
            return series.note
        series = OPERATION_DURATION.labels(*self._target, operation, error)
        return self._notes.setdefault((operation, error), series.note)
