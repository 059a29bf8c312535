"""Liveness, and readiness with a deadline for each component."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from dependency_injector import providers
from flask import Flask, current_app

import modern_flask
from modern_flask import Provide
from modern_flask.failures import describe
from modern_flask.health import Check, Health, Result, Rhythm
from modern_flask.wiring.errors import NotBound
from tests.closing import closing_apps
from tests.servers.eventually import eventually


@pytest.fixture(autouse=True)
def closed(monkeypatch: Any) -> Iterator[None]:
    """No app stays open."""
    yield from closing_apps(monkeypatch)


@pytest.fixture
def app(tmp_path: Any, monkeypatch: Any) -> modern_flask.App:
    monkeypatch.chdir(tmp_path)
    # On a loaded machine the first ping imports longer than a second.
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "60")
    return modern_flask.create_app(
        "shop",
        config={
            "STORAGE_VENDOR": "memory",
            "REDIS_URL": "redis://:hidden@127.0.0.1:9/0",
        },
        root_path=".",
    )


def test_alive(app: modern_flask.App) -> None:
    """``/livez`` depends on the process alone."""
    with app.container.redis.override(None):
        response = app.test_client().get("/livez")

    assert (response.status_code, response.json) == (200, {"status": "ok"})


def test_ready(tmp_path: Any, monkeypatch: Any) -> None:
    """``/readyz`` names every component that is configured, and no other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "60")
    app = modern_flask.create_app(
        "shop", config={"STORAGE_VENDOR": "memory"}, root_path="."
    )

    response = app.test_client().get("/readyz")

    assert response.status_code == 200
    assert response.json == {"status": "ok", "checks": {"storage": "ok"}}


def test_component_of_the_service(tmp_path: Any, monkeypatch: Any) -> None:
    """A component that the service declares with a ping is among the checks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "60")

    def ping(mailer: list[str], timeout: float) -> None:
        mailer.append("pinged")

    class Own(modern_flask.Container):
        mailer = modern_flask.Opened(list, ping=ping)

    app = modern_flask.create_app("shop", Own(), root_path=".")

    assert app.test_client().get("/readyz").json["checks"] == {"mailer": "ok"}
    assert app.container.mailer() == ["pinged"]


def test_not_ready(app: modern_flask.App) -> None:
    """Problem details name a component that does not answer, without a secret."""
    response = app.test_client().get("/readyz")

    assert response.status_code == 503
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["title"] == "Service Unavailable"
    assert response.json["detail"] == "Not ready: redis."
    assert response.json["instance"] == "/readyz"
    assert response.json["checks"]["storage"] == "ok"
    assert response.json["checks"]["redis"] != "ok"
    assert "hidden" not in response.text


def make(**rhythm: Any) -> Health:
    return Health(rhythm=Rhythm(**rhythm))


def test_reason_is_the_class_of_the_error() -> None:
    """Of an error only its class is shown: its text may hold a secret."""

    def ping(timeout: float) -> None:
        raise PermissionError("password=hidden")

    assert make().check({"redis": ping}) == {"redis": "PermissionError"}


@pytest.mark.parametrize(
    ("config", "check"),
    [
        ({"REDIS_URL": "redis://:hidden@127.0.0.1:1"}, "redis"),
        ({"CELERY_BROKER_URL": "redis://:hidden@127.0.0.1:1"}, "celery"),
        ({"CELERY_BROKER_URL": "amqp://shop:hidden@127.0.0.1:1//"}, "celery"),
        ({"DATABASE_ENGINE_URL": "postgresql://shop:hidden@127.0.0.1:1/a"}, "engine"),
        ({"DATABASE_ENGINE_URL": "mysql://shop:hidden@127.0.0.1:1/a"}, "engine"),
        (
            {
                "STORAGE_VENDOR": "oss",
                "STORAGE_ENDPOINT": "http://127.0.0.1:1",
                "STORAGE_REGION": "cn-beijing",
                "STORAGE_BUCKET": "files",
                "STORAGE_ACCESS_KEY_ID": "shop",
                "STORAGE_ACCESS_KEY_SECRET": "hidden",
            },
            "storage",
        ),
    ],
)
def test_refused(
    config: dict[str, str],
    check: str,
    tmp_path: Any,
    monkeypatch: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every component reports a server that refuses, and nothing secret."""
    monkeypatch.chdir(tmp_path)
    # On a loaded machine the first ping imports longer than a second.
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "20")
    app = modern_flask.create_app("shop", config=config, root_path=".")

    response = app.test_client().get("/readyz")

    assert response.json is not None
    assert response.json["checks"] == {check: "failing"}
    (line,) = [text for text in caplog.messages if text.startswith(f"{check} is not")]
    assert line.endswith(": connection refused.")
    assert "hidden" not in response.text + caplog.text


