"""What a real Prometheus makes of a service that the kit serves."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from modern_flask.observability.metrics import multiprocess
from tests.conftest import not_run
from tests.observability.shop import ask, fetch, write_shop
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.missing import CannotRun
from tests.servers.processes import Process, free_port, python
from tests.servers.prometheus import Prometheus, check_metrics
from tests.servers.tree import Life, descendants, send

SERVICE = '''
"""A shop that uses everything that is measured."""
from celery import shared_task
from modern_flask import (
    CeleryDep, Container, EngineDep, StorageDep, cached, create_app, inject
)
from sqlalchemy import text

@cached(60)
def price(number):
    return number * 2

@shared_task(name="sell")
def sell(number):
    return number

app = create_app("shop", Container())

@app.get("/orders/<int:number>")
@inject
def order(number, engine: EngineDep, storage: StorageDep, celery: CeleryDep):
    with engine.connect() as connection:
        connection.execute(text("select 1"))
    storage.put(f"{number}.txt", b"bytes")
    with storage.get(f"{number}.txt") as reader:
        reader.read()
    celery.send_task("sell", [number])
    return {"price": price(number)}

@app.get("/broken")
def broken():
    raise LookupError
'''
SERVERS = {
    "gunicorn": (
        *("-m", "gunicorn", "-c", "python:modern_flask.server.settings"),
        "shop:app",
    ),
    "serve": ("-m", "modern_flask.cli", "--app", "shop", "serve"),
}
HANDLER = 'handler="/orders/<int:number>"'
COUNT = f"http_request_duration_seconds_count{{{HANDLER}}}"


class Shop:
    """A service in ``shop.py``: a server, and a worker, each on free ports."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        keys = {f"FLASK_{key}": value for key, value in environ.items()}
        self.environ: dict[str, str | None] = {**keys, multiprocess.VARIABLE: None}

    @contextmanager
    def serving(
        self, *options: str, server: str = "gunicorn"
    ) -> Iterator[tuple[Process, int]]:
        port = free_port()
        command = (*SERVERS[server], *options, "--bind", f"127.0.0.1:{port}")

        def answers_or_left() -> bool:
            left = process.returncode is not None
            return left or ask(port, 1, 1, "/livez") == {200: 1}

        with self.run("server.log", *command) as process:
            eventually(answers_or_left, 60)
            assert process.returncode is None, process.output
            yield process, port

    @contextmanager
    def working(self) -> Iterator[int]:
        port = free_port()
        cli = ("-m", "modern_flask.cli", "--app", "shop", "worker")
        options = ("--concurrency", "1", "--without-mingle", "--without-gossip")
        keys = {"FLASK_METRICS_PORT": str(port), "FLASK_METRICS_ADDRESS": "127.0.0.1"}
        with self.run("worker.log", *cli, *options, **keys) as process:
            process.wait_for_line(r" ready\.", 60)
            yield port

    def run(self, log: str, *words: str, **environ: str) -> Process:
        return Process(
            *python(*words),
            log=self.folder / log,
            env={**self.environ, **environ},
            cwd=self.folder,
        )


@pytest.fixture
def shop(tmp_path: Path, redis_url: str) -> Shop:
    """The shop that uses every component."""
    (tmp_path / "shop.py").write_text(SERVICE)
    return Shop(
        tmp_path,
        STORAGE_VENDOR="memory",
        DATABASE_ENGINE_URL="sqlite:///shop.db",
        REDIS_URL=redis_url,
        CELERY_BROKER_URL=redis_url.rpartition("/")[0] + "/1",
    )


@pytest.fixture
def promtool() -> Callable[[str], str]:
    """What promtool reports about an exposition."""
    try:
        check_metrics("")
    except CannotRun as missing:
        not_run(missing)
    return check_metrics


FAMILIES = {
    "cache_lookups_total",
    "celery_queue_messages",
    "database_pool_connections",
    "database_pool_size",
    "database_pool_wait_seconds_count",
    "http_request_duration_seconds_count",
    "http_request_exceptions_total",
    "http_requests_in_flight",
    "http_response_size_bytes_count",
    "modern_flask_build_info",
    "redis_pool_connections",
    "service_startup_seconds",
    "storage_operation_duration_seconds_count",
    "storage_transferred_bytes_total",
    "telemetry_spans_total",
}


def families(text: str) -> set[str]:
    """The names of the samples."""
    return set(re.findall(r"^(\w+)[ {]", text, re.MULTILINE))


def use(port: int) -> None:
    """Request each of the service's pages, and one that does not exist."""
    for path in ("/orders/1", "/orders/1", "/orders/2"):
        assert ask(port, 1, 1, path) == {200: 1}
    assert ask(port, 1, 1, "/broken") == {500: 1}
    assert ask(port, 1, 1, "/nowhere/7") == {404: 1}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_promtool(shop: Shop, promtool: Callable[[str], str], workers: str) -> None:
    """promtool accepts the kit's names and texts, in either mode."""
    with shop.serving("--workers", workers) as (_, port):
        use(port)
        # A worker writes its pools down every second.
        eventually(lambda: families(fetch(port, "/metrics")) >= FAMILIES, 60)
        text = fetch(port, "/metrics")

    assert promtool(text) == ""


