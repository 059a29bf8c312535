"""HTTP errors as problem details (RFC 9457)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Response, abort
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized

import modern_flask
from modern_flask import halt, problem
from tests.closing import closing_apps


@pytest.fixture(autouse=True)
def closed(monkeypatch: Any) -> Iterator[None]:
    """No app stays open."""
    yield from closing_apps(monkeypatch)


@pytest.fixture
def app(tmp_path: Any, monkeypatch: Any) -> modern_flask.App:
    monkeypatch.chdir(tmp_path)
    return modern_flask.create_app("shop", root_path=".")


@pytest.fixture
def answer(app: modern_flask.App) -> Callable[[Callable[[], Any]], Any]:
    """The answer that a client receives from a view."""

    def ask(view: Callable[[], Any]) -> Any:
        app.add_url_rule("/", "view", view)
        return app.test_client().get("/")

    return ask


def test_own_handler_of_every_exception(app: modern_flask.App) -> None:
    """An app that handles every exception itself goes on to handle HTTP errors."""
    app.register_error_handler(Exception, lambda e: (f"own {type(e).__name__}", 418))

    response = app.test_client().get("/nowhere")

    assert (response.status_code, response.text) == (418, "own NotFound")


def test_not_found(app: modern_flask.App) -> None:
    """An unknown path is answered with problem details."""
    response = app.test_client().get("/nowhere")

    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    found = response.get_json()
    # There is one where a test before this one has switched tracing on.
    found.pop("trace_id", None)
    assert found == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "The requested URL was not found on the server. If you entered the "
        "URL manually please check your spelling and try again.",
        "instance": "/nowhere",
    }


def test_headers_are_kept(app: modern_flask.App) -> None:
    """``Allow`` and ``WWW-Authenticate`` reach the client."""
    app.add_url_rule("/", "view", lambda: "", methods=["POST"])

    @app.get("/secret")
    def secret() -> str:
        raise Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "shop"}))

    client = app.test_client()

    assert set(client.get("/").headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert client.get("/secret").headers["WWW-Authenticate"] == "Basic realm=shop"


def test_unexpected_error_shows_nothing(answer: Any) -> None:
    """The client does not see the text of an unexpected error."""

    def view() -> str:
        raise ValueError("password=hidden")

    response = answer(view)

    assert response.status_code == 500
    assert response.json["title"] == "Internal Server Error"
    assert "detail" not in response.json
    assert "hidden" not in response.text


def test_trace_id(app: modern_flask.App) -> None:
    """The body has the id of the trace."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = app.test_client().get(
        "/nowhere", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    )

    assert response.json is not None
    assert response.json["trace_id"] == trace_id


def test_abort_with_text(answer: Any) -> None:
    """The description of ``abort`` is the detail."""
    response = answer(lambda: abort(409, "Sold out."))

    assert (response.json["status"], response.json["detail"]) == (409, "Sold out.")


def test_abort_with_a_response(answer: Any) -> None:
    """A response of the view itself does not change."""
    response = answer(lambda: abort(Response("own", 418)))

    assert (response.status_code, response.text) == (418, "own")


def test_redirect_is_no_problem(app: modern_flask.App) -> None:
    """A redirect that Flask raises stays a redirect."""
    app.add_url_rule("/folder/", "view", lambda: "")

    response = app.test_client().get("/folder")

    assert response.status_code == 308
    assert response.content_type != "application/problem+json"


def test_own_handler_wins(app: modern_flask.App) -> None:
    """A handler of the service for one status, or for all, comes first."""
    app.register_error_handler(404, lambda error: ("own", 404))
    app.register_error_handler(HTTPException, lambda error: ("any", error.code))
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    client = app.test_client()

    assert client.get("/nowhere").text == "own"
    assert client.get("/gone").text == "any"


def test_problem_with_members(answer: Any) -> None:
    """A problem has extension members, a detail and any text."""
    response = answer(lambda: problem(422, "没有库存", stock=0))

    assert response.status_code == 422
    assert response.json["detail"] == "没有库存"
    assert response.json["stock"] == 0
    assert "没有库存" in response.text


def test_status_of_ones_own(answer: Any) -> None:
    """A status that HTTP does not define has the title Error."""
    assert answer(lambda: problem(599)).json["title"] == "Error"


HALTS: list[tuple[tuple[Any, ...], int, str]] = [
    (("text",), 200, "text"),
    (({"reason": "sold out"}, 409), 409, '{"reason":"sold out"}'),
    ((["a"], 409), 409, '["a"]'),
    (("text", 409, {"X-Reason": "sold out"}), 409, "text"),
    (("text", {"X-Reason": "sold out"}), 200, "text"),
    ((Response("own", 410),), 410, "own"),
]


@pytest.mark.parametrize(("words", "status", "body"), HALTS)
def test_halt(answer: Any, words: Any, status: int, body: str) -> None:
    """``halt`` accepts everything that a view can return."""
    response = answer(lambda: halt(*words))

    assert (response.status_code, response.text.strip()) == (status, body)
    if len(words) > 1 and isinstance(words[-1], dict):
        assert response.headers["X-Reason"] == "sold out"


def test_halt_with_a_problem(answer: Any) -> None:
    """``halt(problem(...))`` ends the view with problem details."""
    response = answer(lambda: halt(problem(413, "Too long.")))

    assert response.status_code == 413
    assert response.content_type == "application/problem+json"


def test_halt_with_a_status(answer: Any) -> None:
    """A status alone is answered with its problem details, as ``abort`` is."""
    response = answer(lambda: halt(404))

    assert response.status_code == 404
    assert response.json["title"] == "Not Found"


def test_halt_without_an_answer() -> None:
    """A call without an answer raises where it stands."""
    with pytest.raises(TypeError, match="halt\\(\\) needs the answer of the view"):
        halt()


def test_halt_rolls_back(tmp_path: Any, monkeypatch: Any) -> None:
    """The changes of the view's transaction before ``halt`` are rolled back."""
    from sqlalchemy import text

    from modern_flask import SessionDep, inject, transactional

    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    app = modern_flask.create_app(
        "shop", config={"DATABASE_ENGINE_URL": url}, root_path="."
    )
    with app.container.engine().begin() as connection:
        connection.execute(text("create table orders (number integer)"))

    @app.post("/<int:number>")
    @transactional
    @inject
    def order(number: int, session: SessionDep) -> str:
        session.execute(text("insert into orders values (:n)"), {"n": number})
        if number > 1:
            halt({"reason": "sold out"}, 409)
        return ""

    with app.running():
        client = app.test_client()
        assert [client.post(f"/{n}").status_code for n in (1, 2)] == [200, 409]
        with app.container.engine().begin() as connection:
            assert connection.scalars(text("select number from orders")).all() == [1]
