"""The end of a request's objects, where another function fails as well."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Annotated, Any

import pytest
from dependency_injector import containers
from dependency_injector.wiring import Provide
from flask import Flask, Response, stream_with_context
from werkzeug.test import EnvironBuilder

from modern_flask.wiring import Scoped, find, get_container, inject

UnitDep = Annotated[Any, Provide["unit"]]


@pytest.fixture
def app(service: Callable[..., Flask], container: Any) -> Flask:
    return service(container)


def make_app(service: Callable[..., Flask], target: Any, view: Any) -> Flask:
    """An app that has ``target`` as its only provider, and one view."""

    class Container(containers.DeclarativeContainer):
        unit = Scoped(target)

    app = service(Container())
    app.register_error_handler(ValueError, lambda error: ("no", 422))
    app.add_url_rule("/", "view", inject(view))
    return app


def test_hook_that_fails_once(app: Flask, journal: Any) -> None:
    """The object receives a hook's error, though the answer to it is complete."""
    errors = [KeyError()]

    @app.after_request
    def after(response: Any) -> Any:
        if errors:
            raise errors.pop()
        return response

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        return ""

    assert app.test_client().get("/").status_code == 500
    assert journal.lines[2:] == ["roll back for KeyError", "close unit"]


def test_closer_fails_after_an_error(service: Callable[..., Flask]) -> None:
    """A closer that raises its own error is a 500 after a handled error, too."""

    def open_unit() -> Iterator[str]:
        try:
            yield "unit"
        except ValueError:
            raise OSError("the rollback failed") from None

    def view(unit: UnitDep) -> str:
        raise ValueError

    app = make_app(service, open_unit, view)

    assert app.test_client().get("/").status_code == 500


@pytest.mark.parametrize("error", [None, ValueError])
def test_yields_twice(
    service: Callable[..., Flask], journal: Any, error: type[Exception] | None
) -> None:
    """A target that yields a second time is closed there, before the answer is sent."""
    made: list[Any] = []

    def generate() -> Iterator[str]:
        try:
            try:
                yield "unit"
            except ValueError:
                journal("roll back")
            yield "another"
        finally:
            journal("closed")

    def open_unit() -> Iterator[str]:
        made.append(generate())
        return made[0]  # type: ignore[no-any-return]

    def view(unit: UnitDep) -> str:
        if error is not None:
            raise error
        return ""

    app = make_app(service, open_unit, view)

    assert app.test_client().get("/").status_code == (422 if error else 200)
    assert journal.lines == [*(["roll back"] if error else []), "closed"]


def test_nothing_is_kept(app: Flask) -> None:
    """An app context that lives on keeps neither a request's object nor its error."""

    class Refused(Exception):
        pass

    kept: list[weakref.ref[Any]] = []

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        error = Refused()
        kept.extend([weakref.ref(unit), weakref.ref(error)])
        try:
            raise error
        finally:
            del error

    app.register_error_handler(Refused, lambda error: ("no", 422))

    with app.app_context():
        assert app.test_client().get("/").status_code == 422
        gc.collect()
        assert [one() for one in kept] == [None, None]


def test_head_of_a_stream(app: Flask) -> None:
    """HEAD has no body: its objects are closed before the answer is sent."""
    units: list[Any] = []

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> Response:
        units.append(unit)
        return Response(stream_with_context(iter(["body"])))

    environ = EnvironBuilder("/", method="HEAD").get_environ()
    serve: Any = app.wsgi_app
    parts = serve(environ, lambda *_: None)

    assert not units[0].open
    parts.close()


def test_overridden(app: Flask) -> None:
    """Views and ``find`` receive the override of a request's provider."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        assert find("unit") is unit
        return str(unit)

    with get_container(app).unit.override("double"):
        assert app.test_client().get("/").text == "double"


def test_threads_that_share_a_context(service: Callable[..., Flask]) -> None:
    """Threads in one context get one object, and every object made is closed."""
    closed: list[object] = []
    start = threading.Barrier(8)

    def open_unit() -> Iterator[object]:
        start.wait(60)
        unit = object()
        yield unit
        closed.append(unit)

    app = make_app(service, open_unit, lambda: "")
    found: list[object] = []

    with app.app_context():
        around = [copy_context() for _ in range(8)]
        threads = [
            threading.Thread(
                target=lambda context: context.run(
                    lambda: (find("unit"), found.append(find("unit")))
                ),
                args=(context,),
            )
            for context in around
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(set(map(id, found))) == 1
    assert len(closed) == 8


def test_request_that_never_ended(service: Callable[..., Flask], journal: Any) -> None:
    """An app context closes all scopes left open in it, the last one first."""
    numbers = iter(["one", "two"])

    def open_unit() -> Iterator[str]:
        number = next(numbers)
        yield number
        journal(f"close {number}")
        raise OSError(number)

    def leave_open() -> None:
        app.test_request_context().push()
        assert find("unit") == "two"

    def work() -> None:
        with app.app_context():
            assert find("unit") == "one"
            copy_context().run(leave_open)

    app = make_app(service, open_unit, lambda: "")
    with pytest.raises(OSError, match="two"):
        work()

    assert journal.lines == ["close two", "close one"]
