"""Celery from the configuration, and tasks in the app's context."""

import gc
import logging
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from celery import Celery, shared_task
from celery.signals import worker_process_shutdown
from flask import current_app
from kombu.exceptions import OperationalError

import modern_flask
from modern_flask import Container, Provide, Scoped, inject, transactional
from modern_flask.config import Origin, Values
from modern_flask.tasks import get_tasks, open_celery, ping, set_default_app
from modern_flask.wiring.checks.opening import check_opening

EAGER = {"CELERY_BROKER_URL": "memory://", "CELERY_TASK_ALWAYS_EAGER": True}

seen: list[Any] = []


def make_thing() -> Iterator[list[str]]:
    try:
        yield []
    except ValueError as error:
        seen.append(error)
        raise


class Service(Container):
    thing = Scoped(make_thing)


@shared_task
@inject
def note(word: str, thing: Annotated[list[str], Provide["thing"]]) -> int:
    thing.append(word)
    seen.append((current_app.import_name, tuple(thing)))
    return len(thing)


@shared_task
@inject
def fail(thing: Annotated[list[str], Provide["thing"]]) -> None:
    raise ValueError("no")


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@contextmanager
def opened(**settings: Any) -> Iterator[Celery]:
    opening = open_celery(settings)
    yield next(opening)
    next(opening, None)


def make_app(name: str = "tasks_service", **config: Any) -> modern_flask.App:
    return modern_flask.create_app(name, Service(), config={**EAGER, **config})


def test_settings_are_celery_s() -> None:
    """Every setting of Celery is passed to Celery."""
    with opened(broker_url="memory://", task_default_queue="orders") as celery:
        found = celery.conf.broker_url, celery.conf.task_default_queue

    assert found == ("memory://", "orders")


def test_old_names_of_broker_and_backend() -> None:
    """CELERY_BROKER and CELERY_BACKEND name the broker and the result backend."""
    with opened(broker="memory://", backend="cache+memory://") as celery:
        found = celery.conf.broker_url, celery.conf.result_backend

    assert found == ("memory://", "cache+memory://")


def test_defaults_lie_under_the_settings() -> None:
    """Results are ignored unless the configuration changes that."""
    with opened(broker_url="memory://") as ours:
        ignored = ours.conf.task_ignore_result
    with opened(broker_url="memory://", task_ignore_result=False) as theirs:
        kept = theirs.conf.task_ignore_result

    assert (ignored, kept) == (True, False)


def test_waits_for_redis_are_bounded() -> None:
    """A frozen Redis broker does not block a request; the other options stay."""
    own = {"visibility_timeout": 7200, "socket_timeout": 9}
    with opened(
        broker_url="redis://127.0.0.1:1/0", broker_transport_options=own
    ) as celery:
        options = celery.conf.broker_transport_options

    assert options == {
        "socket_timeout": 9,
        "socket_connect_timeout": 1,
        "visibility_timeout": 7200,
    }