def test_reason_of_a_cause() -> None:
    """The reason is one of the known words, found in the text of a cause."""

    def ping(timeout: float) -> None:
        try:
            raise OSError("hidden@db: Name or service not known")
        except OSError as error:
            raise LookupError("hidden") from error

    assert make().check({"db": ping}) == {"db": "LookupError: unknown host"}


def test_causes_in_a_circle() -> None:
    """Errors that are each other's cause are followed once."""
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one

    assert describe(one) == "ValueError"


def test_deadline() -> None:
    """A ping that hangs is reported at the deadline; the others have their results."""
    release = threading.Event()
    health = make(timeout=2)

    found = health.check({"redis": lambda _: release.wait(60), "db": lambda _: None})

    assert found == {"redis": "no answer within 2 s", "db": None}
    release.set()


def test_hanging_ping_is_not_started_again() -> None:
    """Probes of a dead back end don't pile up; when it returns, a new ping starts."""
    release = threading.Event()
    begun: list[int] = []

    def ping(timeout: float) -> None:
        begun.append(1)
        release.wait(60)

    health = make(timeout=0.02)
    for _ in range(5):
        assert health.check({"redis": ping})["redis"] is not None
    eventually(lambda: begun)
    assert len(begun) == 1

    release.set()
    eventually(lambda: health.check({"redis": ping})["redis"] is None and begun[1:])


def test_deadline_is_handed_over() -> None:
    """A ping is given the deadline in seconds."""
    given: list[float] = []

    make(timeout=0.5).check({"redis": given.append})

    assert given == [0.5]


def test_pings_run_side_by_side() -> None:
    """Components are pinged at the same time."""
    both = threading.Barrier(2, timeout=60)

    def ping(timeout: float) -> None:
        both.wait()

    assert make(timeout=60).check({"one": ping, "two": ping}) == {
        "one": None,
        "two": None,
    }


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_not_measured(app: modern_flask.App, path: str) -> None:
    """The kit's own pages are not measured."""
    client = app.test_client()
    client.get(path)

    assert f'handler="{path}"' not in client.get("/metrics").text


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_not_traced(app: modern_flask.App, path: str) -> None:
    """The probes have no trace."""
    from opentelemetry import trace

    seen: list[bool] = []

    class Storage:
        def ping(self, timeout: float) -> None:
            seen.append(trace.get_current_span().get_span_context().is_valid)

    with app.container.storage.override(Storage()):
        response = app.test_client().get(path)

    assert "trace_id" not in response.text
    assert seen in ([], [False])


def test_ping_that_exits_is_a_failure() -> None:
    """A ping that raises SystemExit does not end the process: it fails."""

    def leave(seconds: float) -> None:
        raise SystemExit(3)

    assert make(timeout=60).check({"mailer": leave}) == {"mailer": "SystemExit"}


class Component:
    """A component whose ping fails while ``trouble`` is set; each ping is counted."""

    def __init__(self, critical: bool = True) -> None:
        self.trouble: Exception | None = None
        self.pings = 0
        self.is_open = True
        self.check = Check(self.ping, critical, lambda: self.is_open)

    def ping(self, timeout: float) -> None:
        self.pings += 1
        if self.trouble is not None:
            raise self.trouble


def watch(component: Component, **rhythm: Any) -> Health:
    checks = {"mailer": component.check}
    return Health(lambda: checks, Rhythm(**{"timeout": 60, "period": 0.01, **rhythm}))


def test_reading_does_not_wait() -> None:
    """After the first reading the background checks, and a reading pings nothing."""
    component = Component()
    health = watch(component, period=60)

    results = [health.read() for _ in range(5)]

    assert results == [{"mailer": Result(None)}] * 5
    assert component.pings == 1
    health.stop()


def test_background_finds_a_failure_and_a_recovery() -> None:
    """A component fails after some failures in sequence, and works after successes."""
    component = Component()
    health = watch(component, failures=3, successes=2)
    assert health.read()["mailer"].reason is None

    component.trouble = ConnectionRefusedError()
    begun = component.pings
    failing = eventually(lambda: health.read()["mailer"].reason)
    pings_until_failing = component.pings - begun
    component.trouble = None
    begun = component.pings
    eventually(lambda: health.read()["mailer"].reason is None)

    assert failing == "ConnectionRefusedError: connection refused"
    assert pings_until_failing >= 3
    assert component.pings - begun >= 2
    health.stop()


def test_single_failure_does_not_count() -> None:
    """One failure between two successes changes nothing."""
    component = Component()
    health = watch(component, period=60, failures=2)
    health.read()

    component.trouble = ConnectionRefusedError()
    assert health.repeat()
    component.trouble = None
    assert health.repeat()
    component.trouble = ConnectionRefusedError()
    assert health.repeat()

    assert health.read() == {"mailer": Result(None)}
    health.stop()


