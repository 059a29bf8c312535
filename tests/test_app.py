"""An app from one container: configured, checked, observed, closed."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from flask import Blueprint, Flask

import modern_flask
from modern_flask import Container, Opened, Provide, inject
from modern_flask.errors import MissingExtra
from modern_flask.wiring.errors import (
    AlreadyBound,
    CheckFailed,
    NotAContainer,
    NotBound,
)
from tests.closing import closing_apps

HEAVY = ("kubernetes", "celery", "oss2", "qcloud_cos", "opentelemetry", "sqlalchemy")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Any, monkeypatch: Any) -> Iterator[None]:
    """No ``config.py`` of this folder is read, and no app stays open."""
    monkeypatch.chdir(tmp_path)
    # On a loaded machine the first ping imports longer than a second.
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "60")
    yield from closing_apps(monkeypatch)


def make(**config: Any) -> modern_flask.App:
    return modern_flask.create_app("shop", config=config, root_path=".")


def test_container_of_the_app() -> None:
    """``create_app`` makes a container, or takes the one that it is given."""
    own = Container()

    app = modern_flask.create_app("shop", own, root_path=".")

    assert app.container is own
    assert modern_flask.get_container(app) is own
    assert isinstance(make().container.providers["redis"], Opened)


class Foreign(containers.DeclarativeContainer):
    """A container without the kit's providers."""

    config = providers.Configuration()


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (
            Container,
            "Container can't be the container of an app: it is a class.\n"
            "  fix      pass an instance: Container()",
        ),
        (
            Foreign(),
            "Foreign can't be the container of an app: it has no logging, tracing or "
            "metrics.\n"
            "  fix      derive it: class Foreign(modern_flask.Container)",
        ),
        (
            {"redis": 1},
            "A dict can't be the container of an app: it is not a container.\n"
            "  fix      pass an instance of modern_flask.Container or of a subclass",
        ),
    ],
    ids=["class", "foreign", "other"],
)
def test_what_is_not_a_container(container: Any, message: str) -> None:
    """One sentence says why an object can't be the container of an app."""
    with pytest.raises(NotAContainer) as caught:
        modern_flask.create_app("shop", container, root_path=".")

    assert str(caught.value) == message


def test_container_with_the_needed_providers() -> None:
    """A container of another kind passes if it has what every app needs."""
    own = Container()
    other = containers.DynamicContainer()
    for name in ("config", "logging", "tracing", "metrics"):
        setattr(other, name, own.providers[name])

    assert modern_flask.init_app(Flask("shop", root_path="."), other) is other


def test_configuration_everywhere() -> None:
    """The keys are in ``app.config`` and in the container's ``config``."""
    app = make(GREETING="hello")

    assert app.config["GREETING"] == "hello"
    assert app.container.config.GREETING() == "hello"


def test_own_configuration_ranks_below(monkeypatch: Any) -> None:
    """What ``app.config`` held before ranks below variables, arguments above."""
    monkeypatch.setenv("FLASK_ONE", "variable")
    monkeypatch.setenv("FLASK_TWO", "variable")
    app = Flask("shop", root_path=".")
    app.config.update(ONE="own", TWO="own", THREE="own")

    modern_flask.init_app(app, config={"TWO": "argument"})

    assert [app.config[key] for key in ("ONE", "TWO", "THREE")] == [
        "variable",
        "argument",
        "own",
    ]


def test_blueprints() -> None:
    """Blueprints are registered in their order."""
    blueprints = [Blueprint(name, __name__) for name in ("one", "two")]

    app = modern_flask.create_app("shop", blueprints=blueprints, root_path=".")

    assert list(app.blueprints) == ["one", "two"]


def test_init_app() -> None:
    """An app that exists already is given a container."""
    app = Flask("shop", root_path=".")
    container = modern_flask.init_app(app)

    assert modern_flask.get_container(app) is container
    assert app.test_client().get("/livez").json == {"status": "ok"}


def test_init_app_twice() -> None:
    """An app is given a container once."""
    app = make()

    with pytest.raises(AlreadyBound):
        modern_flask.init_app(app)


def test_get_container_of_a_plain_app() -> None:
    """An app without a container is named."""
    with pytest.raises(NotBound, match="The Flask app plain has no container"):
        modern_flask.get_container(Flask("plain"))


