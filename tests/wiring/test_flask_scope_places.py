"""Where a scope begins and ends: blueprints, commands, contexts, threads, tests."""

import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import click
import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Blueprint, Flask, copy_current_request_context, request

from modern_flask.wiring import Scoped, find, inject, scope
from modern_flask.wiring.errors import FIX_APP_CONTEXT, NoScope, ScopeClosed

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


def test_blueprint_and_its_handler(app: Flask, journal: Any) -> None:
    """A request of a blueprint with its own error handler has a scope."""
    blueprint = Blueprint("orders", __name__)

    @blueprint.errorhandler(ValueError)
    def refuse(error: Exception) -> tuple[str, int]:
        return "no", 422

    @blueprint.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        raise ValueError

    app.register_blueprint(blueprint)

    assert app.test_client().get("/").status_code == 422
    assert journal.lines[2:] == ["roll back for ValueError", "close unit"]


def test_command(app: Flask, journal: Any) -> None:
    """A command has a scope, like a request."""

    @app.cli.command("seed")
    @inject
    def seed(unit: UnitDep) -> None:
        click.echo(unit.open)

    assert app.test_cli_runner().invoke(args=["seed"]).output == "True\n"
    assert journal.lines[2:] == ["return", "close unit"]


def test_failing_command(app: Flask, journal: Any) -> None:
    """A command's error reaches the object."""

    @app.cli.command("seed")
    @inject
    def seed(unit: UnitDep) -> None:
        raise ValueError

    app.test_cli_runner().invoke(args=["seed"])

    assert journal.lines[2:] == ["roll back for ValueError", "close unit"]


def test_app_context_around_requests(app: Flask, journal: Any) -> None:
    """Under one app context, each request still has its own object."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        return ""

    with app.app_context():
        own = find("unit")
        client = app.test_client()
        client.get("/")
        client.get("/")

        assert own.open
        assert find("unit") is own

    assert not own.open
    assert journal.lines.count("open unit") == 3
    assert journal.lines.count("close unit") == 3


def test_app_context_inside_a_request(app: Flask) -> None:
    """An app context in a view, as an eager task pushes it, is a new scope."""
    units: list[Any] = []

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        with app.app_context():
            units.append(find("unit"))
        assert not units[0].open
        assert unit.open
        units.append(unit)
        return ""

    app.test_client().get("/")

    assert units[0] is not units[1]


def test_test_request_context(app: Flask) -> None:
    """In ``test_request_context`` there is one object until its end."""
    with app.test_request_context():
        unit = find("unit")

        assert find("unit") is unit
        assert unit.open

    assert not unit.open


def test_client_that_keeps_its_context(app: Flask) -> None:
    """``with client`` keeps the context, and the object is still closed."""
    units: list[Any] = []

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        units.append(unit)
        return ""

    with app.test_client() as client:
        client.get("/")
        assert request.path == "/"
        client.get("/")

    assert [unit.open for unit in units] == [False, False]


def test_thread_with_the_request(app: Flask) -> None:
    """A thread with a copy of the request has its own object, and closes it."""
    units: list[Any] = []

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        @copy_current_request_context
        def work() -> None:
            units.append(find("unit"))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert unit.open
        units.append(unit)
        return ""

    app.test_client().get("/")

    assert units[0] is not units[1]
    assert not units[0].open


def test_outside() -> None:
    """Outside of an app there is no scope, and the error says what to do."""
    unit = Scoped(dict)

    with pytest.raises(NoScope) as fault:
        unit()

    assert str(fault.value) == (
        "dict lives as long as a request or a task, and there is none here.\n"
        f"  fix      {FIX_APP_CONTEXT}"
    )


def test_after_close(app: Flask) -> None:
    """After the answer, outside of any hook, an object can't be used."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        return ""

    with app.test_request_context("/"):
        app.full_dispatch_request()
        with pytest.raises(ScopeClosed) as fault:
            find("unit")

    assert str(fault.value) == (
        "open_unit is used after its request or task ended.\n"
        "  fix      in a streamed body, wrap the generator in stream_with_context"
    )


def test_plain_target(service: Callable[..., Flask]) -> None:
    """A target that is not a generator function is not closed."""

    class Container(containers.DeclarativeContainer):
        config = providers.Configuration()
        notes = Scoped(dict)

    with service(Container()).app_context():
        assert find("notes") is find("notes")


def test_target_that_fails(service: Callable[..., Flask], journal: Any) -> None:
    """If a target fails, its dependencies are closed at the end of the scope."""

    def open_unit() -> Iterator[str]:
        yield "unit"
        journal("close unit")

    def fail(unit: str) -> str:
        raise OSError

    class Container(containers.DeclarativeContainer):
        unit = Scoped(open_unit)
        broken = Scoped(fail, unit)

    app = service(Container())
    with app.app_context():
        for _ in range(2):
            with pytest.raises(OSError):
                find("broken")

    assert journal.lines == ["close unit"]


def test_override(app: Flask, container: Any) -> None:
    """A request's object can be overridden, and the override is not closed."""
    with container.unit.override("double"), app.app_context():
        assert find("unit") == "double"
        assert find("service") == ["double", "double"]
