"""Durations of statements and commands, with tracing on and off."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis import Redis, WatchError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from modern_flask.observability.instruments.statements import find_operation
from modern_flask.observability.metrics import operations
from modern_flask.observability.metrics.operations import Operations
from tests.observability.conftest import untraced_telemetry
from tests.observability.test_telemetry import TRACED, Metrics, Telemetry

NAME = "db_client_operation_duration_seconds"


def counted(operation: str, error: str = "", **target: str) -> float:
    labels = {
        "db_system_name": "",
        "server_address": "",
        "database": "",
        "db_operation_name": operation,
        "error_type": error,
        **target,
    }
    return REGISTRY.get_sample_value(f"{NAME}_count", labels) or 0.0


@pytest.fixture(params=["traced", "untraced"])
def telemetry(request: pytest.FixtureRequest) -> Telemetry:
    if request.param == "traced":
        return Telemetry(TRACED, Metrics())
    return untraced_telemetry()


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


def test_commands(telemetry: Telemetry, redis_url: str) -> None:
    """Each command and each pipeline counts once, by its name."""
    client: Any = Redis.from_url(redis_url)
    telemetry.redis(client)
    target = {"db_system_name": "redis", "server_address": "127.0.0.1"}
    target["database"] = str(client.connection_pool.connection_kwargs.get("db") or 0)
    names = ("SET", "GET", "PIPELINE", "PIPELINE GET", "CONFIG GET")
    before = {name: counted(name, **target) for name in names}
    failed = counted("LPUSH", "ResponseError", **target)

    client.set("a", "x")
    client.execute_command("get", "a")
    client.config_get("port")
    client.pipeline().get("a").set("b", "x").execute()
    client.pipeline().get("a").get("b").execute()
    client.pipeline().execute()
    with pytest.raises(Exception, match="WRONGTYPE"):
        client.lpush("a", "y")

    assert {name: counted(name, **target) - before[name] for name in names} == (
        dict.fromkeys(names, 1)
    )
    assert counted("LPUSH", "ResponseError", **target) == failed + 1
    client.close()


def test_lost_race(redis_url: str) -> None:
    """A watched key that has changed is an answer of Redis, and no error."""
    client: Any = Redis.from_url(redis_url)
    untraced_telemetry().redis(client)
    target = {"db_system_name": "redis", "server_address": "127.0.0.1"}
    target["database"] = str(client.connection_pool.connection_kwargs.get("db") or 0)
    before = counted("PIPELINE SET", **target)

    pipeline = client.pipeline()
    pipeline.watch("a")
    client.set("a", "changed")
    pipeline.multi()
    pipeline.set("a", "mine")
    with pytest.raises(WatchError):
        pipeline.execute()

    assert counted("PIPELINE SET", "WatchError", **target) == 0
    assert counted("PIPELINE SET", **target) == before + 1
    client.close()


def test_any_number_of_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that the service makes up are bounded; errors among them are kept."""
    monkeypatch.setattr(operations, "_MOST", 2)
    target = {"db_system_name": "test", "server_address": "h", "database": "d"}
    measured = Operations("test", "h", "d")

    for number in range(9):
        measured.record(f"MADE {number}", "", 0.1)
    measured.record("MADE 9", "TimeoutError", 0.1)

    assert counted("MADE 1", **target) == 1
    assert counted("_OTHER", **target) == 7
    assert counted("_OTHER", "_OTHER", **target) == 1
