"""Makes a span for each statement of one engine, through SQLAlchemy's events.

The attributes follow the stable conventions for database clients
(opentelemetry.io/docs/specs/semconv/database/database-spans). OpenTelemetry's own
instrumentor does not support SQLAlchemy 2.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from sqlalchemy import Engine, event

from ..sdk import is_suppressed
from .sql_text import LONGEST, hide_literals, summarize

__all__ = ["describe", "describe_target", "trace_statements"]

_SYSTEMS = {
    "mssql": "microsoft.sql_server",
    "oracle": "oracle.db",
    "bigquery": "gcp.bigquery",
}


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
        given = values[0] if many and values else values
        summary, text = describe(statement[:LONGEST], self._mysql, bool(given))
        attributes = {**self._target, "db.query.text": text}
        if many and len(values) > 1:
            summary = f"BATCH {summary}".strip()
            attributes["db.operation.batch.size"] = len(values)
        if summary:
            attributes["db.query.summary"] = summary
        # The execution context holds the span: one cursor may run many statements.
        execution._modern_flask_span = self._tracer.start_span(
            summary or self._target["db.system.name"],
            kind=SpanKind.CLIENT,
            attributes=attributes,
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
def describe(
    statement: str, mysql: bool = False, has_parameters: bool = False
) -> tuple[str, str]:
    """Return the summary and the text of a statement.

    The conventions say that a statement with parameters keeps its text: its literals
    are constants of the program.

    Args:
        statement: The statement, cut at :data:`LONGEST` characters.
        mysql: Whether strings follow the rules of MySQL.
        has_parameters: Whether it was sent with parameters. If not, literals become
            ``?``, and comments are removed, because they may contain anything.
    """
    text = statement if has_parameters else hide_literals(statement, mysql)
    return summarize(statement, mysql), text


def _pop_span(execution: Any) -> Span | None:
    return vars(execution).pop("_modern_flask_span", None) if execution else None
