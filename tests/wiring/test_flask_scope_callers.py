"""All functions that Flask calls within a request share the request's objects."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import Provide
from flask import (
    Blueprint,
    Flask,
    appcontext_pushed,
    render_template_string,
    request_finished,
    request_started,
    url_for,
)
from flask.views import MethodView, View

from modern_flask.wiring import inject
from modern_flask.wiring.errors import ScopeClosed

UnitDep = Annotated[Any, Provide["unit"]]
ENTERED = ["open engine", "open unit"]
CLOSED = ["return", "close unit"]


@pytest.fixture
def app(service: Callable[..., Flask], container: Any) -> Flask:
    return service(container)


@pytest.fixture
def seen() -> list[Any]:
    """The injected objects, one for each function that was called."""
    return []


@pytest.mark.parametrize("every", [True, False])
def test_method_view(app: Flask, journal: Any, seen: list[Any], every: bool) -> None:
    """Each request of a class-based view has its own object, however it is made."""

    class Page(MethodView):
        init_every_request = every

        @inject
        def get(self, unit: UnitDep) -> str:
            seen.append(unit)
            return self.render()

        @inject
        def post(self, unit: UnitDep) -> str:
            seen.append(unit)
            raise ValueError

        @inject
        def render(self, unit: UnitDep) -> str:
            seen.append(unit)
            return ""

    app.register_error_handler(ValueError, lambda error: ("no", 422))
    app.add_url_rule("/", view_func=Page.as_view("page"))
    client = app.test_client()

    assert [client.get("/").status_code, client.post("/").status_code] == [200, 422]
    assert seen[0] is seen[1]
    assert seen[1] is not seen[2]
    assert journal.lines == [
        *(*ENTERED, *CLOSED),
        *("open unit", "roll back for ValueError", "close unit"),
    ]


def test_initializer_of_a_view(app: Flask, journal: Any, seen: list[Any]) -> None:
    """An initializer that runs for each request gets that request's object."""

    class Page(View):
        @inject
        def __init__(self, unit: UnitDep) -> None:
            seen.append(unit)

        @inject
        def dispatch_request(self, unit: UnitDep) -> str:
            seen.append(unit)
            return ""

    app.add_url_rule("/", view_func=Page.as_view("page"))
    client = app.test_client()
    for _ in range(2):
        client.get("/")

    assert [seen[0] is seen[1], seen[1] is seen[2], seen[2] is seen[3]] == [
        True,
        False,
        True,
    ]
    assert journal.lines == [*ENTERED, *CLOSED, "open unit", *CLOSED]


def test_hooks_of_a_blueprint(app: Flask, journal: Any, seen: list[Any]) -> None:
    """All hooks of a blueprint, for itself and for the app, share one object."""
    blueprint = Blueprint("orders", __name__)

    def make_hook(*given: Any, answer: Any = None) -> Callable[..., Any]:
        @inject
        def note(*args: Any, unit: UnitDep) -> Any:
            seen.append(unit)
            return args[0] if given else answer

        return note

    blueprint.url_value_preprocessor(make_hook())
    blueprint.app_url_value_preprocessor(make_hook())
    blueprint.before_request(make_hook())
    blueprint.before_app_request(make_hook())
    blueprint.after_request(make_hook("the response"))
    blueprint.after_app_request(make_hook("the response"))
    blueprint.context_processor(make_hook(answer={}))
    blueprint.app_context_processor(make_hook(answer={}))
    blueprint.url_defaults(make_hook())
    blueprint.app_url_defaults(make_hook())
    blueprint.errorhandler(ValueError)(make_hook(answer=("no", 422)))

    @blueprint.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        seen.append(unit)
        assert url_for("orders.view") == "/"
        assert render_template_string("page") == "page"
        raise ValueError

    app.register_blueprint(blueprint)

    assert app.test_client().get("/").status_code == 422
    assert len(seen) == 12
    assert set(map(id, seen)) == {id(seen[0])}
    assert journal.lines == [*ENTERED, "roll back for ValueError", "close unit"]


def test_templates(app: Flask, journal: Any, seen: list[Any]) -> None:
    """Filters, globals and tests of templates share the view's object."""

    @app.template_filter()
    @inject
    def loud(word: str, unit: UnitDep) -> str:
        seen.append(unit)
        return word.upper()

    @app.template_global()
    @inject
    def greet(unit: UnitDep) -> str:
        seen.append(unit)
        return "hello"

    @app.template_test()
    @inject
    def own(word: str, unit: UnitDep) -> bool:
        seen.append(unit)
        return True

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        seen.append(unit)
        template = "{{ greet()|loud if word is own }}"
        return render_template_string(template, word="a")

    assert app.test_client().get("/").text == "HELLO"
    assert len(seen) == 4
    assert set(map(id, seen)) == {id(seen[0])}
    assert journal.lines == [*ENTERED, *CLOSED]


