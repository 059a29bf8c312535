"""What README says behaves differently from 202207b1."""

import logging
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import pytest
from opentelemetry import propagate
from redis.exceptions import LockError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import modern_flask
from modern_flask import (
    LockTaken,
    Provide,
    SessionDep,
    cached,
    inject,
    synchronized,
    transactional,
)
from modern_flask.app import warnings
from modern_flask.config.load import load_values
from modern_flask.database.errors import LegacyMode
from modern_flask.database.url import read_url
from modern_flask.observability.logs.formats import make_formatter
from modern_flask.observability.resource import describe_process
from modern_flask.tasks.celery_app import open_celery
from modern_flask.wiring import find, is_configured
from tests.predecessor import task_service
from tests.predecessor.table import BEHAVIOURS, SHOWN, shows
from tests.readme import ROOT

MEMORY = "sqlite+pysqlite:///:memory:"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_row_is_shown() -> None:
    """Each row has a test, and each test its row."""
    assert set(BEHAVIOURS) == SHOWN


@shows("versions")
def test_versions() -> None:
    """The row names the lowest versions that the package declares."""
    required = " ".join(
        PROJECT["dependencies"] + PROJECT["optional-dependencies"]["celery"]
    )
    row = BEHAVIOURS["versions"]

    for title, name in (
        ("Flask", "flask"),
        ("SQLAlchemy", "sqlalchemy"),
        ("redis-py", "redis"),
        ("Celery", "celery"),
        ("gunicorn", "gunicorn"),
    ):
        found = re.search(rf"(?<![\w-]){name}>=([\d.]+)", required)
        assert found is not None
        assert f"{title} {found[1]} (" in row
    assert f"Python {PROJECT['requires-python'].removeprefix('>=')} (" in row


@shows("installed packages")
def test_installed_packages() -> None:
    """What was always installed is an extra."""
    extras = PROJECT["optional-dependencies"]
    base = " ".join(PROJECT["dependencies"]).lower()

    for extra, package in (
        ("kubernetes", "kubernetes"),
        ("cos", "cos-python-sdk-v5"),
        ("oss", "oss2"),
        ("celery", "celery"),
        ("mysql", "pymysql"),
    ):
        assert package in " ".join(extras[extra]).lower()
        assert package not in base


@shows("drivers")
def test_drivers() -> None:
    """A URL without a driver takes the one of the extra: the old default is missing."""
    urls = ("mysql://u@db/shop", "postgresql://u@db/shop")

    drivers = [read_url({"url": url}).drivername for url in urls]

    assert drivers == ["mysql+pymysql", "postgresql+psycopg"]


@shows("where the functions work", "task results")
def test_where_the_functions_work(folder: Path) -> None:
    """A task is given what a request is given; its result is dropped by default."""
    app = task_service.create_app()

    with app.app_context():
        assert task_service.name_app.delay().result == task_service.__name__
    assert app.container.celery().conf.task_ignore_result is True
    (kept,) = open_celery({"broker_url": "memory://", "task_ignore_result": False})
    assert kept.conf.task_ignore_result is False


