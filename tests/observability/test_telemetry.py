"""One observer brings a component's metrics always, and its spans if tracing is on."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import REGISTRY
from redis import Redis
from sqlalchemy import create_engine, text

from modern_flask.observability.export.destination import Destination
from modern_flask.observability.metrics.registry import Metrics
from modern_flask.observability.telemetry import Telemetry
from modern_flask.observability.tracing import Tracing
from modern_flask.storage import MemoryStorage
from tests.observability.conftest import untraced_telemetry

TRACED = Tracing([Destination("zipkin", "http://127.0.0.1:9", "", "zipkin")])


@pytest.fixture(params=["traced", "untraced"])
def telemetry(request: pytest.FixtureRequest) -> Telemetry:
    """The observer of a service, with tracing on and off."""
    if request.param == "traced":
        return Telemetry(TRACED, Metrics())
    return untraced_telemetry()


@pytest.fixture
def names(telemetry: Telemetry, spans: list[ReadableSpan]) -> Callable[..., list[str]]:
    """``names("SELECT")``: the spans to expect, none where tracing is off."""
    return lambda *expected: list(expected) if telemetry.tracing.on else []


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("name", ["sqlalchemy", "sqlite3"])
def test_engine_of_others(
    name: str, spans: list[ReadableSpan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements that another instrumentor traces get no second span."""
    module: Any = ModuleType(f"opentelemetry.instrumentation.{name}")
    instrumentor = type("Instrumentor", (), {"is_instrumented_by_opentelemetry": True})
    module.SQLAlchemyInstrumentor = module.SQLite3Instrumentor = instrumentor
    monkeypatch.setitem(sys.modules, module.__name__, module)
    engine = create_engine("sqlite://")

    Telemetry(TRACED, None).engine(engine)
    with engine.connect() as connection:
        connection.execute(text("select 1"))

    assert spans == []
    engine.dispose()


def test_engine(
    telemetry: Telemetry,
    spans: list[ReadableSpan],
    names: Callable[..., list[str]],
    tmp_path: Path,
) -> None:
    """An engine's pool is measured; its statements are traced if tracing is on."""
    database = str(tmp_path / "shop.db")
    engine = create_engine(f"sqlite:///{database}", pool_size=3)
    waits = value("database_pool_wait_seconds_count", database=database)

    telemetry.engine(engine)
    with engine.connect() as connection:
        connection.execute(text("select 1"))

    assert value("database_pool_size", database=database) == 3
    assert value("database_pool_wait_seconds_count", database=database) == waits + 1
    assert [span.name for span in spans] == names("SELECT")
    engine.dispose()


def test_redis(
    telemetry: Telemetry,
    spans: list[ReadableSpan],
    names: Callable[..., list[str]],
    redis_url: str,
) -> None:
    """A client's pool and lookups are measured; commands are traced if that is on."""
    client: Any = Redis.from_url(redis_url)
    before = value("redis_pool_connections", state="idle")

    telemetry.redis(client)
    client.ping()
    client.observe_lookup("test_redis", True)

    assert value("redis_pool_connections", state="idle") > before
    assert value("cache_lookups_total", function="test_redis", outcome="hit") > 0
    assert [span.name for span in spans] == names("PING")
    client.close()


def test_storage(
    telemetry: Telemetry,
    spans: list[ReadableSpan],
    names: Callable[..., list[str]],
    request: pytest.FixtureRequest,
) -> None:
    """A storage's operations are measured; they are traced if tracing is on."""
    storage = MemoryStorage()
    storage.vendor = request.node.name

    telemetry.storage(storage)
    storage.put("a.txt", b"x")

    labels = {"vendor": storage.vendor, "operation": "put"}
    assert (
        value("storage_operation_duration_seconds_count", outcome="success", **labels)
        == 1
    )
    assert value("storage_transferred_bytes_total", **labels) == 1
    assert [span.name for span in spans] == names("storage put")


@pytest.fixture
def celery() -> Iterator[Celery]:
    with Celery(broker="memory://", set_as_current=False) as app:
        yield app


def test_celery(
    telemetry: Telemetry, celery: Celery, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    """A Celery app's queues are measured; its tasks are traced if tracing is on."""
    instrumented: list[str] = []
    monkeypatch.setattr(
        "modern_flask.observability.telemetry.instrument", instrumented.append
    )
    monkeypatch.setattr("modern_flask.observability.metrics.queues.DEADLINE", 30.0)
    celery.conf.task_default_queue = request.node.name

    telemetry.celery(celery)

    labels = {"queue": request.node.name}
    assert REGISTRY.get_sample_value("celery_queue_messages", labels) == 0
    assert instrumented == (["celery"] if telemetry.tracing.on else [])
