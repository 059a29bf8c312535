"""Error handlers: what a failed view has left undone is not part of their work."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dependency_injector import containers
from flask import Blueprint, Flask, abort
from flask_restful import Api, Resource
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import modern_flask
from modern_flask import SessionDep, inject, on_commit, transactional
from modern_flask.database.errors import COMMIT_WRITES
from modern_flask.wiring import Scoped, find

INSERT = text("insert into orders values (:number)")


@pytest.fixture
def app(tmp_path: Any) -> Iterator[modern_flask.App]:
    """An app with a table of numbers, and a handler that stores what failed."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    app = modern_flask.create_app("ledger", config={"DATABASE_ENGINE_URL": url})

    @app.errorhandler(ValueError)
    @transactional
    def keep(error: ValueError) -> tuple[str, int]:
        insert(100)
        return "kept", 422

    with app.running():
        with app.container.engine().begin() as connection:
            connection.execute(text("create table orders (number integer unique)"))
        yield app


@pytest.fixture
def numbers(app: modern_flask.App) -> Callable[[], list[int]]:
    """The numbers that the table has."""

    def read() -> list[int]:
        with app.container.engine().connect() as connection:
            return sorted(connection.scalars(text("select number from orders")))

    return read


def insert(number: int) -> None:
    find("session").execute(INSERT, {"number": number})


def fail() -> str:
    insert(1)
    raise ValueError


def test_handler_commits_its_own_rows(app: modern_flask.App, numbers: Any) -> None:
    """The transaction of an error handler does not store the rows of the view."""
    app.add_url_rule("/", "fail", fail)

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (422, "kept")
    assert numbers() == [100]


@pytest.mark.parametrize("wrap", [transactional, inject, lambda view: view])
def test_decorated_views(app: modern_flask.App, numbers: Any, wrap: Any) -> None:
    """It does not matter how the view is decorated."""
    app.add_url_rule("/", "fail", wrap(fail))

    app.test_client().get("/")

    assert numbers() == [100]


def test_async_view(app: modern_flask.App, numbers: Any) -> None:
    """The rows of an async view are rolled back as well."""

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0)
        return fail()

    app.test_client().get("/")

    assert numbers() == [100]


@pytest.mark.parametrize("hook", ["before_request", "after_request"])
def test_hooks(app: modern_flask.App, numbers: Any, hook: str) -> None:
    """The rows of a hook that fails are rolled back before a handler runs."""
    calls: list[str] = []

    @app.errorhandler(500)
    @transactional
    def keep(error: Exception) -> tuple[str, int]:
        insert(100)
        return "kept", 500

    def call(*_: Any) -> None:
        if not calls:
            calls.append(hook)
            fail()

    getattr(app, hook)(lambda *response: call() or (response[0] if response else None))
    app.add_url_rule("/", "view", lambda: "done")

    app.test_client().get("/")

    assert numbers() == [100]


def test_handler_of_a_nested_blueprint(app: modern_flask.App, numbers: Any) -> None:
    """A nested blueprint's own handler finds the view's rows rolled back."""
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    inner.add_url_rule("/", "fail", fail)

    @inner.errorhandler(ValueError)
    @transactional
    def keep(error: ValueError) -> tuple[str, int]:
        insert(7)
        return "kept", 409

    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer, url_prefix="/outer")

    assert app.test_client().get("/outer/inner/").status_code == 409
    assert numbers() == [7]


def test_flask_restful(app: modern_flask.App, numbers: Any) -> None:
    """Flask-RESTful handles errors outside of Flask's handlers: the same holds."""

    class OwnApi(Api):  # type: ignore[misc]
        def handle_error(self, error: Exception) -> Any:
            transactional(lambda: insert(8))()
            return super().handle_error(error)

    class Orders(Resource):  # type: ignore[misc]
        def get(self) -> str:
            insert(1)
            abort(409)

    OwnApi(app).add_resource(Orders, "/")

    assert app.test_client().get("/").status_code == 409
    assert numbers() == [8]


def test_handler_that_fails(app: modern_flask.App, numbers: Any) -> None:
    """A handler that fails leaves nothing to the handler of the error 500."""

    @app.errorhandler(KeyError)
    def reraise(error: KeyError) -> str:
        insert(2)
        raise error

    @app.errorhandler(500)
    @transactional
    def keep(error: Exception) -> tuple[str, int]:
        insert(100)
        return "kept", 500

    @app.get("/")
    def view() -> str:
        insert(1)
        raise KeyError

    assert app.test_client().get("/").text == "kept"
    assert numbers() == [100]


def test_error_that_the_view_catches(app: modern_flask.App, numbers: Any) -> None:
    """A view that catches the error of an injected function keeps its rows."""

    @inject
    def check(session: SessionDep) -> None:
        raise ValueError

    @app.get("/")
    @transactional
    def view() -> str:
        insert(1)
        try:
            check()
        except ValueError:
            insert(2)
        return "done"

    assert app.test_client().get("/").text == "done"
    assert numbers() == [1, 2]


def test_callbacks(app: modern_flask.App) -> None:
    """A callback of the failed view does not run when the handler commits."""
    called: list[str] = []

    @app.get("/")
    @transactional
    def view() -> str:
        # Registered before the first statement, it belongs to no transaction yet.
        on_commit(lambda: called.append("view"))
        raise ValueError

    app.test_client().get("/")

    assert called == []


def test_broken_transaction(app: modern_flask.App, numbers: Any) -> None:
    """After a failed flush, the handler can use the session."""

    @app.errorhandler(IntegrityError)
    @transactional
    def keep(error: IntegrityError) -> tuple[str, int]:
        insert(100)
        return "kept", 409

    @app.get("/")
    def view() -> str:
        insert(1)
        insert(1)
        return "done"

    assert app.test_client().get("/").status_code == 409
    assert numbers() == [100]


def test_handler_that_does_not_commit(
    app: modern_flask.App, numbers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that writes and does not commit is reported, as a view is."""

    @app.errorhandler(KeyError)
    def forget(error: KeyError) -> tuple[str, int]:
        insert(2)
        return "", 409

    @app.get("/")
    def view() -> str:
        insert(1)
        raise KeyError

    app.test_client().get("/")

    name = f"{__name__}.test_handler_that_does_not_commit.<locals>.view"
    found = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert found == [
        f"An error handler after the failure of View view ({name}) changed the "
        f"database and did not commit, so its changes were rolled back. To keep them, "
        f"{COMMIT_WRITES}."
    ]
    assert numbers() == []


def test_order_and_errors_of_on_error(
    service: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    """``on_error`` is called once, the last object first; its own error is logged."""
    seen: list[Any] = []

    def open_word(word: str) -> Iterator[str]:
        try:
            yield word
        except ValueError:
            seen.append(f"close {word}")
            raise

    def fail_for(word: str) -> None:
        seen.append(word)
        raise RuntimeError

    class Container(containers.DeclarativeContainer):
        first = Scoped(open_word, "first", on_error=seen.append)
        second = Scoped(open_word, "second", on_error=fail_for)
        third = Scoped(open_word, "third")

    app = service(Container())

    @app.get("/")
    def view() -> str:
        for name in ("first", "second", "third"):
            find(name)
        raise ValueError

    app.register_error_handler(ValueError, lambda _: (str(seen), 422))
    with caplog.at_level(logging.ERROR):
        response = app.test_client().get("/")

    assert response.text == "['second', 'first']"
    assert seen == ["second", "first", "close third", "close second", "close first"]
    assert "open_word failed after an error." in caplog.text
