"""Sessions of requests and commands on PostgreSQL: which rows are committed."""

from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from flask import Response, abort, stream_with_context
from sqlalchemy import text
from sqlalchemy.exc import InvalidRequestError

import modern_flask
from modern_flask import SessionDep, inject, on_commit, transactional
from modern_flask.wiring import find

INSERT = text("insert into orders values (:number)")


@pytest.fixture
def app(
    postgresql_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[modern_flask.App]:
    """An app with a table whose numbers are compared when they are committed."""
    monkeypatch.chdir(tmp_path)
    keys = {"DATABASE_ENGINE_URL": postgresql_url}
    app = modern_flask.create_app("ledger", config=keys, root_path=".")
    app.register_error_handler(ValueError, lambda error: ("no", 422))
    with app.running():
        with app.container.engine().begin() as connection:
            unique = "unique deferrable initially deferred"
            connection.execute(text(f"create table orders (number integer {unique})"))
        yield app
        assert app.container.engine().pool.checkedout() == 0


@pytest.fixture
def numbers(app: modern_flask.App) -> Callable[[], list[int]]:
    """The numbers that the table has."""

    def read() -> list[int]:
        with app.container.engine().connect() as connection:
            return sorted(connection.scalars(text("select number from orders")))

    return read


def insert(number: int) -> None:
    find("session").execute(INSERT, {"number": number})


def test_failed_commit(app: modern_flask.App, numbers: Any) -> None:
    """If the commit fails, the answer becomes a 500 and everything is rolled back."""
    done: list[str] = []

    @app.post("/orders/<int:number>")
    @transactional
    def order(number: int) -> tuple[str, int]:
        insert(number)
        on_commit(lambda: done.append(str(number)))
        return "stored", 201

    client = app.test_client()
    answers = [client.post(f"/orders/{number}") for number in (1, 1, 2)]

    assert [answer.status_code for answer in answers] == [201, 500, 201]
    assert "stored" not in answers[1].text
    assert numbers() == [1, 2]
    assert done == ["1", "2"]


def test_without_a_transaction(app: modern_flask.App, numbers: Any) -> None:
    """A session without ``transactional`` is rolled back when it is closed."""

    @app.post("/")
    @inject
    def view(session: SessionDep) -> str:
        session.execute(INSERT, {"number": 1})
        session.flush()
        return "done"

    assert app.test_client().post("/").text == "done"
    assert numbers() == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError(), 422),
        (KeyError(), 500),
        (409, 409),
    ],
)
def test_errors(app: modern_flask.App, numbers: Any, error: Any, status: int) -> None:
    """A handled error, an unhandled error and ``abort`` all roll back everything."""

    @app.post("/")
    @transactional
    def view() -> str:
        insert(1)
        if isinstance(error, int):
            abort(error)
        raise error

    assert app.test_client().post("/").status_code == status
    assert numbers() == []


def test_work_of_hooks(app: modern_flask.App, numbers: Any) -> None:
    """What a hook wrote is committed with the view's rows, in the same session."""

    @app.before_request
    def before() -> None:
        insert(1)

    @app.post("/")
    @transactional
    def view() -> str:
        insert(2)
        return ""

    assert app.test_client().post("/").status_code == 200
    assert numbers() == [1, 2]


def test_stream(app: modern_flask.App) -> None:
    """A stream with its context can read on, and returns its connection at the end.

    A stream without it raises where it uses its closed session.
    """
    used: list[int] = []

    def body(session: Any) -> Iterator[str]:
        for number in session.scalars(text("select generate_series(1, 3)")):
            used.append(app.container.engine().pool.checkedout())
            yield str(number)

    @app.get("/kept")
    @inject
    def kept(session: SessionDep) -> Response:
        return Response(stream_with_context(body(session)))

    @app.get("/bare")
    @inject
    def bare(session: SessionDep) -> Response:
        return Response(body(session))

    client = app.test_client()

    assert client.get("/kept", buffered=True).text == "123"
    assert used == [1, 1, 1]
    with pytest.raises(InvalidRequestError, match="closed"):
        client.get("/bare", buffered=True)


def test_command(app: modern_flask.App, numbers: Any) -> None:
    """A command commits when it returns, and rolls back everything if it fails."""

    @app.cli.command("seed")
    @click.argument("number", type=int)
    @transactional
    @inject
    def seed(number: int, session: SessionDep) -> None:
        session.execute(INSERT, {"number": number})
        if number < 0:
            raise click.ClickException("A number is not negative.")

    runner = app.test_cli_runner()
    codes = [
        runner.invoke(args=["seed", "--", number]).exit_code for number in ("1", "-1")
    ]

    assert codes == [0, 1]
    assert numbers() == [1]


def test_app_context_around_requests(app: modern_flask.App, numbers: Any) -> None:
    """Under one app context, each request commits or rolls back only its own work."""

    @app.post("/<int:number>")
    @transactional
    def view(number: int) -> str:
        insert(number)
        if number == 13:
            raise ValueError
        return ""

    with app.app_context():
        insert(99)
        client = app.test_client()
        for number in (1, 13, 2):
            client.post(f"/{number}")

    assert numbers() == [1, 2]
