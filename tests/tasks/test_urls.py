"""The URLs of brokers and result backends: a wrong one is an error at start."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery

from modern_flask.config import Origin, Values
from modern_flask.errors import ESCAPE_PASSWORD
from modern_flask.tasks import BadBackend, BadBroker, open_celery
from modern_flask.tasks.errors import USE_BACKEND, USE_BROKER


@contextmanager
def opened(**settings: Any) -> Iterator[Celery]:
    opening = open_celery(settings)
    yield next(opening)
    next(opening, None)


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [
        ("CELERY_BROKER_URL", "bogus://u:hunter2@h", ""),
        ("CELERY_BROKER_URL", "bogus+redis://u:hunter2@h", ""),
        ("CELERY_BROKER_URL", 5, ""),
        ("CELERY_BROKER_URL", ["memory://", 5], ""),
        ("CELERY_BROKER_URL", "redis://u:hun/ter2@h", ""),
        ("CELERY_BROKER_URL", "memory://;memry://u:hunter2@h", "memory://"),
        ("CELERY_BROKER", "amq://u:hunter2@h", "amqp://, amqps:// or pyamqp://"),
        ("CELERY_BROKER_READ_URL", "bogus://u:hunter2@h", ""),
    ],
)
def test_broker_without_transport(key: str, value: Any, near: str) -> None:
    """A broker that the worker can't use is an error at start, without the password."""
    values = Values({key: value}, {key: Origin("config.py", 3)})

    with pytest.raises(BadBroker) as raised:
        next(open_celery(values.section("CELERY_")))

    meant = f"  did you mean  {near}\n" if near else ""
    assert raised.value.__context__ is None
    assert str(raised.value) == (
        f"{key} is not a broker URL that the installed Celery can use.\n"
        "  set in   config.py, line 3\n"
        f"{meant}"
        f"  fix      {USE_BROKER}; {ESCAPE_PASSWORD}"
    )


def test_broker_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error about a scheme that needs a package names the package."""

    def lacking(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'botocore'", name="botocore")

    monkeypatch.setattr("kombu.connection.get_transport_cls", lacking)
    values = Values({"CELERY_BROKER_URL": "sqs://u:hunter2@"})

    with pytest.raises(BadBroker) as raised:
        next(open_celery(values.section("CELERY_")))

    assert str(raised.value) == (
        "CELERY_BROKER_URL is not a broker URL that the installed Celery can use: "
        "the package botocore is not installed.\n"
        f"  fix      {USE_BROKER}"
    )


@pytest.mark.parametrize(
    "value",
    [
        "amqp://u:p@h:5672//",
        "redis://h/0;redis://i/0",
        ["memory://", "memory://"],
        "sqla+sqlite:///broker.db",
        "redis+socket:///run/redis.sock",
        "sentinel://h:26379;sentinel://i:26379",
        "localhost",
        None,
    ],
)
def test_broker_with_transport(value: Any) -> None:
    """Every form of a broker URL that Celery accepts passes the check."""
    with opened(broker_url=value) as celery:
        assert celery.conf.broker_url == value


def refused(key: str, value: Any) -> BadBackend:
    """The error about the result backend ``key = value``."""
    keys = {"CELERY_BROKER_URL": "memory://", key: value}
    values = Values(keys, {key: Origin("config.py", 3)})
    with pytest.raises(BadBackend) as raised:
        next(open_celery(values.section("CELERY_")))
    assert raised.value.__context__ is None
    return raised.value


@pytest.mark.parametrize(
    ("key", "value", "why", "near"),
    [
        ("CELERY_RESULT_BACKEND", "bogus://u:hunter2@h", "", ""),
        ("CELERY_BACKEND", "reds://u:hunter2@h", "", "redis:// or rediss://"),
        ("CELERY_RESULT_BACKEND", "redis:u:hunter2@h/0", "", ""),
        ("CELERY_RESULT_BACKEND", "redis://u:hun/ter2@h", "", ""),
        ("CELERY_RESULT_BACKEND", "db+postgresql://u:hunter2@h:x/a", "", ""),
        ("CELERY_RESULT_BACKEND", 5, "", ""),
        (
            "CELERY_RESULT_BACKEND",
            "db+postgresql+pg8000://u:hunter2@h/a",
            "the package pg8000 is not installed",
            "",
        ),
        (
            "CELERY_RESULT_BACKEND",
            "rediss://u:hunter2@h/0",
            "rediss:// needs the query ?ssl_cert_reqs=CERT_REQUIRED",
            "",
        ),
        (
            "CELERY_RESULT_BACKEND",
            "mongodb://u:hunter2@h/a",
            "You need to install the pymongo library to use the MongoDB backend",
            "",
        ),
        (
            "CELERY_RESULT_BACKEND",
            "azureblockblob://u:hunter2@h/a",
            "the package azure is not installed",
            "",
        ),
    ],
)
def test_backend_that_can_not_be_used(
    key: str, value: Any, why: str, near: str
) -> None:
    """A result backend that no task can use is an error at start, without a secret."""
    said = str(refused(key, value))

    meant = f"  did you mean  {near}\n" if near else ""
    escape = "" if why else f"; {ESCAPE_PASSWORD}"
    assert said == (
        f"{key} is not a result backend that the installed Celery can use"
        f"{': ' if why else ''}{why}.\n"
        "  set in   config.py, line 3\n"
        f"{meant}"
        f"  fix      {USE_BACKEND}{escape}"
    )


@pytest.mark.parametrize(
    "value",
    [
        "redis://u:p@127.0.0.1:1/0",
        "redis+socket:///run/redis.sock",
        "sentinel://h:26379;sentinel://i:26379",
        "db+sqlite:///results.db",
        "db+postgresql+psycopg://u:p@127.0.0.1:1/a",
        "cache+memory://",
        "rpc://",
        "disabled",
        "celery.backends.redis:RedisBackend",
        "",
        None,
    ],
)
def test_backend_that_can_be_used(value: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """Every form of a result backend that Celery accepts passes without connecting."""
    monkeypatch.chdir(tmp_path)

    with opened(broker_url="memory://", result_backend=value) as celery:
        assert celery.conf.result_backend == value

    assert not list(tmp_path.iterdir())


def test_variable_that_celery_prefers_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A variable that overrides the configuration of Celery is logged."""
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:hunter2@elsewhere")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "rpc://")

    with opened(broker_url="memory://", result_backend="rpc://"):
        pass

    assert caplog.messages == [
        "The variable CELERY_BROKER_URL overrides the configuration of Celery: "
        "unset it, or rename it to FLASK_CELERY_BROKER_URL."
    ]


def test_missing_broker_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Celery's default broker is logged, unless tasks are eager."""
    with opened(task_default_queue="orders"):
        pass
    with opened(task_always_eager=True):
        pass

    assert caplog.messages == [
        "broker_url is not set: Celery uses amqp://guest@localhost//."
    ]