def test_first_request_checks() -> None:
    """The first request tells all faults of the wiring; so does the next."""
    app = make()

    @app.get("/one")
    @inject
    def one(name: Annotated[Any, Provide["nothing"]]) -> str: ...

    @app.get("/two")
    def two(name: Annotated[Any, Provide["redis"]]) -> str: ...

    client = app.test_client()
    for _ in range(2):
        with pytest.raises(CheckFailed) as failed:
            client.get("/readyz")

        assert [type(fault).__name__ for fault in failed.value.faults] == [
            "UnknownProvider",
            "UnfilledMarker",
        ]
    assert str(failed.value).startswith("2 faults found at start.\n\nView one asks")


def test_first_request_opens_what_is_injected() -> None:
    """A component that can't be opened as it is configured is told with the rest."""
    app = make(REDIS_HOTS="localhost")

    @app.get("/")
    @inject
    def view(redis: modern_flask.RedisDep) -> str: ...

    with pytest.raises(CheckFailed) as failed:
        app.test_client().get("/")

    assert [type(fault).__name__ for fault in failed.value.faults] == ["UnknownSetting"]


def test_server_that_is_down_is_no_fault() -> None:
    """What only fails because a server is away is left to the request."""

    class Shop(Container):
        mail = Opened("tests.test_app.refuse")

    app = modern_flask.create_app("shop", Shop(), root_path=".")

    @app.get("/")
    @inject
    def view(mail: Annotated[Any, Provide["mail"]]) -> str: ...

    assert app.test_client().get("/livez").status_code == 200
    assert app.test_client().get("/").status_code == 500


def refuse() -> None:
    raise ConnectionRefusedError


def test_check_false() -> None:
    """``create_app(check=False)`` serves with faults; each is told where it is met."""
    app = modern_flask.create_app("shop", check=False, root_path=".")

    @app.get("/")
    @inject
    def view(name: Annotated[Any, Provide["nothing"]]) -> str: ...

    client = app.test_client()

    assert client.get("/livez").status_code == 200
    assert client.get("/").status_code == 500


def test_running() -> None:
    """``app.running()`` opens what is configured, and closes it after the block."""
    app = make(STORAGE_VENDOR="memory", DATABASE_ENGINE_URL="sqlite://")

    with app.running():
        assert app.container.engine.initialized
        assert app.container.storage.memory.initialized
        assert not app.container.redis.initialized

    assert not app.container.engine.initialized


def test_reopens() -> None:
    """An app that was closed works again when it is opened again."""
    app = make(DATABASE_ENGINE_URL="sqlite://")

    with app.running():
        first = app.container.engine()
    with app.running():
        assert app.container.engine() is not first


def test_two_apps_in_turn() -> None:
    """Two apps that are opened and closed in turn both serve, and measure."""
    for _ in range(2):
        app = make(DATABASE_ENGINE_URL="sqlite://")
        with app.running():
            client = app.test_client()
            assert client.get("/readyz").status_code == 200
            assert b"http_request_duration_seconds" in client.get("/metrics").data


def test_closed_app_is_not_kept() -> None:
    """Nothing keeps an app that was closed, nor what it had opened."""

    def use() -> list[weakref.ref[Any]]:
        app = make(DATABASE_ENGINE_URL="sqlite://", STORAGE_VENDOR="memory")

        @app.get("/")
        @inject
        def view(session: modern_flask.SessionDep) -> str:
            return ""

        with app.running():
            app.test_client().get("/")
            kept = [app, app.container.engine(), app.container.storage()]
        return [weakref.ref(one) for one in kept]

    left = use()
    gc.collect()

    assert [one() for one in left] == [None, None, None]