def test_first_result_counts_at_once() -> None:
    """A component that fails from the beginning is not called healthy first."""
    component = Component()
    component.trouble = ConnectionRefusedError()
    health = watch(component, period=60, failures=3)

    assert health.read()["mailer"].reason is not None
    health.stop()


def test_background_opens_nothing() -> None:
    """A closed component is not pinged in the background: that would open it again."""
    component = Component()
    health = watch(component, period=60)
    health.read()

    component.is_open = False

    assert not health.repeat()
    assert component.pings == 1
    health.stop()


def test_background_ends_with_its_app() -> None:
    """The background keeps nothing alive."""
    component = Component()
    health = watch(component)
    health.read()
    thread: Any = health._watcher

    del health

    eventually(lambda: not thread.is_alive())


def test_background_in_a_forked_child() -> None:
    """A child of a process that was checked checks for itself."""
    component = Component()
    health = watch(component, period=60)
    health.read()
    thread = health._watcher

    health._watcher = threading.Thread()  # what is left of it after a fork
    health.read()

    assert component.pings == 2
    assert health._watcher is not thread
    health.stop()


def test_component_that_is_not_critical(tmp_path: Any, monkeypatch: Any) -> None:
    """Without it the service is ready, and the page names it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "60")

    def fail(component: Any, timeout: float) -> None:
        raise ConnectionRefusedError

    class Shop(modern_flask.Container):
        mailer = modern_flask.Opened(list, ping=fail, critical=False)

    response = (
        modern_flask.create_app("shop", Shop(), root_path=".")
        .test_client()
        .get("/readyz")
    )

    assert (response.status_code, response.json) == (
        200,
        {"status": "degraded", "checks": {"mailer": "failing"}},
    )


@pytest.mark.parametrize(
    ("critical", "status"),
    [(None, 503), (["redis"], 503), ("redis, engine", 503), ([], 200), ("engine", 200)],
)
def test_critical_components_by_configuration(
    critical: Any, status: int, tmp_path: Any, monkeypatch: Any
) -> None:
    """HEALTH_CRITICAL lists the components without which the service is not ready."""
    monkeypatch.chdir(tmp_path)
    config = {
        "HEALTH_TIMEOUT": 60,
        "HEALTH_CRITICAL": critical,
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    app = modern_flask.create_app("shop", config=config, root_path=".")

    assert app.test_client().get("/readyz").status_code == status


def test_check_of_the_service(tmp_path: Any, monkeypatch: Any) -> None:
    """A function is a check; it is injected, in the app's context."""
    monkeypatch.chdir(tmp_path)
    seen: list[Any] = []

    class Shop(modern_flask.Container):
        limit = providers.Object(3)

    config = {"HEALTH_TIMEOUT": 60, "HEALTH_PERIOD": 60}
    app = modern_flask.create_app("shop", Shop(), config=config, root_path=".")

    @modern_flask.check_health(app)
    @modern_flask.inject
    def backlog(limit: int = Provide["limit"]) -> None:
        seen.append((current_app.name, limit))
        raise OverflowError

    @modern_flask.check_health(app, critical=False)
    def disk() -> None:
        raise OSError

    response = app.test_client().get("/readyz")

    assert response.status_code == 503
    assert response.json is not None
    assert response.json["checks"] == {"backlog": "failing", "disk": "failing"}
    assert seen == [("shop", 3)]


def test_check_of_an_app_without_container() -> None:
    """The decorator names an app that has no pages."""
    with pytest.raises(NotBound):
        modern_flask.check_health(Flask("plain"))(lambda: None)


def test_startup(tmp_path: Any, monkeypatch: Any) -> None:
    """``/startupz`` answers as readiness until the service was ready once."""
    monkeypatch.chdir(tmp_path)
    trouble: list[Exception] = [ConnectionRefusedError()]

    def ping(mailer: Any, timeout: float) -> None:
        if trouble:
            raise trouble[0]

    class Shop(modern_flask.Container):
        mailer = modern_flask.Opened(list, ping=ping)

    config = {"HEALTH_TIMEOUT": 60, "HEALTH_PERIOD": 0.01, "HEALTH_FAILURES": 1}
    app = modern_flask.create_app("shop", Shop(), config=config, root_path=".")
    client = app.test_client()

    assert client.get("/startupz").status_code == 503
    trouble.clear()
    eventually(lambda: client.get("/startupz").status_code == 200)
    trouble.append(ConnectionRefusedError())
    eventually(lambda: client.get("/readyz").status_code == 503)

    assert client.get("/startupz").status_code == 200
