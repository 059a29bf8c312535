"""Reads from the text of a statement whether it writes rows, and to which table."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Effect", "read_effect"]

_FLAGS = re.VERBOSE | re.DOTALL | re.IGNORECASE
_LONGEST = 8192  # characters: an INSERT of many rows may have millions
_NAME = r"""((?:[\w$\#]+|"[^"]+"|`[^`]+`|\[[^\]]+\])
    (?:\.(?:[\w$\#]+|"[^"]+"|`[^`]+`|\[[^\]]+\]))*)"""

_FIRST = re.compile(r"(?:\s|\(|--[^\n]*|\#[^\n]*|/\*.*?\*/)*(\w+)", _FLAGS)
_LITERAL = re.compile(
    r"""--[^\n]*|/\*.*?\*/|(?:'(?:[^'\\]|''|\\.)*(?:'|\Z))|\$(\w*)\$.*?\$\1\$""", _FLAGS
)
# A statement within WITH, or the one after it. REPLACE and INSERT are also functions,
# and "for update" locks rows.
_WITHIN = re.compile(
    r"[()]\s*(?:(?:insert|replace|merge)\s+into|delete\s+from|update\s[^()]*?\sset)\s",
    _FLAGS,
)
_TARGET = re.compile(
    r"""\b(?:into|from|update|copy)\s+
    (?:(?:only|ignore|low_priority|or\s+\w+)\s+)*"""
    + _NAME,
    _FLAGS,
)
_TEMPORARY = re.compile(
    r"""\b(?:create\s+(?:or\s+replace\s+)?(?:global\s+|local\s+)?temp(?:orary)?\s+table
        (?:\s+if\s+not\s+exists)?
    |into\s+temp(?:orary)?(?:\s+table)?)\s+"""
    + _NAME,
    _FLAGS,
)
_COPY_IN = re.compile(r"[^()']*(?:\([^()]*\))?\s*from\s", _FLAGS)

_WRITING = frozenset({"insert", "update", "delete", "merge", "replace", "upsert"})
_ENDING = frozenset({"commit", "rollback", "end", "abort"})
_DEFINING = frozenset({"create", "alter", "drop", "truncate", "rename", "grant"})


class Effect(NamedTuple):
    """What a statement does besides reading.

    Args:
        kind: ``write`` for rows, ``end`` for the end of a transaction, ``define`` for
            tables and the like, ``temporary`` for a temporary table.
        table: The name of the table, without schema and quotes; empty if not found.
    """

    kind: str
    table: str = ""


@lru_cache(maxsize=512)
def _read(statement: str) -> Effect | None:
    first = _FIRST.match(statement)
    word = first[1].lower() if first else ""
    if word in _WRITING:
        return Effect("write", _find_table(_TARGET, statement))
    if word in ("create", "select", "with"):
        temporary = _find_table(_TEMPORARY, _LITERAL.sub("''", statement))
        if temporary:
            return Effect("temporary", temporary)
    if word == "with":
        within = _WITHIN.search(_LITERAL.sub("''", statement))
        return Effect("write") if within else None
    if word == "copy" and first and _COPY_IN.match(statement, first.end()):
        return Effect("write", _find_table(_TARGET, statement))
    if word in _ENDING:
        return Effect("end")
    return Effect("define") if word in _DEFINING else None


def read_effect(statement: str) -> Effect | None:
    """Return what ``statement`` does besides reading, or None.

    A locking SELECT only reads. What a procedure or a function does is not known, so
    CALL and SELECT count as reading.
    """
    return _read(statement[:_LONGEST])


def _find_table(pattern: re.Pattern[str], statement: str) -> str:
    found = pattern.search(statement)
    if found is None:
        return ""
    *schema, table = re.split(r"\.", re.sub(r'["`\[\]]', "", found[1]).lower())
    # PostgreSQL and SQLite have a schema for temporary tables.
    return f"#{table}" if schema and schema[-1] in ("pg_temp", "temp") else table