@shows("the session", "a write that nobody commits")
def test_the_session(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All functions of a request have one session, which is rolled back at its end.

    What nobody committed is logged, or is an error.
    """
    app = modern_flask.create_app("shop", config={"DATABASE_ENGINE_URL": MEMORY})
    with app.container.engine().begin() as connection:
        connection.execute(text("create table items (name text)"))

    @inject
    def helper(session: SessionDep) -> Any:
        return session

    @app.post("/")
    @inject
    def view(session: SessionDep) -> Any:
        session.execute(text("insert into items values ('lost')"))
        return {"same": helper() is session}

    assert app.test_client().post("/").json == {"same": True}
    assert "view" in caplog.text
    strict = {
        "DATABASE_ENGINE_URL": f"sqlite:///{folder / 'shop.db'}",
        "DATABASE_SESSION_UNCOMMITTED_WRITES": "error",
    }
    other = modern_flask.create_app("shop", config=strict)
    with other.container.engine().begin() as connection:
        connection.execute(text("create table items (name text)"))
    other.add_url_rule("/", view_func=view, methods=["POST"])
    assert other.test_client().post("/").status_code == 500
    with app.container.engine().begin() as connection:
        assert connection.scalar(text("select count(*) from items")) == 0


@shows("a view that fails after a `with` block")
def test_view_that_fails(folder: Path) -> None:
    """``transactional`` undoes all of a view, a block of its own only itself."""
    app = modern_flask.create_app("shop", config={"DATABASE_ENGINE_URL": MEMORY})
    with app.container.engine().begin() as connection:
        connection.execute(text("create table items (name text)"))

    @app.post("/whole")
    @transactional
    @inject
    def whole(session: SessionDep) -> None:
        session.execute(text("insert into items values ('whole')"))
        raise LookupError

    @app.post("/blocks")
    @inject
    def blocks(sessions: Annotated[Any, Provide["session_factory"]]) -> None:
        with sessions.begin() as session:
            session.execute(text("insert into items values ('block')"))
        raise LookupError

    client = app.test_client()
    assert [client.post(path).status_code for path in ("/whole", "/blocks")] == [
        500
    ] * 2
    with app.container.engine().begin() as connection:
        assert connection.scalars(text("select name from items")).all() == ["block"]


@shows("errors")
def test_errors(client: Any) -> None:
    """Every error is problem details, a page for a browser; not the old 404."""
    for path, method, status in (
        ("/nowhere", "GET", 404),
        ("/items", "PUT", 405),
        ("/broken", "GET", 500),
    ):
        details = client.open(path, method=method)
        page = client.open(path, method=method, headers={"Accept": "text/html"})
        assert (details.status_code, page.status_code) == (status, status)
        assert (details.json["status"], page.mimetype) == (status, "text/html")


@shows("waits")
def test_waits(service: Any) -> None:
    """The pool and Redis have the limits that the row names."""
    container = service.app.container
    options = container.redis().connection_pool.connection_kwargs

    assert container.engine().pool.timeout() == 5
    assert (options["socket_connect_timeout"], options["socket_timeout"]) == (1, 2)


@shows("Redis without a key")
def test_redis_without_a_key(folder: Path) -> None:
    """Redis on localhost needs a key as every other one does."""
    app = modern_flask.create_app("shop")

    assert not is_configured(app.container.redis)


@shows("`redis_cached` without keys")
def test_cached_without_keys() -> None:
    """Two functions do not share a key."""

    def price() -> int: ...

    def rate() -> int: ...

    keys = {cached(10)(price).key(), cached(10)(rate).key()}

    assert len(keys) == 2
    assert "cache." not in keys


@shows("`redis_cached` under load or without Redis")
def test_cached_without_redis(folder: Path) -> None:
    """Without Redis each call computes."""
    config = {"REDIS_URL": "redis://127.0.0.1:1", "REDIS_RETRY": None}
    app = modern_flask.create_app("shop", config=config)
    calls: list[int] = []
    count = cached(10)(lambda: len(calls.append(1) or calls))

    with app.app_context():
        assert [count(), count()] == [1, 2]


@shows("`redis_synchronized`")
def test_synchronized(client: Any, service: Any) -> None:
    """A lock that stays taken raises ``LockTaken``, which redis-py does not know."""
    redis = service.app.container.redis()
    redis.set("lock.tea", "another holder", ex=60)

    @synchronized("lock.{product}", blocking_timeout=0.05)
    def pack(product: str) -> str:
        return product

    with service.app.app_context():
        assert pack("milk") == "milk"
        with pytest.raises(LockTaken) as caught:
            pack("tea")
    assert not isinstance(caught.value, LockError)
    for gone in ("thread_local", "lock_class"):
        with pytest.raises(TypeError, match=gone):
            synchronized("lock", **{gone: None})


OLD_FORMAT = (
    "%(asctime)s %(levelname)s [%(name)s] [%(filename)s:%(lineno)d] "
    "[trace_id=%(otelTraceID)s span_id=%(otelSpanID)s "
    "resource.service.name=%(otelServiceName)s] - %(message)s"
)


@shows("log lines")
def test_log_lines() -> None:
    """A line has the old format; a secret in it is masked."""
    text = "sold with password=hunter2"
    record = logging.LogRecord("shop", logging.INFO, "shop/views.py", 7, text, (), None)

    line = make_formatter({}).format(record)

    assert "hunter2" not in line
    assert (
        line.rpartition("password")[0]
        == logging.Formatter(
            OLD_FORMAT,
            defaults={"otelTraceID": 0, "otelSpanID": 0, "otelServiceName": ""},
        )
        .format(record)
        .rpartition("password")[0]
    )


@shows("durations in `/metrics`")
def test_durations(client: Any) -> None:
    """The durations are not 0."""
    client.get("/items")

    metrics = client.get("/metrics").text
    found = re.search(
        r'duration_seconds_sum\{handler="/items",method="GET",status="200"\} (\S+)',
        metrics,
    )
    assert found is not None
    assert float(found[1]) > 0


@shows("`/livez`, `/readyz`, `/metrics`")
def test_pages(folder: Path) -> None:
    """The kit answers, also before a view of the same path; a key moves a page."""
    app = modern_flask.create_app("shop", config={"HEALTH_READINESS_PATH": "/ready"})
    for path in ("/livez", "/readyz"):
        app.add_url_rule(path, path[1:], lambda: "mine")
    client = app.test_client()

    assert client.get("/livez").json == {"status": "ok"}
    assert client.get("/readyz").text == "mine"
    assert client.get("/ready").json["status"] == "ok"  # type: ignore[index]
    (warning,) = warnings(app)
    assert "HEALTH_LIVENESS_PATH" in warning


@shows("span names", "headers of traces")
def test_traces(spans: Any, folder: Path) -> None:
    """The span has today's name and attributes; calls carry both kinds of headers."""
    app = modern_flask.create_app("shop")
    app.add_url_rule("/items/<id>", "show", lambda id: id)

    app.test_client().get("/items/7").close()

    (span,) = spans
    assert span.name == "GET /items/<id>"
    assert span.attributes["http.request.method"] == "GET"
    assert "http.method" not in span.attributes
    assert {"traceparent", "x-b3-traceid"} <= propagate.get_global_textmap().fields


@shows("`service.name`")
def test_service_name(folder: Path) -> None:
    """The name has no namespace in it, and without a variable it is the app's."""
    environ = {"SERVICE_NAME": "orders", "POD_NAMESPACE": "shop"}

    found = describe_process("shop", environ)

    assert found["service.name"] == "orders"
    assert found["service.namespace"] == "shop"
    assert describe_process("shop", {})["service.name"] == "shop"


@shows("no `OTEL_EXPORTER`", "Jaeger's agent (`OTEL_EXPORTER_JAEGER_AGENT_HOST`)")
def test_exporter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No variable means no back end; the variable of the agent gets a warning."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)

    silent = modern_flask.create_app("shop").container.tracing()
    monkeypatch.setenv("OTEL_EXPORTER", "jaeger")
    monkeypatch.setenv("OTEL_EXPORTER_JAEGER_AGENT_HOST", "jaeger")
    with caplog.at_level(logging.WARNING):
        modern_flask.create_app("shop").container.tracing()

    assert not str(silent).startswith("Traces are sent")
    assert "OTEL_EXPORTER_JAEGER_AGENT_HOST is set" in caplog.text
    assert "Set OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.text


@shows("`OTEL_` keys of the configuration")
def test_keys_of_opentelemetry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the configuration is in the environment."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "")
    monkeypatch.delenv("OTEL_BSP_SCHEDULE_DELAY")
    (folder / "config.py").write_text("OTEL_BSP_SCHEDULE_DELAY = 250\n")

    modern_flask.create_app("shop")

    assert os.environ["OTEL_BSP_SCHEDULE_DELAY"] == "250"


@shows(
    "variables with the prefix `FLASK_`",
    "no `config.py`",
    "a path in `CONFIG_SOURCE`",
)
def test_configuration(folder: Path) -> None:
    """A variable wins over the file, which is found here and may be missing."""
    root = folder / "shop"

    assert load_values(None, root=root, environ={}) == {}
    (folder / "shop.py").write_text("REDIS_HOST = 'file'\nREDIS_PORT = 1\n")
    found = load_values("shop.py", root=root, environ={"FLASK_REDIS_PORT": "2"})
    assert found == {"REDIS_HOST": "file", "REDIS_PORT": 2}


@shows("`DATABASE_ENGINE_FUTURE = False`", "the values of a failing statement")
def test_database(folder: Path) -> None:
    """There is no legacy mode, and an error has the values only if a key says so."""
    legacy = {"DATABASE_ENGINE_URL": MEMORY, "DATABASE_ENGINE_FUTURE": False}

    with pytest.raises(LegacyMode):
        modern_flask.create_app("shop", config=legacy).container.engine()
    for shown in (False, True):
        config = {"DATABASE_ENGINE_URL": MEMORY}
        if shown:
            config["DATABASE_ENGINE_HIDE_PARAMETERS"] = False
        app = modern_flask.create_app("shop", config=config)
        with app.app_context():
            session = find("session")
            session.execute(text("create table items (name text not null unique)"))
            insert = text("insert into items values (:name)").bindparams(name="tea")
            session.execute(insert)
            with pytest.raises(IntegrityError) as caught:
                session.execute(insert)
        assert ("'tea'" in str(caught.value)) == shown
