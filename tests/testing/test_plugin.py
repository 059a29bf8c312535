"""The pytest plugin, in a separate run over a small service."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
import pytest
from sqlalchemy import text

import modern_flask
from celery import shared_task
from modern_flask import SessionDep, inject, on_commit, transactional


@shared_task(name="shop.note")
@transactional
@inject
def note(number, session: SessionDep):
    session.execute(text("insert into orders values (:n)"), {{"n": number}})
    return number


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    return {url!r} or f"sqlite:///{{tmp_path_factory.mktemp('db')}}/shop.db"


@pytest.fixture
def app(url):
    app = modern_flask.create_app(
        "shop", config={{"DATABASE_ENGINE_URL": url}}, root_path="."
    )
    @app.post("/orders/<int:number>")
    @transactional
    @inject
    def order(number: int, session: SessionDep):
        session.execute(text("insert into orders values (:n)"), {{"n": number}})
        if number == 13:
            raise ValueError
        on_commit(lambda: note.delay(number + 100))
        return ""

    app.note = note
    with app.running():
        with app.container.engine().begin() as connection:
            connection.execute(
                text("create table if not exists orders (number integer)")
            )
        yield app


@pytest.fixture
def numbers(session):
    def ask():
        return sorted(session.scalars(text("select number from orders")))

    return ask
"""

HEAD = """
from sqlalchemy import text


def test_nothing_before(numbers):
    assert numbers() == []
"""


def run(folder: Path, test: str, url: str = "") -> str:
    """The last line of a run of pytest over ``test``."""
    (folder / "conftest.py").write_text(CONFTEST.format(url=url))
    (folder / "test_shop.py").write_text(HEAD + test)
    # Hypothesis takes a second to import, and these tests use none of it.
    plugins = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, str(folder)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
    )
    return done.stdout


def outcome(output: str) -> str:
    return re.sub(r" in .*", "", output.strip().splitlines()[-1])


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_url"))


def test_session_is_rolled_back(tmp_path: Path, url: str) -> None:
    """What views and tests write is seen in the test and gone in the next."""
    output = run(
        tmp_path,
        """
def test_one(app, session, numbers, tasks):
    session.execute(text("insert into orders values (1)"))
    client = app.test_client()
    assert client.post("/orders/2").status_code == 200
    assert client.post("/orders/13").status_code == 500
    assert numbers() == [1, 2, 102]
    assert tasks.names == ["shop.note"]


def test_two(app, session, numbers):
    assert numbers() == []
""",
        url,
    )

    assert outcome(output) == "3 passed", output


def test_tasks(tmp_path: Path) -> None:
    """A task is run here, as a worker would; its result and errors come back."""
    output = run(
        tmp_path,
        """
import pytest


def test_run(app, tasks, numbers):
    assert tasks.run(app.note, 5) == 5
    assert tasks.done == [("shop.note", (5,), {})]
    assert numbers() == [5]


def test_error(app, tasks):
    with pytest.raises(TypeError):
        tasks.run(app.note)
""",
    )

    assert outcome(output) == "3 passed", output


def test_override(tmp_path: Path) -> None:
    """An override lasts as long as its test."""
    output = run(
        tmp_path,
        """
def test_one(container, override):
    override(redis="double")
    assert container.redis() == "double"


def test_two(container):
    assert container.redis.last_overriding is None
""",
    )

    assert outcome(output) == "3 passed", output


def test_connections_left(tmp_path: Path) -> None:
    """A test that keeps a connection fails, and the error says how many."""
    output = run(
        tmp_path,
        """
kept = []


def test_keeps(app):
    kept.append(app.container.engine().connect())
    kept.append(app.container.engine().connect())


def test_gives_back(app, numbers):
    for connection in kept:
        connection.close()
    with app.container.engine().connect():
        pass


def test_in_an_app_context(app):
    with app.app_context():
        app.container.session().execute(text("select 1"))
""",
    )

    assert outcome(output) == "1 failed, 3 passed", output
    assert "2 connections are still checked out after the test." in output