def test_config_reaches_open_telemetry(monkeypatch: Any) -> None:
    """``OTEL_`` keys are in the environment; a variable that is set wins."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "variable")
    # Set first: what is deleted comes back after the test, what was not there stays.
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "")
    monkeypatch.delenv("OTEL_BSP_SCHEDULE_DELAY")
    make(OTEL_SERVICE_NAME="key", OTEL_BSP_SCHEDULE_DELAY="7000")

    import os

    assert os.environ["OTEL_SERVICE_NAME"] == "variable"
    assert os.environ["OTEL_BSP_SCHEDULE_DELAY"] == "7000"


def test_override_in_a_test() -> None:
    """A double is what views receive, without any configuration."""
    app = make()

    @app.get("/")
    @inject
    def view(storage: modern_flask.StorageDep) -> str:
        return type(storage).__name__

    with app.container.storage.override(modern_flask.MemoryStorage()):
        assert app.test_client().get("/").text == "MemoryStorage"


def test_own_container() -> None:
    """A service's container adds providers, which are opened and closed as ours."""
    closed: list[str] = []

    def open_mail(host: str) -> Iterator[str]:
        yield f"mail at {host}"
        closed.append(host)

    class Shop(Container):
        mail = Opened(open_mail, Container.config.MAIL_HOST)
        letter = providers.Factory(str, mail)

    app = modern_flask.create_app(
        "shop", Shop(), config={"MAIL_HOST": "mx"}, root_path="."
    )

    @app.get("/")
    @inject
    def view(letter: Annotated[str, Provide["letter"]]) -> str:
        return letter

    with app.running():
        assert app.test_client().get("/").text == "mail at mx"
    assert closed == ["mx"]


def imported_by(statement: str) -> set[str]:
    """The packages that a fresh interpreter has after ``statement``."""
    code = f"{statement}\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_import_is_light() -> None:
    """Importing the package imports no vendor, no Celery and no OpenTelemetry."""
    assert imported_by("import modern_flask").isdisjoint(HEAVY)


def test_container_is_light() -> None:
    """Declaring a container and asking for markers imports none of them either."""
    found = imported_by("from modern_flask import Container, inject, Provide")

    assert found.isdisjoint(HEAVY)


def test_unconfigured_is_never_imported() -> None:
    """A service that uses nothing serves without what it does not use."""
    found = imported_by(
        "import modern_flask, os; os.chdir('/')\n"
        "app = modern_flask.create_app('shop', root_path='/')\n"
        "assert app.test_client().get('/readyz').status_code == 200"
    )

    assert found.isdisjoint(
        {
            *("kubernetes", "celery", "oss2", "qcloud_cos", "sqlalchemy", "redis"),
            "requests",  # which sends spans
        }
    )


def test_missing_extra(monkeypatch: Any) -> None:
    """A component whose package is missing is told before the first request."""
    monkeypatch.setitem(sys.modules, "qcloud_cos", None)
    keys = {"SECRET_ID": "id", "SECRET_KEY": "key", "REGION": "ap-guangzhou"}
    app = make(STORAGE_VENDOR="cos", **{f"STORAGE_{k}": v for k, v in keys.items()})

    @app.get("/")
    @inject
    def view(storage: modern_flask.StorageDep) -> str: ...

    with pytest.raises(CheckFailed) as failed:
        app.test_client().get("/")

    (fault,) = failed.value.faults
    assert isinstance(fault, MissingExtra)
    assert (fault.component, fault.extra) == ("storage", "cos")


def test_faults_leave_nothing_open() -> None:
    """Asking for all faults opens what is configured, and closes it again."""
    app = make(DATABASE_ENGINE_URL="sqlite://", REDIS_HOTS="x", STORAGE_VENDOR="s3")

    found = modern_flask.app.faults(app)

    assert [type(fault).__name__ for fault in found] == [
        "UnknownSetting",
        "UnknownChoice",
    ]
    assert not app.container.engine.initialized


def test_readonly_session(tmp_path: Any) -> None:
    """A view that is given the read-only session is refused a write, by name."""
    from sqlalchemy import text
    from sqlalchemy.orm import Mapped, mapped_column

    class Note(modern_flask.ModelBase):
        __tablename__ = "notes_of_test_app"
        id: Mapped[int] = mapped_column(primary_key=True)

    app = make(DATABASE_ENGINE_URL=f"sqlite:///{tmp_path}/shop.db")

    @app.get("/")
    @inject
    def view(session: modern_flask.ReadOnlySessionDep) -> str:
        assert session.scalar(text("select 1")) == 1
        session.add(Note(id=1))
        session.flush()
        return ""

    app.testing = True
    with (
        app.running(),
        pytest.raises(modern_flask.Fault, match="it holds a new Note"),
    ):
        app.test_client().get("/")
