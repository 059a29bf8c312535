"""Makes a span for each statement of one engine, through SQLAlchemy's events.

The attributes follow the stable conventions for database clients
(opentelemetry.io/docs/specs/semconv/database/database-spans). OpenTelemetry's own
instrumentor does not support SQLAlchemy 2.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from sqlalchemy import Engine, event

from ..sdk import is_suppressed

__all__ = ["describe", "describe_target", "trace_statements"]

_SYSTEMS = {
    "mssql": "microsoft.sql_server",
    "oracle": "oracle.db",
    "bigquery": "gcp.bigquery",
}
_LONGEST = 8192  # characters of a statement: an INSERT of many rows may have millions

# The tokens that are needed to find the literals of a statement. A string that is not
# closed ends at the end of the statement.
_TOKENS = r"""
    (?P<comment>{line}[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<text>{strings}|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z))
    |(?P<name>"(?:[^"]|"")*"|`[^`]*`|\[[^\W\d][\w\ ]*\])
    |(?P<number>(?<![\w:$%@])(?:0[box][0-9a-f_]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+)\b)
"""
_FLAGS = re.VERBOSE | re.DOTALL | re.IGNORECASE
_STANDARD = re.compile(
    _TOKENS.replace("{line}", "--").replace(
        "{strings}",
        r"""\be'(?:[^'\\]|''|\\.)*(?:'|\Z)|(?:\b[nxb])?'(?:[^']|'')*(?:'|\Z)""",
    ),
    _FLAGS,
)
# In MySQL, strings have backslash escapes, double quotes enclose strings, and #
# begins a comment.
_MYSQL = re.compile(
    _TOKENS.replace("{line}", r"(?:--|\#)").replace(
        "{strings}",
        r"""(?:\b[nxb])?'(?:[^'\\]|''|\\.)*(?:'|\Z)|"(?:[^"\\]|""|\\.)*(?:"|\Z)""",
    ),
    _FLAGS,
)
_TARGET = re.compile(r"\b(?:from|into|update|table|join)\s+([\w.\"`]+)", re.IGNORECASE)
_FIRST = re.compile(r"[a-z]+", re.IGNORECASE)


def trace_statements(engine: Engine) -> None:
    """Make a client span for each statement that ``engine`` sends."""
    statements = _Statements(engine)
    event.listen(engine, "before_cursor_execute", statements.start)
    event.listen(engine, "after_cursor_execute", statements.end)
    event.listen(engine, "handle_error", statements.fail)


class _Statements:
    """Starts a span before each statement of an engine, and ends it afterwards."""

    def __init__(self, engine: Engine) -> None:
        self._tracer = trace.get_tracer("modern_flask.sql")
        self._target = describe_target(engine)
        self._mysql = engine.dialect.name in ("mysql", "mariadb")

    def start(
        self,
        connection: Any,
        cursor: Any,
        statement: str,
        values: Any,
        execution: Any,
        many: bool,
    ) -> None:
        if is_suppressed():
            return
        name, described = describe(statement[:_LONGEST], self._mysql)
        attributes = {**self._target, **described}
        if many and len(values) > 1:
            attributes["db.operation.batch.size"] = len(values)
        # The execution context holds the span: one cursor may run many statements.
        execution._modern_flask_span = self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes=attributes
        )

    def end(
        self,
        connection: Any,
        cursor: Any,
        statement: str,
        values: Any,
        execution: Any,
        many: bool,
    ) -> None:
        span = _pop_span(execution)
        if span is None:
            return
        # Some drivers don't know the number: SQLite counts only changed rows.
        if cursor.description and cursor.rowcount >= 0 and span.is_recording():
            span.set_attribute("db.response.returned_rows", cursor.rowcount)
        span.end()

    def fail(self, failure: Any) -> None:
        span = _pop_span(failure.execution_context)
        if span is not None:
            kind = type(failure.original_exception).__name__
            span.set_attribute("error.type", kind)
            state = getattr(failure.original_exception, "sqlstate", None)
            if state:
                span.set_attribute("db.response.status_code", state)
            span.set_status(Status(StatusCode.ERROR, kind))
            span.end()


def describe_target(engine: Engine) -> dict[str, Any]:
    """Return the attributes that all spans of ``engine`` have."""
    url, system = engine.url, engine.dialect.name
    found: dict[str, Any] = {"db.system.name": _SYSTEMS.get(system, system)}
    if url.database:
        found["db.namespace"] = url.database
    if url.host:
        found["server.address"] = url.host
    if url.port:
        found["server.port"] = url.port
    return found


@lru_cache(maxsize=512)
def describe(statement: str, mysql: bool = False) -> tuple[str, dict[str, str]]:
    """Return the name and the attributes of a statement's span, without literals.

    Args:
        statement: The statement. Literals become ``?``. Comments are removed, because
            they may contain anything.
        mysql: Whether strings follow the rules of MySQL.
    """

    def replace(token: re.Match[str]) -> str:
        if token["comment"]:
            return " "
        return token[0] if token["name"] else "?"

    text = (_MYSQL if mysql else _STANDARD).sub(replace, statement).strip()
    first, target = _FIRST.search(text), _TARGET.search(text)
    operation = first[0].upper()[:20] if first else "SQL"
    found = {"db.operation.name": operation, "db.query.text": text}
    if target is None:
        return operation, found
    found["db.collection.name"] = re.sub('["`]', "", target[1])
    return f"{operation} {found['db.collection.name']}", found


def _pop_span(execution: Any) -> Span | None:
    return vars(execution).pop("_modern_flask_span", None) if execution else None
