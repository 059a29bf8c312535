"""Durations of statements, with tracing on and off."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from modern_flask.observability.instruments.statements import find_operation
from modern_flask.observability.telemetry import Telemetry
from tests.observability.metrics.test_operations import counted, telemetry

__all__ = ["telemetry"]


def test_statements(telemetry: Telemetry, tmp_path: Path) -> None:
    """Each statement counts once, by its database and the name of its operation."""
    engines = []
    for name in ("orders.db", "stock.db"):
        engine = create_engine(f"sqlite:///{tmp_path}/{name}")
        engines.append(engine)
        telemetry.engine(engine)
    one, other = ({"database": str(e.url.database)} for e in engines)
    target = {"db_system_name": "sqlite"}

    with engines[0].begin() as connection:
        connection.execute(text("create table a (b int)"))
        connection.execute(text("insert into a values (:b)"), [{"b": 1}, {"b": 2}])
        connection.execute(text("/* a comment */ select b from a"))
    with engines[1].connect() as connection, pytest.raises(OperationalError):
        connection.execute(text("select * from nowhere"))

    assert counted("CREATE", **target, **one) == 1
    assert counted("INSERT", **target, **one) == 1
    assert counted("SELECT", **target, **one) == 1
    assert counted("SELECT", **target, **other) == 0
    assert counted("SELECT", "OperationalError", **target, **other) == 1
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize(
    ("statement", "operation"),
    [
        ("select 1", "SELECT"),
        ("  (SELECT 1) UNION (SELECT 2)", "SELECT"),
        ("-- who\n/* asks */ insert into a values (1)", "INSERT"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH"),
        ("", "_OTHER"),
        ("1 + 1", "_OTHER"),
        ("/* never closed", "_OTHER"),
        ("/* " + "long " * 99 + "*/ select 1", "_OTHER"),
        ("x" * 21, "_OTHER"),
    ],
)
def test_operation_of_a_statement(statement: str, operation: str) -> None:
    """The operation is the first word, after comments."""
    assert find_operation(statement) == operation
