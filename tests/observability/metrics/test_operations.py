"""Durations of commands, with tracing on and off."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis import Redis, WatchError

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
