"""A request's object while a body is produced, after the view has returned."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import Provide
from flask import Flask, Response, stream_with_context
from werkzeug.test import Client, run_wsgi_app
from werkzeug.test import EnvironBuilder as Builder

from modern_flask.wiring import find, inject, scope
from modern_flask.wiring.errors import NoApp

UnitDep = Annotated[Any, Provide["unit"]]


@pytest.fixture(autouse=True)
def check_no_scope() -> Iterator[None]:
    """No scope stays open after a stream, however it ends."""
    yield
    assert scope._open == set()


@pytest.fixture
def units() -> list[Any]:
    return []


@pytest.fixture
def app(service: Callable[..., Flask], container: Any, units: list[Any]) -> Flask:
    app = service(container)

    @app.get("/kept")
    @inject
    def kept(unit: UnitDep) -> Response:
        units.append(unit)

        def body() -> Iterator[str]:
            for number in range(3):
                assert find("unit") is unit
                yield f"{number} {unit.open};"

        return Response(stream_with_context(body()))

    @app.get("/late")
    def late() -> Response:
        def body() -> Iterator[str]:
            units.append(find("unit"))
            yield str(units[0].open)

        return Response(stream_with_context(body()))

    @app.get("/failing")
    @inject
    def failing(unit: UnitDep) -> Response:
        units.append(unit)

        def body() -> Iterator[str]:
            yield "begun"
            raise ValueError

        return Response(stream_with_context(body()))

    @app.get("/bare")
    @inject
    def bare(unit: UnitDep) -> Response:
        units.append(unit)

        def body() -> Iterator[str]:
            yield str(unit.open)

        return Response(body())

    @app.get("/bare-late")
    def bare_late() -> Response:
        def body() -> Iterator[str]:
            yield str(find("unit"))

        return Response(body())

    return app


def test_lives_until_the_body_is_closed(
    app: Flask, units: list[Any], journal: Any
) -> None:
    """With ``stream_with_context`` the object is open while the body is produced."""
    response = app.test_client().get("/kept")

    assert response.text == "0 True;1 True;2 True;"
    response.close()
    assert not units[0].open
    assert journal.lines[2:] == ["return", "close unit"]


def test_made_in_the_body(app: Flask, units: list[Any]) -> None:
    """An object that only the body injects is closed with the body."""
    response = app.test_client().get("/late")

    assert response.text == "True"
    response.close()
    assert not units[0].open


def test_abort(app: Flask, units: list[Any], journal: Any) -> None:
    """If the client disconnects, the object is closed with GeneratorExit."""
    parts, status, _ = run_wsgi_app(app.wsgi_app, Builder("/kept").get_environ())
    assert status == "200 OK"
    assert next(iter(parts)) == b"0 True;"
    assert units[0].open

    parts.close()  # type: ignore[attr-defined]

    assert not units[0].open
    assert journal.lines[2:] == ["roll back for GeneratorExit", "close unit"]


def test_abort_before_the_body(app: Flask, units: list[Any], journal: Any) -> None:
    """A body that is closed before it is read closes the object."""
    # run_wsgi_app is not used here because it reads the first part.
    serve: Any = app.wsgi_app
    parts = serve(Builder("/kept").get_environ(), lambda *_: None)
    assert units[0].open

    parts.close()

    assert not units[0].open
    assert journal.lines.count("close unit") == 1


def test_head(app: Flask, units: list[Any], journal: Any) -> None:
    """HEAD has no body: the object is closed with the answer."""
    app.test_client().head("/kept").close()

    assert not units[0].open
    assert journal.lines.count("close unit") == 1


def test_error_in_the_body(app: Flask, units: list[Any], journal: Any) -> None:
    """The object is closed with the error that the body raises."""
    with pytest.raises(ValueError):
        Client(app.wsgi_app).get("/failing", buffered=True)

    assert not units[0].open
    assert journal.lines[2:] == ["roll back for ValueError", "close unit"]


def test_without_the_context(app: Flask, units: list[Any]) -> None:
    """Without ``stream_with_context`` the object is closed before the body begins."""
    assert app.test_client().get("/bare").text == "False"


def test_injected_without_the_context(app: Flask) -> None:
    """A body that injects without ``stream_with_context`` raises NoApp."""
    with pytest.raises(NoApp):
        Client(app.wsgi_app).get("/bare-late", buffered=True)


def test_streams_one_after_the_other(app: Flask, journal: Any) -> None:
    """Each of many streams has its own object."""
    client = app.test_client()
    for _ in range(5):
        response = client.get("/kept")
        assert response.text == "0 True;1 True;2 True;"
        response.close()

    assert journal.lines.count("open unit") == 5
    assert journal.lines.count("close unit") == 5


def test_error_after_the_stream_was_made(app: Flask, units: list[Any]) -> None:
    """A hook that fails after the view drops the stream and closes its object."""

    @app.after_request
    def refuse(response: Response) -> Response:
        if response.is_streamed:
            raise KeyError
        return response

    response = app.test_client().get("/kept")

    assert response.status_code == 500
    assert not units[0].open


@pytest.mark.parametrize("hook", ["teardown_request", "teardown_appcontext"])
def test_error_in_teardown(app: Flask, units: list[Any], hook: str) -> None:
    """A teardown function that fails drops the body, which closes the object."""

    @getattr(app, hook)  # type: ignore[untyped-decorator]
    def refuse(error: BaseException | None) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        Client(app.wsgi_app).get("/kept")

    assert not units[0].open
    assert scope._open == set()


def test_stream_in_a_client_that_keeps_its_context(
    app: Flask, units: list[Any]
) -> None:
    """``with client`` keeps the context, and the object is closed with the body."""
    with app.test_client() as client:
        response = client.get("/kept")
        assert response.text == "0 True;1 True;2 True;"
        response.close()

    assert not units[0].open


def test_streams_under_an_app_context(app: Flask, units: list[Any]) -> None:
    """Under an app context of the test, a stream closes its object as well."""
    with app.app_context():
        response = app.test_client().get("/kept")
        assert response.text == "0 True;1 True;2 True;"
        response.close()

        assert not units[0].open
