"""What a closer hears: the error that was raised, whoever answers for it."""

import gc
import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import Provide
from flask import Flask, Response, abort, request_finished, stream_with_context

import modern_flask
from modern_flask import Container, Scoped, inject
from modern_flask.wiring import find
from modern_flask.wiring.scope import has_open_scopes

Base: Any = Container

pytestmark = pytest.mark.filterwarnings(
    # The extensions' own, on today's Flask and jsonschema.
    "ignore::DeprecationWarning:flask_restful.*",
    "ignore::DeprecationWarning:flask_restx.*",
)


class Heard(list[str]):
    """What each closer heard: ``ok`` or the name of the error."""


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def app(heard: Heard, tmp_path: Path, monkeypatch: Any) -> Iterator[Flask]:
    def open_unit() -> Iterator[str]:
        try:
            yield "unit"
        except BaseException as error:
            heard.append(type(error).__name__)
            raise
        heard.append("ok")

    class Own(Base):
        unit = Scoped(open_unit)

    monkeypatch.chdir(tmp_path)
    gc.collect()
    before = has_open_scopes()
    yield modern_flask.create_app(
        "service", Own(), config={"SECRET_KEY": "for the sockets"}
    )
    gc.collect()
    assert has_open_scopes() == before


UnitDep = Annotated[str, Provide["unit"]]


@inject
def use_unit(unit: UnitDep) -> str:
    return unit


@pytest.mark.parametrize("library", ["flask_restful", "flask_restx"])
def test_error_that_an_extension_answers_for(
    app: Flask, heard: Heard, library: str
) -> None:
    """Flask-RESTful and flask-restx put handlers of their own around Flask's."""
    module = import_module(library)
    api = module.Api(app)

    class Orders(module.Resource):
        @inject
        def get(self, unit: UnitDep) -> dict[str, str]:
            return {"unit": unit}

        @inject
        def post(self, unit: UnitDep) -> None:
            raise ValueError("no")

        @inject
        def put(self, unit: UnitDep) -> None:
            module.abort(409)

    api.add_resource(Orders, "/orders")
    client = app.test_client()

    assert client.get("/orders").json == {"unit": "unit"}
    assert client.put("/orders").status_code == 409
    assert client.post("/orders").status_code == 500
    assert heard == ["ok", "Conflict", "ValueError"]


def test_error_handler_of_restx(app: Flask, heard: Heard) -> None:
    """An error that the API's own handler turns into a 422 is heard as that error."""
    import flask_restx

    api = flask_restx.Api(app)

    @api.route("/orders")
    class Orders(flask_restx.Resource):
        @inject
        def get(self, unit: UnitDep) -> None:
            raise LookupError(unit)

    @api.errorhandler(LookupError)
    def refuse(error: LookupError) -> Any:
        return {"reason": "gone"}, 422

    assert app.test_client().get("/orders").status_code == 422
    assert heard == ["LookupError"]


def test_socket_handler(app: Flask, heard: Heard) -> None:
    """Socket.IO calls its handlers in a request context, and handles their errors."""
    from flask_socketio import SocketIO

    sockets = SocketIO(app, async_mode="threading")
    answered: list[str] = []

    @sockets.on("good")
    @inject
    def good(unit: UnitDep) -> str:
        return unit

    @sockets.on("bad")
    @inject
    def bad(unit: UnitDep) -> None:
        raise LookupError(unit)

    @sockets.on_error_default
    def refuse(error: Exception) -> None:
        answered.append(type(error).__name__)

    client = sockets.test_client(app)
    assert client.emit("good", callback=True) == "unit"
    client.emit("bad")

    assert answered == ["LookupError"]
    assert heard == ["ok", "LookupError"]


def test_error_that_the_view_handles_itself(app: Flask, heard: Heard) -> None:
    """An injected helper fails, the view copes: that is no error of the request."""

    @inject
    def helper(unit: UnitDep) -> None:
        raise LookupError(unit)

    @app.get("/")
    def view() -> str:
        try:
            helper()
        except LookupError:
            return "coped"

    assert app.test_client().get("/").text == "coped"
    assert heard == ["ok"]


def test_error_that_an_outer_function_handles(app: Flask, heard: Heard) -> None:
    """Outside of a dispatched request, the outermost injected function counts."""

    @inject
    def inner(unit: UnitDep) -> None:
        raise LookupError(unit)

    @inject
    def outer(unit: UnitDep) -> str:
        try:
            inner()
        except LookupError:
            return "coped"

    with app.test_request_context("/"):
        assert outer() == "coped"

    assert heard == ["ok"]


