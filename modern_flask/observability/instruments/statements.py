"""Measures each statement of one engine, whether it has a span or not.

The measurement wraps the methods of the engine's dialect that send a statement. An
engine with listeners for events takes a slower path in SQLAlchemy, which costs three
times as much; only a span needs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..metrics.operations import OTHER, Record, record_operations
from .sql import describe_target

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["find_operation", "measure_statements"]

_METHODS = ("do_execute", "do_executemany", "do_execute_no_params")
_READ = 256  # characters of a statement in which its first word must be
_FIRST = re.compile(
    r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*([a-z]+)", re.IGNORECASE | re.DOTALL
)


def measure_statements(engine: Engine) -> None:
    """Record the duration of each statement that ``engine`` sends."""
    record = record_operations(describe_target(engine))
    for name in _METHODS:
        send = getattr(engine.dialect, name)
        setattr(engine.dialect, name, _measure(send, record))


def _measure(send: Callable[..., Any], record: Record) -> Callable[..., Any]:
    def send_measured(cursor: Any, statement: str, *args: Any, **options: Any) -> Any:
        begun, error = perf_counter(), ""
        try:
            return send(cursor, statement, *args, **options)
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            seconds = perf_counter() - begun
            record(find_operation(statement), error, seconds)

    return send_measured


def find_operation(statement: str) -> str:
    """Return the first word of a statement in capitals, such as ``SELECT``."""
    return _find_first_word(statement[:_READ])


@lru_cache(maxsize=1024)
def _find_first_word(beginning: str) -> str:
    found = _FIRST.match(beginning)
    return found[1].upper() if found and len(found[1]) <= 20 else OTHER
