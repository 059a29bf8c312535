"""An object of a request: made once, and closed once with the error of the request."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import containers
from dependency_injector.wiring import Provide
from flask import Flask, g

from modern_flask.wiring import Scoped, find, inject, scope

UnitDep = Annotated[Any, Provide["unit"]]
ENTERED = ["open engine", "open unit"]


@pytest.fixture(autouse=True)
def check_no_scope() -> Iterator[None]:
    """No scope stays open after a request or a task, however it ends."""
    yield
    assert scope._open == set()


@pytest.fixture
def app(service: Callable[..., Flask], container: Any) -> Flask:
    return service(container)


def test_one_object_for_everything(app: Flask, journal: Any) -> None:
    """Views, hooks and nested services of a request share one object."""
    seen: list[Any] = []

    @app.before_request
    @inject
    def before(unit: UnitDep) -> None:
        seen.append(unit)

    @app.after_request
    @inject
    def after(response: Any, unit: UnitDep) -> Any:
        seen.append(unit)
        return response

    @app.get("/")
    @inject
    def view(unit: UnitDep, service: Annotated[list[Any], Provide["service"]]) -> str:
        seen.extend([unit, *service])
        return ""

    app.test_client().get("/")

    assert len(seen) == 5
    assert len(set(map(id, seen))) == 1
    assert journal.lines == [*ENTERED, "return", "close unit"]


def test_new_object_for_each_request(app: Flask, journal: Any) -> None:
    """Each request has a new object."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        assert unit.open
        return str(id(unit))

    client = app.test_client()
    for _ in range(3):
        client.get("/")

    assert journal.lines.count("open unit") == 3
    assert journal.lines.count("close unit") == 3


def test_unused_object_is_not_made(app: Flask, journal: Any) -> None:
    """A request that injects nothing opens nothing."""
    app.add_url_rule("/", "view", lambda: "")

    app.test_client().get("/")

    assert journal.lines == []


def test_handled_error(app: Flask, journal: Any) -> None:
    """The object receives the view's error even if an error handler answers for it."""
    app.register_error_handler(ValueError, lambda error: ("no", 422))

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        raise ValueError

    assert app.test_client().get("/").status_code == 422
    assert journal.lines == [*ENTERED, "roll back for ValueError", "close unit"]


def test_unhandled_error(app: Flask, journal: Any) -> None:
    """The object receives an unhandled error, once."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        raise ValueError

    assert app.test_client().get("/").status_code == 500
    assert journal.lines == [*ENTERED, "roll back for ValueError", "close unit"]


def test_abort(app: Flask, journal: Any) -> None:
    """``abort`` is an error like any other."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        from flask import abort

        abort(409)

    assert app.test_client().get("/").status_code == 409
    assert journal.lines[2:] == ["roll back for Conflict", "close unit"]


def test_error_in_after_request(app: Flask, journal: Any) -> None:
    """The object is closed with the error of a hook that fails after the view."""

    @app.after_request
    def after(response: Any) -> Any:
        raise KeyError

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        return ""

    assert app.test_client().get("/").status_code == 500
    assert journal.lines[2:] == ["roll back for KeyError", "close unit"]


def test_error_in_teardown(app: Flask, journal: Any) -> None:
    """A teardown function that fails does not keep the object open."""
    seen: list[Any] = []

    @app.teardown_request
    @inject
    def end(error: Any, unit: UnitDep) -> None:
        seen.append(unit)
        raise KeyError

    app.add_url_rule("/", "view", lambda: "")

    with pytest.raises(KeyError):
        app.test_client().get("/")

    assert not seen[0].open


def test_failing_closer_becomes_a_500(service: Callable[..., Flask]) -> None:
    """If a closer fails, such as a commit, the answer becomes a 500."""

    def open_unit() -> Iterator[str]:
        yield "unit"
        raise OSError("the commit failed")

    class Container(containers.DeclarativeContainer):
        unit = Scoped(open_unit)

    app = service(Container())
    app.add_url_rule("/", "view", inject(_answer))

    assert app.test_client().get("/").status_code == 500


def _answer(unit: UnitDep) -> str:
    return "done"


def test_every_closer_runs(service: Callable[..., Flask], journal: Any) -> None:
    """All closers run, in reverse order, even if some of them raise."""

    def opener(name: str) -> Callable[..., Iterator[str]]:
        def open_(*_: Any) -> Iterator[str]:
            yield name
            journal(f"close {name}")
            raise OSError(name)

        return open_

    class Container(containers.DeclarativeContainer):
        first = Scoped(opener("first"))
        second = Scoped(opener("second"), first)

    app = service(Container())

    with pytest.raises(ExceptionGroup) as failures, app.app_context():
        find("second")

    assert journal.lines == ["close second", "close first"]
    assert [str(e) for e in failures.value.exceptions] == ["second", "first"]
    assert failures.value.message == "Closing a request's objects failed."


def test_closer_that_exits(service: Callable[..., Flask], journal: Any) -> None:
    """A closer that raises SystemExit does not keep the other closers from running."""

    def open_first() -> Iterator[str]:
        yield "first"
        journal("close first")

    def open_second(_: str) -> Iterator[str]:
        yield "second"
        raise SystemExit

    class Container(containers.DeclarativeContainer):
        first = Scoped(open_first)
        second = Scoped(open_second, first)

    app = service(Container())

    with pytest.raises(SystemExit), app.app_context():
        find("second")

    assert journal.lines == ["close first"]


def test_context_around_many_requests(app: Flask) -> None:
    """An app context that outlives its requests keeps none of their scopes."""

    @app.get("/one")
    @inject
    def one(unit: UnitDep) -> str:
        return "done"

    with app.app_context():
        for _ in range(3):
            app.test_client().get("/one")

        assert g.__dict__[scope.SCOPES] == {}
