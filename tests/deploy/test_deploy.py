"""The dashboard and the alert rules, with a real Prometheus and real services."""

import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import not_run
from tests.observability.metrics.test_prometheus import Shop
from tests.observability.shop import ask
from tests.servers.eventually import eventually
from tests.servers.missing import CannotRun, find_binary
from tests.servers.prometheus import PACKAGE, Prometheus

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "deploy" / "prometheus-rules.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SERVICE = '''
"""A shop that uses, and fails with, everything that is measured."""
import logging
import requests
from celery import shared_task
from flask import request
from modern_flask import (
    CeleryDep, Container, EngineDep, RedisDep, StorageDep, cached, create_app, inject
)
from sqlalchemy import text

@cached(60)
def price(number):
    return number * 2

@shared_task(bind=True, name="sell", max_retries=1)
def sell(self):
    if not self.request.retries:
        raise self.retry(countdown=0)

app = create_app("shop", Container())

@app.get("/orders/<int:number>")
@inject
def order(number, engine: EngineDep, storage: StorageDep, celery: CeleryDep):
    with engine.connect() as connection:
        connection.execute(text("select 1"))
    storage.put(f"{number}.txt", b"bytes")
    with storage.get(f"{number}.txt") as reader:
        reader.read()
    celery.send_task("sell")
    requests.get(f"{request.url_root}peer", timeout=10)
    requests.get(f"{request.url_root}nowhere", timeout=10)
    return {"price": price(1)}

@app.get("/peer")
def peer():
    return "x"

@app.get("/broken")
@inject
def broken(engine: EngineDep, redis: RedisDep):
    try:
        redis.execute_command("NONSENSE")
    except Exception:
        logging.getLogger("shop").warning("no such command")
    with engine.connect() as connection:
        connection.execute(text("select * from nowhere"))
'''


@pytest.fixture
def promtool() -> Callable[..., str]:
    """``promtool("check", ...)``: what it prints; its exit code must be 0."""
    try:
        binary = find_binary("promtool", "prometheus", PACKAGE)
    except CannotRun as missing:
        not_run(missing)

    def run(*words: object) -> str:
        done = subprocess.run(
            [binary, *map(str, words)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_rules(promtool: Callable[..., str]) -> None:
    """promtool accepts the rules; each fires when it should, and only then."""
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", Path(__file__).with_name("rules.yml"))


def test_every_rule_is_tested() -> None:
    """No alert is without a test that it fires, and one that it is quiet."""
    alerts = [
        line.partition("alert: ")[2]
        for line in RULES.read_text().splitlines()
        if "- alert: " in line
    ]
    tests = Path(__file__).with_name("rules.yml").read_text()

    assert len(alerts) == len(set(alerts)) == 12
    for alert in alerts:
        assert f"'{alert} fires'" in tests
        assert f"'{alert} is quiet'" in tests


def read_queries(instance: str) -> dict[str, str]:
    """The queries of the dashboard for one instance, as Grafana would send them."""
    return {
        f"{panel['title']}: {target['expr']}": target["expr"]
        .replace("$__rate_interval", "15s")
        .replace("$job", ".*")
        .replace("$instance", instance)
        for panel in PANELS
        for target in panel["targets"]
    }


def test_dashboard(
    tmp_path: Path, redis_url: str, private_server: Callable[..., Prometheus]
) -> None:
    """Every query of the dashboard finds series, whatever the names of the metrics."""
    (tmp_path / "shop.py").write_text(SERVICE)
    keys = {
        "STORAGE_VENDOR": "memory",
        "DATABASE_ENGINE_URL": "sqlite:///shop.db",
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": redis_url.rpartition("/")[0] + "/1",
    }
    threads = ("--threads", "4")
    with ExitStack() as stack:
        old, otel = Shop(tmp_path, **keys), Shop(tmp_path, **keys, METRICS_NAMES="otel")
        ports = [stack.enter_context(each.serving(*threads))[1] for each in (old, otel)]
        worker = stack.enter_context(old.working())
        targets = [f"127.0.0.1:{port}" for port in (*ports, worker)]
        prometheus = private_server(lambda: Prometheus(*targets))

        for target in targets[:2]:
            instances = "|".join((target, targets[2]))
            find = partial(find_empty, prometheus, instances, target)
            assert eventually(lambda found=find: not found(), 60)


def find_empty(prometheus: Prometheus, instances: str, target: str) -> list[str]:
    """Use the service once more. The queries that find no series."""
    port = int(target.rpartition(":")[2])
    assert ask(port, 1, 1, "/orders/1") == {200: 1}
    assert ask(port, 1, 1, "/broken") == {500: 1}
    queries = read_queries(instances)
    return [name for name, query in queries.items() if not prometheus.query(query)]


def test_panels_are_complete() -> None:
    """Each panel says what it shows, and has a place of its own and a unit."""
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]

    assert len(set(places)) == len(places)
    for panel in PANELS:
        found: Any = panel["fieldConfig"]["defaults"]["unit"]
        assert found
        assert panel["description"].endswith(".")
        assert all(target["legendFormat"] for target in panel["targets"])