def test_unknown_setting_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A name that Celery would ignore silently is logged with the nearest names."""
    values = Values(
        {"CELERY_BROKER_URL": "memory://", "CELERY_TASK_DEFAULT_QEUE": "orders"},
        {"CELERY_TASK_DEFAULT_QEUE": Origin("config.py", 3)},
    )

    with caplog.at_level(logging.WARNING):
        next(open_celery(values.section("CELERY_")))

    assert (
        "CELERY_TASK_DEFAULT_QEUE is not a setting of Celery (config.py, line 3), "
        "did you mean CELERY_TASK_DEFAULT_QUEUE" in caplog.text
    )


def test_ping_reaches_the_broker(redis_url: str) -> None:
    """A broker that answers is healthy."""
    with opened(broker_url=redis_url) as celery:
        assert ping(celery, 30) is None


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_ping_of_a_broker_that_is_gone(scheme: str, monkeypatch: Any) -> None:
    """A broker that refuses is tried once, without a pause."""

    def pause(seconds: float) -> None:
        raise AssertionError(f"It waits for {seconds} s.")

    monkeypatch.setattr("kombu.utils.functional.sleep", pause)
    with (
        opened(broker_url=f"{scheme}://127.0.0.1:1//") as celery,
        pytest.raises(OperationalError, match="Connection refused"),
    ):
        ping(celery, 0.5)


def test_ping_of_several_brokers(redis_url: str) -> None:
    """If one of several brokers answers, the ping succeeds."""
    gone = "redis://127.0.0.1:1/0"
    with opened(broker_url=f"{gone};{gone};{redis_url}") as celery:
        assert ping(celery, 30) is None


def test_closed_apps_hear_no_signal() -> None:
    """Apps that open and close one after the other leave no receiver of a signal."""
    # What earlier tests have left hears no signal from here on.
    gc.collect()
    before = list(worker_process_shutdown.receivers)

    for name in ("one", "two"):
        app = make_app(name)
        app.container.celery()
        assert len(worker_process_shutdown.receivers) == len(before) + 1
        app.lifecycle.close()

    assert worker_process_shutdown.receivers == before


def test_task_is_injected_in_a_context_of_its_own() -> None:
    """A task has the context of the app, its dependencies, and its own scope."""
    app = make_app()

    with app.app_context():
        note.delay("a")
        note.delay("b")

    assert seen == [("tasks_service", ("a",)), ("tasks_service", ("b",))]


def test_failing_task_closes_its_scope_with_the_error() -> None:
    """The scope of a task closes with the error that the task raised."""
    app = make_app()

    with app.app_context():
        fail.delay()

    assert [str(error) for error in seen] == ["no"]


def test_eager_task_in_a_request_has_its_own_scope() -> None:
    """A task that runs inside a request shares nothing with the request."""
    app = make_app()

    @app.get("/")
    @inject
    def view(thing: Annotated[list[str], Provide["thing"]]) -> list[str]:
        thing.append("request")
        note.delay("task")
        return thing

    answer = app.test_client().get("/").json

    assert answer == ["request"]
    assert seen == [("tasks_service", ("task",))]


def test_shared_task_goes_to_the_current_app() -> None:
    """Two services in one process never send each other's tasks."""
    one, two = make_app("one"), make_app("two")

    with one.app_context():
        note.delay("a")
    with two.app_context():
        note.delay("b")

    assert [name for name, _ in seen] == ["one", "two"]


def test_arguments_are_checked_when_a_task_is_sent() -> None:
    """The sender gets the error about a missing argument."""
    app = make_app()

    with (
        app.app_context(),
        pytest.raises(TypeError, match="missing 1 required positional argument"),
    ):
        note.delay()


def test_own_tasks_are_listed() -> None:
    """The tasks of Celery itself are not listed."""
    app = make_app()

    names = get_tasks(app.container.celery())

    assert f"{__name__}.note" in names
    assert not any(name.startswith("celery.") for name in names)


def test_transaction_of_a_task(tmp_path: Any) -> None:
    """A task under ``transactional`` commits when it returns."""
    url = f"sqlite+pysqlite:///{tmp_path / 'a.db'}"
    app = make_app(DATABASE_ENGINE_URL=url)
    celery = app.container.celery()
    sessions = []

    @celery.task
    @transactional
    @inject
    def write(session: modern_flask.SessionDep) -> None:
        session.connection().exec_driver_sql("create table t (a int)")
        session.connection().exec_driver_sql("insert into t values (1)")
        sessions.append(session)

    write.delay()

    with app.container.engine().connect() as connection:
        assert connection.exec_driver_sql("select a from t").all() == [(1,)]
    assert len(sessions) == 1
    app.lifecycle.close()


def test_closed_app_is_not_kept() -> None:
    """The process-wide state of Celery keeps no service alive."""
    app = make_app()
    with app.app_context():
        note.delay("a")
    app.lifecycle.close()
    kept = weakref.ref(app)

    del app
    gc.collect()

    assert kept() is None


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """If Celery is configured but not installed, the error names the extra."""
    monkeypatch.setitem(sys.modules, "celery", None)

    with pytest.raises(modern_flask.ConfigurationError) as raised:
        next(open_celery({"broker_url": "memory://"}))

    assert str(raised.value) == (
        "celery is configured, but the package celery is not installed.\n"
        "  fix      pip install 'modern-flask[celery]'"
    )


def test_missing_extra_does_not_keep_an_app_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check reports that Celery is missing, with its key, beside other errors."""
    monkeypatch.setitem(sys.modules, "celery", None)
    url = {"CELERY_BROKER_URL": "memory://", "REDIS_HOTS": "cache"}

    app = modern_flask.create_app("tasks_service", config=url)

    set_default_app()
    assert [str(fault) for fault in check_opening(app.container)] == [
        "REDIS_HOTS is not a known setting.\n"
        "  set in   create_app(config=...)\n"
        "  did you mean  REDIS_HOST",
        "celery is configured by CELERY_BROKER_URL, but the package celery is not "
        "installed.\n"
        "  set in   create_app(config=...)\n"
        "  fix      pip install 'modern-flask[celery]'",
    ]