@pytest.mark.parametrize("place", ["before", "view", "after", "none"])
def test_where_it_is_raised(app: Flask, heard: Heard, place: str) -> None:
    """Hooks, views and what makes their answer are heard, handled or not."""

    def fail(here: str) -> None:
        if place == here:
            raise LookupError(here)

    @app.before_request
    def before() -> None:
        use_unit()
        fail("before")

    @app.after_request
    def after(response: Response) -> Response:
        fail("after")
        return response

    @app.get("/")
    def view() -> Any:
        fail("view")
        return None if place == "none" else "fine"

    app.register_error_handler(LookupError, lambda error: ("handled", 422))

    app.test_client().get("/")

    assert heard == ["TypeError" if place == "none" else "LookupError"]


def test_abort_is_heard(app: Flask, heard: Heard) -> None:
    """An HTTP error is an error of the view, also as an answer."""

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> None:
        abort(409)

    assert app.test_client().get("/").status_code == 409
    assert heard == ["Conflict"]


def test_teardown_hook_gets_a_fresh_object(app: Flask, heard: Heard) -> None:
    """A hook that uses a request's object after the answer gets one of its own."""
    seen: list[str] = []

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        return "committed"

    @app.teardown_request
    def audit(error: BaseException | None) -> None:
        seen.append(find("unit"))

    assert app.test_client().get("/").text == "committed"
    assert seen == ["unit"]
    assert heard == ["ok", "ok"]


@pytest.mark.parametrize("hook", ["teardown_request", "teardown_appcontext"])
def test_closer_that_fails_after_the_answer(
    service: Callable[..., Flask], caplog: Any, hook: str
) -> None:
    """A hook's own object that fails to close is logged: the answer is on its way."""

    def open_unit() -> Iterator[str]:
        yield "unit"
        raise OSError("disk full")

    class Own(Base):
        unit = Scoped(open_unit)

    app = service(Own())
    getattr(app, hook)(lambda error: find("unit") and None)
    app.add_url_rule("/", view_func=lambda: "committed", endpoint="view")

    with caplog.at_level(logging.ERROR, "modern_flask.wiring.flask_scope"):
        response = app.test_client().get("/")

    assert response.text == "committed"
    assert "disk full" in caplog.text


def test_error_handler_after_a_closer_that_failed(service: Any) -> None:
    """The handler that answers for a failed closer gets fresh objects."""
    opened: list[int] = []

    def open_unit() -> Iterator[int]:
        opened.append(len(opened))
        yield opened[-1]
        if opened[-1] == 0:
            raise OSError("disk full")

    class Own(Base):
        unit = Scoped(open_unit)

    app = service(Own())

    @app.get("/")
    @inject
    def view(unit: Annotated[int, Provide["unit"]]) -> str:
        return str(unit)

    @app.errorhandler(500)
    def refuse(error: Exception) -> Any:
        return str(find("unit")), 500

    response = app.test_client().get("/")

    assert (response.status_code, response.text) == (500, "1")


def stream(app: Flask, body: Callable[[str], Iterator[str]]) -> None:
    @app.get("/")
    @inject
    def view(unit: UnitDep) -> Response:
        return Response(stream_with_context(body(unit)))


def two_parts(unit: str) -> Iterator[str]:
    yield unit
    yield unit


def broken(unit: str) -> Iterator[str]:
    yield unit
    raise LookupError(unit)


def test_whole_stream(app: Flask, heard: Heard) -> None:
    """The objects live until the last part is sent, and close with its context."""
    stream(app, two_parts)

    response = app.test_client().get("/", buffered=False)
    parts = iter(response.response)
    assert (next(parts), heard) == (b"unit", [])
    assert list(parts) == [b"unit"]
    assert heard == ["ok"]
    response.close()
    assert heard == ["ok"]


def test_stream_that_its_client_leaves(app: Flask, heard: Heard) -> None:
    """A body that is closed early closes the objects."""
    stream(app, two_parts)

    response = app.test_client().get("/", buffered=False)
    next(iter(response.response))
    response.close()

    assert len(heard) == 1


def test_stream_that_fails(app: Flask, heard: Heard) -> None:
    """An error in the body is heard as that error."""
    stream(app, broken)

    response = app.test_client().get("/", buffered=False)
    with pytest.raises(LookupError):
        list(response.response)
    response.close()

    assert heard == ["LookupError"]


@pytest.mark.parametrize("hook", ["after_request", "teardown_request", "signal"])
def test_stream_that_is_never_sent(app: Flask, heard: Heard, hook: str) -> None:
    """A hook fails, the body is dropped with its answer: the objects are closed."""
    stream(app, two_parts)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("hook")

    if hook == "signal":
        request_finished.connect(fail, app)
    else:
        getattr(app, hook)(fail)
    client = app.test_client()
    if hook == "teardown_request":
        # At once, or with the body's end where Flask keeps its context until then.
        with pytest.raises(RuntimeError):
            list(client.get("/", buffered=False).response)
    else:
        assert client.get("/").status_code == 500
    gc.collect()

    assert len(heard) == 1


def test_head_of_a_stream(app: Flask, heard: Heard) -> None:
    """A HEAD request sends no body: the objects close with the answer."""
    stream(app, two_parts)

    app.test_client().head("/")

    assert heard == ["ok"]
