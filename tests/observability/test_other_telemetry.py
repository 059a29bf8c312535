"""Under opentelemetry-instrument each span is sent once, and none is lost."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.observability.shop import ask, fetch
from tests.servers.collectors import OtlpCollector, ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

SHOP = '''
"""A shop that uses everything of the kit that makes spans."""
import logging, os
import requests
from celery import shared_task
from sqlalchemy import text
from modern_flask import EngineDep, RedisDep, StorageDep, create_app, inject

@shared_task(name="sell")
def sell(number):
    logging.getLogger("shop").warning("sold %d", number)

app = create_app("shop", config={
    "DATABASE_ENGINE_URL": "sqlite+pysqlite:///:memory:",
    "REDIS_URL": os.environ["REDIS"], "STORAGE_VENDOR": "memory",
    "CELERY_BROKER_URL": os.environ["REDIS"],
})

@app.get("/all/<int:number>")
@inject
def everything(number, engine: EngineDep, redis: RedisDep, storage: StorageDep):
    with engine.connect() as connection:
        connection.execute(text("select 1"))
    redis.set("key", number)
    storage.put("a.txt", b"x")
    requests.get(os.environ["ECHO"], timeout=5)
    sell.delay(number)
    logging.getLogger("shop").warning("in view")
    return "x"

@app.get("/fail")
def fail():
    raise ValueError("view failed")
'''


def count(spans: list[Any]) -> Counter[str]:
    """The spans of the shop's own operations, by kind and operation."""
    found: Counter[str] = Counter()
    for span in spans:
        name = span["name"].lower()
        # Celery's broker is a Redis as well: its commands are not the shop's.
        for part in ("get /all", "select", "connect", "set", "storage put", "sell"):
            if name == part or (part in name and " " in part) or f"/{part}" in name:
                found[f"{span['kind']} {part}"] += 1
        if name == "get":
            found["CLIENT get"] += 1
    return found


EACH_ONCE = {
    "SERVER get /all": 1,
    "CLIENT select": 1,
    "CLIENT set": 1,
    "CLIENT storage put": 1,
    "CLIENT get": 1,
    "PRODUCER sell": 1,
}


@pytest.fixture
def environ(
    tmp_path: Path, redis_url: str, otlp: OtlpCollector, zipkin: ZipkinCollector
) -> dict[str, str]:
    """What an operator of Kubernetes sets for every service."""
    (tmp_path / "shop.py").write_text(SHOP)
    return {
        "REDIS": redis_url,
        "ECHO": zipkin.url,
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.url.removesuffix("/v1/traces"),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
    }


def instrumented(*words: str) -> list[str]:
    module = "opentelemetry.instrumentation.auto_instrumentation"
    program = f"from {module} import run; run()"
    return [*python("-c", program), *words]


@pytest.mark.parametrize(
    ("settings", "exporter"),
    [((), None), (("-c", "python:modern_flask.server.settings"), "otlp")],
    ids=["plain gunicorn", "the kit's settings and OTEL_EXPORTER"],
)
def test_opentelemetry_instrument(
    environ: dict[str, str],
    otlp: OtlpCollector,
    tmp_path: Path,
    settings: tuple[str, ...],
    exporter: str | None,
) -> None:
    """Under opentelemetry-instrument each span is sent once, by one side."""
    port = free_port()
    gunicorn = python("-m", "gunicorn")
    bind = ("--bind", f"127.0.0.1:{port}")

    with Process(
        *instrumented(*gunicorn, *settings, *bind, "shop:app"),
        log=tmp_path / "log",
        env={**environ, "GUNICORN_BIND": None, "OTEL_EXPORTER": exporter},
        cwd=tmp_path,
    ) as process:
        eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
        assert ask(port, 20, 2, "/all/7") == {200: 20}
        problem = json.loads(fetch(port, "/fail"))
        code = process.stop()

    said = process.output
    assert code == 0
    assert count(otlp.spans) == dict.fromkeys(EACH_ONCE, 20)
    ids = [span["span_id"] for span in otlp.spans]
    assert len(ids) == len(set(ids))
    servers = [span for span in otlp.spans if span["kind"] == "SERVER"]
    (scope,) = {span["scope"] for span in servers}
    assert scope == "opentelemetry.instrumentation.flask"
    assert len(servers) == 21
    assert not [span for span in otlp.spans if span["kind"] == "INTERNAL"]
    (failed,) = [span for span in servers if span["name"] == "GET /fail"]
    assert [event["name"] for event in failed["events"]] == ["exception"]
    assert problem["trace_id"] == failed["trace_id"]
    (error,) = [line for line in said.splitlines() if "Exception on /fail" in line]
    assert f"trace_id={failed['trace_id']} span_id={failed['span_id']}" in error
    assert said.count("- in view") == 20
    (line,) = [line for line in said.splitlines() if "Other code has set up" in line]
    assert line.endswith(
        "its TracerProvider gets all spans. The kit sends none itself. Left to "
        "OpenTelemetry's instrumentors: flask, redis, requests and celery."
    )


def test_worker_under_opentelemetry_instrument(
    environ: dict[str, str],
    redis_url: str,
    otlp: OtlpCollector,
    tmp_path: Path,
) -> None:
    """A Celery worker under opentelemetry-instrument loses no span of a task."""
    with Celery(broker=redis_url, set_as_current=False) as sender:
        for number in range(20):
            sender.send_task("sell", [number])
    command = python("-m", "modern_flask.cli", "--app", "shop", "worker")

    with Process(
        *instrumented(*command, "--concurrency", "2"),
        log=tmp_path / "log",
        env=environ,
        cwd=tmp_path,
    ) as process:
        eventually(lambda: process.output.count("- sold ") == 20, timeout=60)
        code = process.stop()

    assert code == 0
    runs = [span for span in otlp.spans if span["name"] == "run/sell"]
    assert len(runs) == len({span["span_id"] for span in runs}) == 20
    assert "trace_id=0 span_id=0 resource.service.name=shop] - sold" not in (
        process.output
    )
