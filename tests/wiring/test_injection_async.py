"""``async def``: functions that Flask awaits are injected, scoped and committed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import Provide
from flask import Flask, Response, stream_with_context
from flask.views import MethodView
from sqlalchemy import text

import modern_flask
from modern_flask import SessionDep, inject, on_commit, transactional
from modern_flask.database.errors import GeneratorTransaction
from modern_flask.wiring import find

UnitDep = Annotated[Any, Provide["unit"]]


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(
    request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[modern_flask.App]:
    """An app with a table of orders, and views that write to it."""
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    keys = {"DATABASE_ENGINE_URL": url}
    app = modern_flask.create_app("ledger", config=keys, root_path=".")
    app.register_error_handler(ValueError, lambda error: ("no", 422))

    @app.post("/orders/<int:number>")
    @transactional
    @inject
    async def order(number: int, session: SessionDep) -> str:
        await write(number)
        await asyncio.sleep(0)
        assert find("session") is session
        if number == 13:
            raise ValueError
        return str(number)

    @app.post("/lost")
    @inject
    async def lost(session: SessionDep) -> str:
        session.execute(text("insert into orders values (99)"))
        return ""

    @app.get("/orders")
    @inject
    async def index(session: SessionDep) -> Response:
        def body() -> Iterator[str]:
            for number in session.scalars(text("select number from orders")):
                yield f"{number} "

        return Response(stream_with_context(body()))

    with app.running():
        with app.container.engine().begin() as connection:
            connection.execute(text("create table orders (number integer)"))
        yield app
        assert app.container.engine().pool.checkedout() == 0


@transactional
async def write(number: int) -> None:
    """Write an order in the transaction of the view, which calls this function."""
    await asyncio.sleep(0)
    find("session").execute(text("insert into orders values (:n)"), {"n": number})


def test_transaction(ledger: modern_flask.App) -> None:
    """An awaited view commits when it returns; a handled error rolls it back."""
    client = ledger.test_client()

    answers = [client.post(f"/orders/{n}").status_code for n in (1, 13, 2)]
    lost = client.post("/lost").status_code

    assert (answers, lost) == ([200, 422, 200], 200)
    assert sorted(client.get("/orders").text.split()) == ["1", "2"]


def test_on_commit(ledger: modern_flask.App) -> None:
    """``on_commit`` of an awaited view runs after the commit, and only after one."""
    done: list[str] = []

    @ledger.post("/notified/<int:number>")
    @transactional
    @inject
    async def notify(number: int, session: SessionDep) -> str:
        await asyncio.sleep(0)
        on_commit(lambda: done.append(str(number)))
        if number == 13:
            raise ValueError
        return ",".join(done)

    client = ledger.test_client()

    assert [client.post(f"/notified/{n}").text for n in (7, 13)] == ["", "no"]
    assert done == ["7"]


def test_threads(ledger: modern_flask.App) -> None:
    """Requests in many threads, each with its event loop, have their own sessions."""

    def post(number: int) -> int:
        return ledger.test_client().post(f"/orders/{number}").status_code

    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(post, range(20, 40)))

    assert answers == [200] * 20
    found = ledger.test_client().get("/orders").text.split()
    assert sorted(map(int, found)) == list(range(20, 40))


def test_everything_shares_one_object(
    service: Any, container: Any, journal: Any
) -> None:
    """Awaited hooks, views, methods and handlers of a request share one object."""
    app: Flask = service(container)
    seen: list[Any] = []

    @app.before_request
    @inject
    async def before(unit: UnitDep) -> None:
        seen.append(unit)

    @app.after_request
    @inject
    async def after(response: Response, unit: UnitDep) -> Response:
        seen.append(unit)
        return response

    @app.errorhandler(ValueError)
    @inject
    async def refuse(error: Exception, unit: UnitDep) -> tuple[str, int]:
        seen.append(unit)
        return "no", 422

    class Page(MethodView):
        @inject
        async def get(self, unit: UnitDep) -> str:
            seen.append(unit)
            raise ValueError

    app.add_url_rule("/", view_func=Page.as_view("page"))

    assert app.test_client().get("/").status_code == 422
    assert len(seen) == 4
    assert set(map(id, seen)) == {id(seen[0])}
    assert journal.lines[2:] == ["roll back for ValueError", "close unit"]


def _letters() -> Iterator[str]:
    yield "a"


async def _later() -> AsyncIterator[str]:
    yield "a"


@pytest.mark.parametrize("function", [_letters, _later])
def test_generators_are_refused(function: Any) -> None:
    """``transactional`` refuses a generator, which runs after its call has returned."""
    with pytest.raises(GeneratorTransaction) as fault:
        transactional(function)

    assert str(fault.value) == (
        f"@transactional would commit before {function.__name__} begins: it is a "
        "generator.\n"
        "  fix      put @transactional on a function that the generator calls"
    )
