"""Liveness, and readiness with a deadline for each component."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import modern_flask
from modern_flask.failures import describe
from modern_flask.health import Health
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


def test_reason_is_the_class_of_the_error() -> None:
    """Of an error only its class is shown: its text may hold a secret."""

    def ping(timeout: float) -> None:
        raise PermissionError("password=hidden")

    assert Health().check({"redis": ping}) == {"redis": "PermissionError"}


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

    assert Health().check({"db": ping}) == {"db": "LookupError: unknown host"}


def test_causes_in_a_circle() -> None:
    """Errors that are each other's cause are followed once."""
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one

    assert describe(one) == "ValueError"


def test_deadline() -> None:
    """A ping that hangs is reported at the deadline; the others have their results."""
    release = threading.Event()
    health = Health(deadline=2)

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

    health = Health(deadline=0.02)
    for _ in range(5):
        assert health.check({"redis": ping})["redis"] is not None
    eventually(lambda: begun)
    assert len(begun) == 1

    release.set()
    eventually(lambda: health.check({"redis": ping})["redis"] is None and begun[1:])


def test_deadline_is_handed_over() -> None:
    """A ping is given the deadline in seconds."""
    given: list[float] = []

    Health(deadline=0.5).check({"redis": given.append})

    assert given == [0.5]


def test_pings_run_side_by_side() -> None:
    """Components are pinged at the same time."""
    both = threading.Barrier(2, timeout=60)

    def ping(timeout: float) -> None:
        both.wait()

    assert Health(deadline=60).check({"one": ping, "two": ping}) == {
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

    assert Health(deadline=60).check({"mailer": leave}) == {"mailer": "SystemExit"}
