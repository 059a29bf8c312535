"""What ``/metrics`` exposes, and under which names."""

import gc
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from flask import Flask, Response
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import REGISTRY, Histogram
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from sqlalchemy import QueuePool, create_engine

from modern_flask import Container, create_app
from modern_flask.config.values import Section
from modern_flask.errors import UnknownSetting
from modern_flask.observability.errors import FIX_PORT, BadPort
from modern_flask.observability.metrics.histogram import NotingHistogram
from modern_flask.observability.metrics.registry import Metrics, open_metrics
from modern_flask.redis import make_cached
from tests.observability.conftest import open_resource, untraced_telemetry
from tests.observability.shop import fetch, run, scrape
from tests.servers.eventually import eventually
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import Process, free_port, python

REQUESTS = "http_request_duration_seconds"
LABELS = ("method", "handler", "status")
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


@pytest.fixture
def service(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    app = create_app("metrics_of_a_shop", Container())
    app.add_url_rule("/metered/<int:number>", "order", lambda number: "x")
    return app.test_client()


def samples(
    text: str, name: str, labels: tuple[str, ...] = LABELS
) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_request(service: Any) -> None:
    """The predecessor's name and labels, with the URL's rule for a handler."""
    name, order = f"{REQUESTS}_count", ("GET", "/metered/<int:number>", "200")
    before = samples(service.get("/metrics").text, name).get(order, 0)
    service.get("/metered/7").close()
    service.get("/metered/8").close()
    service.get("/metered/x").close()

    text = service.get("/metrics").text

    counted = samples(text, name)
    assert counted[order] == before + 2
    assert counted["GET", "/404", "404"] >= 1
    assert 'handler="/metrics"' not in text


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            f"{OPENMETRICS};q=0.5,text/plain;version=0.0.4;q=0.2",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_negotiation(service: Any, accept: str, kind: str) -> None:
    """The format is what the Accept header prefers; each parses as what it says."""
    service.get("/metered/7").close()

    response = service.get("/metrics", headers={"Accept": accept})

    got = response.headers["Content-Type"].partition("; escaping=")[0]
    assert got == kind
    parse: Any = (
        openmetrics.text_string_to_metric_families
        if "openmetrics" in kind
        else text_string_to_metric_families
    )
    families = {family.name: family for family in parse(response.text)}
    assert "http_request_duration_seconds" in families


def test_two_apps_share_the_families(service: Any) -> None:
    """A second app in the process counts in the same families, and breaks nothing."""
    other: Flask = create_app("metrics_of_another", Container())
    other.add_url_rule("/other", "other", lambda: "x")
    other.test_client().get("/other").close()

    text = service.get("/metrics").text

    counted = samples(text, "http_request_duration_seconds_count")
    assert counted["GET", "/other", "200"] == 1


def test_methods_are_bounded() -> None:
    """Methods that a client invents are one series together."""
    metrics = Metrics()
    for number in range(50):
        metrics.count_request(f"M{number}", "/bounded", "200", 0.1)

    text = scrape(metrics)

    counted = samples(text, "http_request_duration_seconds_count")
    assert {key for key in counted if key[1] == "/bounded"} == {
        ("_OTHER", "/bounded", "200")
    }


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_exemplar(app: Flask) -> None:
    """In OpenMetrics a bucket names the trace of a request that fell into it."""
    app.add_url_rule("/exemplary", "exemplary", lambda: "x")

    response = app.test_client().get("/exemplary")

    telemetry: Any = app.wsgi_app
    text = scrape(telemetry.observer.metrics, OPENMETRICS)
    trace_id = response.headers["traceresponse"].split("-")[1]
    exemplars = {
        sample.exemplar.labels["trace_id"]
        for family in openmetrics.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("handler") == "/exemplary" and sample.exemplar
    }
    assert exemplars == {trace_id}
    assert trace_id not in scrape(telemetry.observer.metrics)


def test_exemplars_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A series takes one exemplar a second for each bucket: they cost more."""
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("modern_flask.observability.metrics.registry.time", clock)
    taken: list[Any] = []
    metrics = Metrics()
    metrics.count_request("GET", "/few", "200", 0.1)
    duration = metrics._series["GET", "/few", "200"].old
    monkeypatch.setattr(
        duration, "_observe", lambda seconds, label: taken.append(label)
    )

    for _ in range(100):
        metrics.count_request("GET", "/few", "200", 0.1, 0, "a" * 32)
        metrics.count_request("GET", "/few", "200", 3.0, 0, "a" * 32)

    assert len(taken) == 2


def test_response_size(app: Flask) -> None:
    """The bytes of a body are measured, streamed or not."""
    app.add_url_rule("/whole", "whole", lambda: "中文")
    app.add_url_rule("/parts", "parts", lambda: Response(iter([b"abc", b"de"])))
    client = app.test_client()

    client.get("/whole")
    client.get("/parts")

    name = "http_response_size_bytes_sum"
    assert value(name, method="GET", handler="/whole") == 6
    assert value(name, method="GET", handler="/parts") == 5


def test_exceptions(app: Flask) -> None:
    """An unexpected exception counts by its class; a handled one does not."""

    def broken(kind: str) -> str:
        raise LookupError if kind == "unexpected" else TimeoutError

    app.register_error_handler(TimeoutError, lambda error: ("handled", 400))
    app.add_url_rule("/broken/<kind>", "broken", broken)
    app.test_client().get("/broken/unexpected")
    app.test_client().get("/broken/handled")

    name, rule = "http_request_exceptions_total", "/broken/<kind>"
    assert value(name, handler=rule, exception="LookupError") == 1
    assert value(name, handler=rule, exception="TimeoutError") == 0


def test_in_flight(app: Flask) -> None:
    """A request is in flight until its body is closed."""
    app.add_url_rule("/slow", "slow", lambda: Response(iter([b"a", b"b"])))
    before = value("http_requests_in_flight")

    response = app.test_client().get("/slow", buffered=False)

    assert value("http_requests_in_flight") == before + 1
    response.close()
    assert value("http_requests_in_flight") == before


def test_engines_of_one_database_are_added_up() -> None:
    """Engines of one name are one series: Prometheus rejects a series that is twice."""
    engines = [create_engine("sqlite:///twice.db", pool_size=n) for n in (2, 3)]
    for engine in engines:
        untraced_telemetry().engine(engine)

    text = scrape(Metrics(), OPENMETRICS)

    sizes = [
        sample.value
        for family in openmetrics.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "database_pool_size"
        and sample.labels == {"database": "twice.db"}
    ]
    assert sizes == [5]


def test_closed_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed engine is not counted, as long as it may live on, until it is used."""
    monkeypatch.chdir(tmp_path)
    engine = create_engine("sqlite:///closed.db", poolclass=QueuePool, pool_size=2)
    untraced_telemetry().engine(engine)
    size = "database_pool_size"

    assert value(size, database="closed.db") == 2
    engine.dispose()
    assert value(size, database="closed.db") == 0
    engine.connect().close()
    assert value(size, database="closed.db") == 2
    engine.dispose()


def test_database_pool(postgresql: PostgreSQL, spans: list[ReadableSpan]) -> None:
    """Connections are counted by state, and the wait for one is measured."""
    engine = create_engine(postgresql.database(), pool_size=2, max_overflow=1)
    name = engine.url.database or ""
    untraced_telemetry().engine(engine)
    waits = value("database_pool_wait_seconds_count", database=name)

    def held(state: str) -> float:
        return value("database_pool_connections", database=name, state=state)

    span = trace.get_tracer("test").start_span("work")
    with (
        trace.use_span(span, end_on_exit=True),
        engine.connect(),
        engine.connect(),
        engine.connect(),
    ):
        assert held("checked_out") == 3
        assert held("overflow") == 1
    assert (held("checked_out"), held("idle"), held("overflow")) == (0, 2, 0)
    assert value("database_pool_size", database=name) == 2
    assert value("database_pool_wait_seconds_count", database=name) == waits + 3
    engine.dispose()
    with engine.connect():
        assert value("database_pool_wait_seconds_count", database=name) == waits + 4
    engine.dispose()
    # Connecting took a while: the span records it.
    assert spans[0].events[0].name == "db.pool.wait"


def test_redis_pool(redis_url: str) -> None:
    """Redis' connections are counted by state."""
    client = Redis.from_url(redis_url)
    # What earlier tests have left may go at any moment, and with it its connections.
    gc.collect()
    before = value("redis_pool_connections", state="idle")
    untraced_telemetry().redis(client)

    client.ping()

    assert value("redis_pool_connections", state="idle") == before + 1
    client.close()
    assert value("redis_pool_connections", state="idle") == before


def test_cache(redis_url: str) -> None:
    """Calls of a cached function are hits or misses, by the function's name."""
    client = Redis.from_url(redis_url)
    untraced_telemetry().redis(client)

    @make_cached(lambda: client)(60)
    def price(number: int) -> int:
        if number < 0:
            raise LookupError
        return number

    for number in (1, 2, 1, 1):
        price(number)
    price.refresh(2)
    with pytest.raises(LookupError):
        price(-1)
    client.close()

    name = f"{__name__}.test_cache.<locals>.price"
    assert value("cache_lookups_total", function=name, outcome="hit") == 2
    assert value("cache_lookups_total", function=name, outcome="miss") == 3


def test_what_runs() -> None:
    """The versions are labels of a gauge that is 1; the start is measured."""
    with open_resource(open_metrics()):
        names = ("version", "python", "service_version")
        text = scrape(Metrics())

        built = samples(text, "modern_flask_build_info", names)
        assert set(built.values()) == {1.0}
        assert value("service_startup_seconds") > 0


@pytest.mark.parametrize("path", ["/metered/7", "/metrics"])
def test_worker_that_answers_alone(
    service: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """One of several workers says once that it answers only for itself, and the fix."""
    monkeypatch.setattr("modern_flask.observability.metrics.registry._alone", False)

    for _ in range(2):
        service.get(path, environ_overrides={"wsgi.multiprocess": True}).close()

    lines = [line for line in caplog.messages if "only its own metrics" in line]
    assert len(lines) == 1
    assert "`-c python:modern_flask.server.settings`" in lines[0]
    assert "`modern-flask serve`" in lines[0]


def test_port_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    """METRICS_PORT serves them on a port of their own, until closed."""
    port = free_port()

    with open_resource(open_metrics({"port": port, "address": "127.0.0.1"})):
        assert "http_request_duration_seconds" in fetch(port, "/metrics")

    with pytest.raises(ConnectionRefusedError):
        fetch(port, "/metrics")
    assert "only its own" not in caplog.text


def test_port_that_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    """Where another process has the port, the service starts all the same."""
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with open_resource(open_metrics({"port": port, "address": "127.0.0.1"})):
            pass

    assert caplog.messages == [
        f"Metrics are not served on port {port}: Address already in use."
    ]


def test_unknown_key() -> None:
    """A METRICS_ key that is none is a fault with the nearest one."""
    settings = Section("METRICS_", {"METRICS_PROT": 1})

    with pytest.raises(UnknownSetting) as caught:
        next(open_metrics(settings))

    assert str(caught.value) == (
        "METRICS_PROT is not a known setting.\n  did you mean  METRICS_PORT"
    )


@pytest.mark.parametrize("port", ["http", -1, 65536, [9000]])
def test_port_that_is_none(port: object) -> None:
    """A METRICS_PORT that is not a port number is reported with its key."""
    settings = Section("METRICS_", {"METRICS_PORT": port})

    with pytest.raises(BadPort) as raised:
        next(open_metrics(settings))

    assert str(raised.value) == (
        f'METRICS_PORT = "{port}" is not a port number.\n  fix      {FIX_PORT}'
    )


def test_notes_are_counted() -> None:
    """Observations that are only noted count as the library's own, bucket by bucket."""
    buckets = (1.0, 2.0, 5.0)
    noting = NotingHistogram("noting", "n", buckets=buckets, registry=None)
    library = Histogram("noting", "n", buckets=buckets, registry=None)
    for number in range(3000):
        amount = (number % 70) / 10
        noting.note(amount)
        library.observe(amount)

    def found(histogram: Any) -> dict[Any, float]:
        (family,) = histogram.collect()
        return {
            (sample.name, *sample.labels.values()): round(sample.value, 3)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    assert found(noting) == found(library)
    assert found(noting) == found(library)


def test_notes_are_bounded() -> None:
    """Where nobody reads the metrics, notes don't pile up; threads lose none."""
    noting = NotingHistogram("bounded", "n", registry=None)
    work = [threading.Thread(target=note_many, args=(noting,)) for _ in range(4)]
    run(work)

    assert len(noting._notes) < 2000
    (family,) = noting.collect()
    counted = [each for each in family.samples if each.name == "bounded_count"]
    assert counted[0].value == 20_000


def note_many(histogram: NotingHistogram) -> None:
    for _ in range(5000):
        histogram.note(0.1)


TASKS = """
from celery import Task, shared_task
from modern_flask import Container, create_app

class Audited(Task):
    pass

@shared_task(name="sell")
def sell(number):
    return number

@shared_task(name="lose", base=Audited)
def lose():
    raise LookupError("lost")

@shared_task(name="repeat", bind=True, max_retries=2)
def repeat(self):
    raise self.retry(countdown=0)

app = create_app("tasks", Container())
"""


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_tasks(redis_url: str, tmp_path: Path, pool: str) -> None:
    """Tasks are measured in the worker's parent, whatever becomes of its children."""
    (tmp_path / "tasks.py").write_text(TASKS)
    port = free_port()
    environ = {
        "FLASK_CELERY_BROKER_URL": redis_url,
        "FLASK_METRICS_PORT": str(port),
        "FLASK_METRICS_ADDRESS": "127.0.0.1",
    }
    with Celery(broker=redis_url, set_as_current=False) as sender:
        for number in range(5):
            sender.send_task("sell", [number])
        sender.send_task("lose")
        sender.send_task("repeat")
    command = python("-m", "modern_flask.cli", "--app", "tasks", "worker")
    options = ("--pool", pool, "--concurrency", "4", "--max-tasks-per-child", "1")
    # It does not look for other workers, which would take a second.
    alone = ("--without-mingle", "--without-gossip")

    def counted() -> dict[tuple[str, ...], float]:
        with suppress(OSError):
            text, name = fetch(port, "/metrics"), "celery_task_duration_seconds_count"
            return samples(text, name, ("task", "outcome"))
        return {}

    wanted = {
        ("sell", "success"): 5,
        ("lose", "failure"): 1,
        ("repeat", "retry"): 2,
        ("repeat", "failure"): 1,
    }
    log = tmp_path / "log"
    with Process(*command, *options, *alone, log=log, env=environ, cwd=tmp_path):
        eventually(lambda: counted() == wanted, timeout=180)
        retries = samples(
            fetch(port, "/metrics"), "celery_task_retries_total", ("task",)
        )
    assert retries == {("repeat",): 2}
