"""Gunicorn's hooks: open after the fork, close before the end."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from dependency_injector import providers

import modern_flask
from modern_flask import Opened
from modern_flask.server import settings

LOG: list[str] = []


def open_shop():
    LOG.append("opened")
    yield "shop"
    LOG.append("closed")


def open_ruin():
    yield "ruin"
    raise OSError("It fell down.")


class Shop(modern_flask.Container):
    """A container with one resource."""

    shop = Opened(open_shop)


class Ruin(Shop):
    """And one that can't be closed."""

    ruin = Opened(open_ruin)


@pytest.fixture(autouse=True)
def log(monkeypatch):
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    LOG.clear()
    return LOG


def worker(served: Any) -> Any:
    """What gunicorn hands to its hooks."""
    app = SimpleNamespace(callable=served)
    return SimpleNamespace(app=app, log=logging.getLogger("gunicorn.error"))


def test_worker_opens_after_the_fork_and_closes(log):
    """What is configured is opened in the worker before it serves, once, and closed."""
    served = worker(modern_flask.create_app(__name__, Shop()))

    settings.post_worker_init(served)
    assert log == ["opened"]
    settings.worker_exit(None, served)

    assert log == ["opened", "closed"]


def test_what_can_not_be_closed_is_told(log, caplog):
    """A closer that fails is logged; the others are closed all the same."""
    served = worker(modern_flask.create_app(__name__, Ruin()))
    settings.post_worker_init(served)

    settings.worker_exit(None, served)

    assert log == ["opened", "closed"]
    assert "It fell down." in caplog.text


@pytest.mark.parametrize("served", [None, object(), providers.Object(1)])
def test_other_apps_are_served_too(served, log):
    """The settings leave alone what is no service of the kit."""
    settings.post_worker_init(worker(served))
    settings.worker_exit(None, worker(served))

    assert settings.flask_app(served) is None
    assert log == []


def test_worker_that_never_loaded_is_closed():
    """A worker that died while it loaded has no app, and no second error."""
    settings.worker_exit(None, SimpleNamespace(app=SimpleNamespace()))


def test_unit_is_one_cpu():
    """One process, one thread; its end fits into the 30 s that Kubernetes gives."""
    assert (settings.workers, settings.threads) == (1, 1)
    assert settings.graceful_timeout < 30