@pytest.fixture
def connect(app: Flask) -> Iterator[Callable[..., None]]:
    """``connect(signal, function)``: a receiver until the end of the test."""
    made: list[Any] = []

    def connect(signal: Any, function: Any) -> None:
        signal.connect(function, app)
        made.append((signal, function))

    yield connect
    for signal, function in made:
        signal.disconnect(function)


def test_signal(
    app: Flask, journal: Any, seen: list[Any], connect: Callable[..., None]
) -> None:
    """A receiver of a signal within a request shares the request's object."""

    @inject
    def note(sender: Flask, unit: UnitDep, **_: Any) -> None:
        seen.append(unit)

    connect(request_started, note)

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        seen.append(unit)
        return ""

    assert app.test_client().get("/").status_code == 200
    assert seen[0] is seen[1]
    assert journal.lines == [*ENTERED, *CLOSED]


def test_signal_of_the_app_context(
    app: Flask, journal: Any, seen: list[Any], connect: Callable[..., None]
) -> None:
    """Before there is a request, a receiver gets an object of the app context."""

    @inject
    def note(sender: Flask, unit: UnitDep, **_: Any) -> None:
        seen.append(unit)

    connect(appcontext_pushed, note)

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        seen.append(unit)
        return ""

    assert app.test_client().get("/").status_code == 200
    assert not any(unit.open for unit in seen)
    assert journal.lines.count("open unit") == journal.lines.count("close unit")


def test_signal_after_the_end(
    app: Flask, journal: Any, connect: Callable[..., None]
) -> None:
    """A receiver that runs after the objects are closed can't inject one."""
    raised: list[Exception] = []

    @inject
    def note(unit: UnitDep) -> None: ...

    def late(sender: Flask, **_: Any) -> None:
        try:
            note()  # type: ignore[call-arg]
        except ScopeClosed as fault:
            raised.append(fault)

    connect(request_finished, late)

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        return ""

    assert app.test_client().get("/").status_code == 200
    assert len(raised) == 1
    assert journal.lines == [*ENTERED, *CLOSED]


def test_error_handler_that_fails(app: Flask, journal: Any) -> None:
    """The object receives the view's error even if the error handler fails too."""

    @app.errorhandler(ValueError)
    def refuse(error: Exception) -> str:
        raise KeyError

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        raise ValueError

    assert app.test_client().get("/").status_code == 500
    assert journal.lines == [*ENTERED, "roll back for ValueError", "close unit"]


def test_error_handler_that_fails_in_a_test(app: Flask, journal: Any) -> None:
    """The object receives the view's error also where errors propagate to the test."""
    app.testing = True

    @app.errorhandler(ValueError)
    def refuse(error: Exception) -> str:
        raise KeyError

    @app.get("/")
    @inject
    def view(unit: UnitDep) -> str:
        raise ValueError

    with pytest.raises(KeyError):
        app.test_client().get("/")
    assert journal.lines == [*ENTERED, "roll back for ValueError", "close unit"]


def test_error_before_the_view(app: Flask, journal: Any) -> None:
    """A hook's error reaches an object that an earlier hook was injected with."""

    @app.before_request
    @inject
    def first(unit: UnitDep) -> None: ...

    @app.before_request
    def second() -> None:
        raise ValueError

    app.add_url_rule("/", "view", lambda: "")

    assert app.test_client().get("/").status_code == 500
    assert journal.lines == [*ENTERED, "roll back for ValueError", "close unit"]


def test_teardowns(app: Flask, journal: Any) -> None:
    """Teardown functions are injected with an open object, which is closed later."""
    open_then: list[bool] = []

    @app.teardown_request
    @inject
    def of_request(error: BaseException | None, unit: UnitDep) -> None:
        open_then.append(unit.open)

    @app.teardown_appcontext
    @inject
    def of_context(error: BaseException | None, unit: UnitDep) -> None:
        open_then.append(unit.open)

    app.add_url_rule("/", "view", lambda: "")

    assert app.test_client().get("/").status_code == 200
    assert open_then == [True, True]
    assert journal.lines.count("open unit") == journal.lines.count("close unit")