def test_promtool_on_a_worker(shop: Shop, promtool: Callable[[str], str]) -> None:
    """promtool accepts what a worker's parent exposes, too."""
    with shop.serving() as (_, server), shop.working() as port:
        use(server)
        wanted = {"celery_task_duration_seconds_count", "celery_queue_messages"}
        eventually(lambda: families(fetch(port, "/metrics")) >= wanted, 60)
        text = fetch(port, "/metrics")

    assert promtool(text) == ""


def test_promtool_finds_faults(promtool: Callable[[str], str]) -> None:
    """promtool really runs: it rejects a counter with a wrong name."""
    assert "_total" in promtool("# HELP sold Sold.\n# TYPE sold counter\nsold 1\n")


def test_scraped_service(
    tmp_path: Path, zipkin: ZipkinCollector, private_server: Callable[..., Prometheus]
) -> None:
    """Prometheus finds the service up, its requests by rule, and traces of them."""
    write_shop(tmp_path)
    shop = Shop(tmp_path, OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url)
    with shop.serving() as (_, port):
        prometheus = private_server(lambda: Prometheus(f"127.0.0.1:{port}"))
        ask(port, 5, path="/orders/7")
        ask(port, 5, path="/orders/8")

        eventually(lambda: prometheus.query(COUNT) == [10], 60)

        # On a busy machine a scrape may come too late, and the next one will do.
        eventually(lambda: prometheus.query("up") == [1], 60)
        good = f"{COUNT[:-1]}, method='GET', status='200'}}"
        eventually(lambda: prometheus.query(good) == [10], 60)
        bucket = f"http_request_duration_seconds_bucket{{{HANDLER}}}"
        shown = eventually(lambda: prometheus.exemplars(bucket))
    sent = {span["traceId"] for span in zipkin.spans}
    assert {labels["trace_id"] for labels in shown} <= sent


def test_killed_workers(
    tmp_path: Path, private_server: Callable[..., Prometheus]
) -> None:
    """No counter decreases when workers are killed, on either port."""
    write_shop(tmp_path)
    own = free_port()
    shop = Shop(tmp_path, METRICS_PORT=str(own), METRICS_ADDRESS="127.0.0.1")
    answered = 0
    with shop.serving("--workers", "2") as (process, port):
        eventually(lambda: len(workers_of(process)) == 2, 60)
        targets = [f"127.0.0.1:{port}", f"127.0.0.1:{own}"]
        prometheus = private_server(lambda: Prometheus(*targets))
        for _ in range(4):
            answered += ask(port, 50, path="/orders/7")[200]
            wait_for_all(prometheus, answered)
            kill_one(process)
        wait_for_all(prometheus, answered)

        history = prometheus.history(COUNT)

    assert len(history) == 2
    for values in history:
        assert values == sorted(values)
        assert values[-1] == answered


def wait_for_all(prometheus: Prometheus, number: int) -> None:
    """Until both ports were scraped with all requests, and are up."""
    eventually(lambda: prometheus.query(COUNT) == [number] * 2, 60)
    eventually(lambda: prometheus.query("up") == [1, 1], 60)


def kill_one(process: Process) -> None:
    """``kill -9`` one worker; another replaces it."""
    before = workers_of(process)
    os.kill(min(before).pid, signal.SIGKILL)
    eventually(lambda: len(workers_of(process) - before) == 1, 60)


def workers_of(process: Process) -> set[Life]:
    return set(descendants(process.pid))


@pytest.mark.parametrize("server", ["gunicorn", "serve"])
def test_pools_of_workers(shop: Shop, server: str) -> None:
    """The pools of all workers are added up, without those of killed ones."""
    size = 'database_pool_size{database="shop.db"}'
    held = 'redis_pool_connections{state="idle"}'
    with shop.serving("--workers", "2", server=server) as (process, port):
        # Until each of the two has answered.
        eventually(lambda: used(port).get(size) == 10, 60)
        eventually(lambda: gauges(port).get(held) == 2, 60)

        send(signal.SIGKILL, workers_of(process))
        # The new workers have opened their pools, and not used them.
        eventually(lambda: [gauges(port).get(each) for each in (size, held)] == [10, 0])


def used(port: int) -> dict[str, float]:
    """The pools after use; in parallel, so that both workers answer."""
    ask(port, 20, path="/orders/1")
    return gauges(port)


def gauges(port: int) -> dict[str, float]:
    """The connections of the service's pools, by the text of their labels."""
    with suppress(OSError):
        text = fetch(port, "/metrics")
        name = r"(?:database_pool_(?:size|connections)|redis_pool_connections)"
        found = re.findall(rf"^({name}{{.*}}) (\S+)$", text, re.MULTILINE)
        return {label: float(number) for label, number in found}
    return {"nobody answers": 0.0}
