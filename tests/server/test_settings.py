"""Gunicorn's hooks: components open after the fork and close before the end."""

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


def open_broken():
    yield "broken"
    raise OSError("It fell down.")


class Shop(modern_flask.Container):
    """A container with one resource."""

    shop = Opened(open_shop)


class Broken(Shop):
    """A container with a second resource that can't be closed."""

    broken = Opened(open_broken)


@pytest.fixture(autouse=True)
def log(monkeypatch):
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    LOG.clear()
    return LOG


def make_worker(wsgi_app: Any) -> Any:
    """The argument that gunicorn passes to its hooks."""
    app = SimpleNamespace(callable=wsgi_app)
    return SimpleNamespace(app=app, log=logging.getLogger("gunicorn.error"))


def test_worker_opens_after_the_fork_and_closes(log):
    """A worker opens the components before it serves, once, and closes them."""
    worker = make_worker(modern_flask.create_app(__name__, Shop()))

    settings.post_worker_init(worker)
    assert log == ["opened"]
    settings.worker_exit(None, worker)

    assert log == ["opened", "closed"]


def test_failed_close_is_logged(log, caplog):
    """A component that fails to close is logged; the others are closed."""
    worker = make_worker(modern_flask.create_app(__name__, Broken()))
    settings.post_worker_init(worker)

    settings.worker_exit(None, worker)

    assert log == ["opened", "closed"]
    assert "It fell down." in caplog.text


@pytest.mark.parametrize("wsgi_app", [None, object(), providers.Object(1)])
def test_other_apps_are_left_alone(wsgi_app, log):
    """The hooks do nothing for an app that has no container."""
    settings.post_worker_init(make_worker(wsgi_app))
    settings.worker_exit(None, make_worker(wsgi_app))

    assert settings.find_app(wsgi_app) is None
    assert log == []


def test_worker_without_an_app_exits():
    """A worker that died while it loaded its app raises no second error."""
    settings.worker_exit(None, SimpleNamespace(app=SimpleNamespace()))


def test_unit_is_one_cpu():
    """One process with one thread, which ends within the 30 s of Kubernetes."""
    assert (settings.workers, settings.threads) == (1, 1)
    assert settings.graceful_timeout < 30
