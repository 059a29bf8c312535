"""Tasks that run here and now, as long as a block lasts."""

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.signals import task_prerun

import modern_flask
from modern_flask.testing.tasks import run_tasks_here

SETTINGS = ("task_always_eager", "task_eager_propagates")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[modern_flask.App]:
    app = modern_flask.create_app(
        "shop", config={"CELERY_BROKER_URL": "memory://"}, root_path=str(tmp_path)
    )
    with app.running():
        yield app


@pytest.fixture
def note(app: modern_flask.App) -> Any:
    """A task."""
    celery: Celery = app.container.celery()

    # Not shared: it would be a task of every other test's Celery, too.
    @celery.task(name="shop.note", shared=False)
    def note(number: int) -> int:
        return number

    return note


def test_settings_are_restored(app: modern_flask.App) -> None:
    """After the block the app's Celery sends its tasks as before."""
    celery = app.container.celery()
    before = [celery.conf[name] for name in SETTINGS]

    with run_tasks_here(app):
        assert [celery.conf[name] for name in SETTINGS] == [True, True]

    assert [celery.conf[name] for name in SETTINGS] == before == [False, False]


def test_each_block_has_its_own(app: modern_flask.App, note: Any) -> None:
    """A block notes the tasks that it runs, and none of a later one."""
    with run_tasks_here(app) as first:
        note.delay(1)
        # Celery forgets what nobody holds: held, it is the block that disconnects it.
        connected = [
            ref for _, ref in task_prerun.receivers if isinstance(ref, weakref.ref)
        ]
        held = [ref() for ref in connected]
    with run_tasks_here(app) as second:
        note.delay(2)

    assert any(held)
    assert first.done == [("shop.note", (1,), {})]
    assert second.done == [("shop.note", (2,), {})]
