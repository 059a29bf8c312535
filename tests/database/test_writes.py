"""Writes of a request or command that nobody commits: a warning, or an error."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Response, stream_with_context
from flask.views import MethodView
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import modern_flask
from modern_flask import ReadOnlySessionDep, SessionDep, inject, transactional
from modern_flask.database import make_session_factory
from modern_flask.database.errors import COMMIT_WRITES, UncommittedWrites
from modern_flask.errors import UnknownChoice

Work = Callable[[Session], object]


class Tables(DeclarativeBase):
    """Not ModelBase: all tests would share its tables."""


class Order(Tables):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite://"
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def app(url: str) -> Iterator[modern_flask.App]:
    """An app with one stored order."""
    yield from open_app(url)


def open_app(url: str, **config: Any) -> Iterator[modern_flask.App]:
    keys = {"DATABASE_ENGINE_URL": url, **config}
    app = modern_flask.create_app("writes", config=keys)
    with app.running():
        Tables.metadata.create_all(app.container.engine())
        with app.container.engine().begin() as connection:
            connection.execute(insert(Order).values(number=1))
        yield app


@pytest.fixture
def embedded() -> Iterator[modern_flask.App]:
    """The same app on SQLite."""
    yield from open_app("sqlite://")


def serve(app: modern_flask.App, *works: Work) -> None:
    """Make a view that does the work with the number in its path."""

    @app.get("/<int:number>")
    @inject
    def place(number: int, session: SessionDep) -> str:
        works[number](session)
        return "done"


def do(app: modern_flask.App, work: Work, status: int = 200) -> None:
    """Do ``work`` in a request."""
    serve(app, work)
    assert app.test_client().get("/0").status_code == status


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "modern_flask.database.session"
    ]


def add(session: Session) -> None:
    session.add(Order(number=2))
    session.flush()


def write_in_savepoint(session: Session) -> None:
    with session.begin_nested():
        add(session)


def write_in_connection_savepoint(session: Session) -> None:
    with session.connection().begin_nested():
        session.connection().execute(insert(Order).values(number=2))


def write_again(session: Session) -> None:
    add(session)
    session.commit()
    session.execute(text("delete from orders"))


WRITES: list[Work] = [
    add,
    lambda session: session.add(Order(number=2)),
    lambda session: setattr(session.scalars(select(Order)).one(), "number", 3),
    lambda session: session.delete(session.scalars(select(Order)).one()),
    lambda session: session.execute(insert(Order).values(number=2)),
    lambda session: session.execute(insert(Order), [{"number": n} for n in (2, 3)]),
    lambda session: session.execute(update(Order).values(number=3)),
    lambda session: session.execute(delete(Order)),
    lambda session: session.query(Order).delete(),
    lambda session: session.bulk_insert_mappings(Order, [{"number": 2}]),
    lambda session: session.bulk_save_objects([Order(number=2)]),
    lambda session: session.execute(text("insert into orders (number) values (2)")),
    lambda session: session.connection().execute(insert(Order).values(number=2)),
    lambda session: session.connection().exec_driver_sql("delete from orders"),
    write_in_savepoint,
    write_in_connection_savepoint,
    write_again,
]


def test_every_way_to_write(
    app: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """However a view writes, one warning names it if nobody commits."""
    serve(app, *WRITES)

    for number in range(len(WRITES)):
        caplog.clear()
        assert app.test_client().get(f"/{number}").status_code == 200
        assert warnings(caplog) == [
            f"View place ({__name__}.serve.<locals>.place) changed the database and "
            "did not commit, so its changes were rolled back. To keep them, "
            f"{COMMIT_WRITES}."
        ], number


def roll_back_savepoint(session: Session) -> None:
    savepoint = session.begin_nested()
    add(session)
    savepoint.rollback()
    session.scalars(select(Order)).all()


def roll_back_connection_savepoint(session: Session) -> None:
    savepoint = session.connection().begin_nested()
    session.connection().execute(insert(Order).values(number=2))
    savepoint.rollback()


def roll_back(session: Session) -> None:
    add(session)
    session.rollback()
    session.scalars(select(Order)).all()


def commit(session: Session) -> None:
    add(session)
    session.commit()
    session.scalars(select(Order)).all()


def begin(session: Session) -> None:
    with session.begin():
        session.add(Order(number=2))


def use_temporary_table(session: Session) -> None:
    session.execute(text("create temporary table scratch (a int)"))
    session.execute(text("insert into scratch values (1)"))
    assert session.execute(text("select a from scratch")).scalar() == 1
    session.execute(text("drop table scratch"))


def commit_by_text(session: Session) -> None:
    session.execute(text("insert into orders (number) values (2)"))
    session.connection().exec_driver_sql("commit")


def autocommit(session: Session) -> None:
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    session.execute(text("insert into orders (number) values (2)"))


CORRECT: list[Work] = [
    lambda session: session.scalars(select(Order)).all(),
    lambda session: session.scalars(select(Order).with_for_update()).all(),
    lambda session: session.execute(
        update(Order).where(Order.number == 9).values(number=3)
    ),
    lambda session: session.execute(text("delete from orders where number = 9")),
    lambda session: session.execute(text("create table if not exists others (a int)")),
    roll_back_savepoint,
    roll_back_connection_savepoint,
    roll_back,
    commit,
    begin,
    use_temporary_table,
    commit_by_text,
    autocommit,
    transactional(add),
]


def test_correct_programs(
    app: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads, locks, commits, rollbacks, temporary tables and DDL cause no warning."""
    serve(app, *CORRECT)

    for number in range(len(CORRECT)):
        assert app.test_client().get(f"/{number}").status_code == 200, number
        assert warnings(caplog) == [], number


@pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
def test_returning(app: modern_flask.App, caplog: pytest.LogCaptureFixture) -> None:
    """With RETURNING, an UPDATE that finds no row is no write, and another one is."""
    found: list[Any] = []

    def change(session: Session, number: int) -> None:
        wanted = update(Order).where(Order.number == number)
        statement = wanted.values(number=5).returning(Order.number)
        found.append(session.execute(statement).scalar())

    serve(app, lambda session: change(session, 9), lambda session: change(session, 1))
    app.test_client().get("/0")
    before = warnings(caplog)
    app.test_client().get("/1")

    assert found == [None, 5]
    assert (before, len(warnings(caplog))) == ([], 1)


def test_error_instead_of_the_warning(caplog: pytest.LogCaptureFixture) -> None:
    """With "error", the request answers with status 500 before anything is sent."""
    for app in open_app("sqlite://", DATABASE_SESSION_UNCOMMITTED_WRITES="error"):
        do(app, add, status=500)

    [error] = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert isinstance(error, UncommittedWrites)
    assert str(error).splitlines() == [
        f"View place ({__name__}.serve.<locals>.place) changed the database and did "
        "not commit, so its changes were rolled back.",
        f"  fix      {COMMIT_WRITES}",
    ]


def test_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """With "ignore", nothing is said."""
    for app in open_app("sqlite://", DATABASE_SESSION_UNCOMMITTED_WRITES="ignore"):
        do(app, add)

        assert warnings(caplog) == []


def test_unknown_reaction(engine_of: Any, section: Any) -> None:
    """The error of another value names the three that there are."""
    settings = section("DATABASE_SESSION_", uncommitted_writes="raise")

    with pytest.raises(UnknownChoice) as raised:
        make_session_factory(engine_of(url="sqlite://"), settings)

    assert str(raised.value) == (
        'DATABASE_SESSION_UNCOMMITTED_WRITES = "raise" names no way to react to '
        "uncommitted writes.\n"
        "  set in   config.py, line 1\n"
        "  fix      use warn, error or ignore"
    )


def test_view_that_fails(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """A view that raises is not told that it did not commit: the error says enough."""

    def work(session: Session) -> None:
        add(session)
        raise LookupError

    do(embedded, work, status=500)

    assert warnings(caplog) == []


def test_readonly_session(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only session causes no warning: an object changed for display is fine."""

    @embedded.get("/")
    @inject
    def show(session: ReadOnlySessionDep) -> str:
        order = session.scalars(select(Order)).one()
        order.number = 7
        return str(order.number)

    assert embedded.test_client().get("/").text == "7"
    assert warnings(caplog) == []


def test_command(embedded: modern_flask.App, caplog: pytest.LogCaptureFixture) -> None:
    """A command that writes and does not commit is named."""

    @embedded.cli.command("seed")
    @inject
    def seed(session: SessionDep) -> None:
        add(session)

    assert embedded.test_cli_runner().invoke(args=["seed"]).exit_code == 0
    assert [line[:20] for line in warnings(caplog)] == ["Command seed changed"]


def test_hook_of_a_missing_page(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """The writes of a hook before a page that does not exist fail with the 404."""

    @embedded.before_request
    @inject
    def count(session: SessionDep) -> None:
        add(session)

    assert embedded.test_client().get("/missing").status_code == 404
    assert warnings(caplog) == []


def test_async_view(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """An async view is named as well."""

    @embedded.get("/")
    @inject
    async def place(session: SessionDep) -> str:
        add(session)
        return ""

    embedded.test_client().get("/")

    assert [line.split(" (")[0] for line in warnings(caplog)] == ["View place"]


def test_two_databases(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A write on the second engine of a session is seen as well."""
    from sqlalchemy import create_engine

    other = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    Tables.metadata.create_all(other)
    for app in open_app("sqlite://", DATABASE_SESSION_BINDS={Order: other}):

        def work(session: Session) -> None:
            session.execute(text("select 1"))
            add(session)

        do(app, work)

        assert len(warnings(caplog)) == 1
    other.dispose()


def test_shared_transaction_of_a_test(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """In the transaction of a test, a commit counts and a missing one is reported."""
    from modern_flask.testing.transactions import share_transaction

    serve(embedded, commit, add)
    with share_transaction(embedded.container):
        embedded.test_client().get("/0")
        before = warnings(caplog)
        embedded.test_client().get("/1")

    assert (before, len(warnings(caplog))) == ([], 1)


@pytest.mark.parametrize("fails", [False, True])
def test_stream(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture, fails: bool
) -> None:
    """A streamed body that writes and does not commit is reported, unless it fails."""

    @embedded.get("/")
    @inject
    def place(session: SessionDep) -> Response:
        def body() -> Iterator[str]:
            yield "begin"
            add(session)
            if fails:
                raise LookupError
            yield "end"

        return Response(stream_with_context(body()))

    client = embedded.test_client()
    if fails:
        with pytest.raises(LookupError):
            client.get("/", buffered=True)
    else:
        client.get("/", buffered=True)

    assert [line.split(" (")[0] for line in warnings(caplog)] == (
        [] if fails else ["View place"]
    )


def test_view_of_a_class(
    embedded: modern_flask.App, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the class of a class-based view."""

    class Orders(MethodView):
        @inject
        def get(self, session: SessionDep) -> str:
            add(session)
            return ""

    embedded.add_url_rule("/", view_func=Orders.as_view("orders"))
    embedded.test_client().get("/")

    name = f"{__name__}.test_view_of_a_class.<locals>.Orders"
    assert warnings(caplog)[0].startswith(f"View orders ({name}) changed")
