"""HTTP errors as problem details (RFC 9457)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Blueprint, Response, abort
from markupsafe import Markup
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, NotFound, Unauthorized

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


def test_halt_with_a_status_reaches_the_own_handler(app: modern_flask.App) -> None:
    """A handler of the service answers for ``halt(404)``, not for ``halt({...}, 404)``.

    The latter is an answer already.
    """
    app.register_error_handler(404, lambda error: ("own", 404))
    app.add_url_rule("/status", "status", lambda: halt(404))
    app.add_url_rule("/answer", "answer", lambda: halt({"no": 1}, 404))
    client = app.test_client()

    assert client.get("/status").text == "own"
    assert client.get("/answer").json == {"no": 1}


@pytest.mark.parametrize("kind", [409, HTTPException, Exception])
@pytest.mark.parametrize("trap", [False, True])
def test_halt_is_no_error_of_the_service(
    app: modern_flask.App, kind: Any, trap: bool
) -> None:
    """No error handler of the service gets an answer that ``halt`` carries."""
    app.config["TRAP_HTTP_EXCEPTIONS"] = trap
    if not trap:
        app.register_error_handler(kind, lambda error: ("own", 500))
    app.add_url_rule("/", "view", lambda: halt({"reason": "sold out"}, 409))

    response = app.test_client().get("/")

    assert (response.status_code, response.json) == (409, {"reason": "sold out"})


def test_halt_with_a_status_of_ones_own(answer: Any) -> None:
    """A status that HTTP does not define becomes problem details, too."""
    assert answer(lambda: halt(599)).json["title"] == "Error"


@pytest.mark.filterwarnings("ignore::DeprecationWarning:flask_restful.*")
def test_halt_in_a_resource(app: modern_flask.App) -> None:
    """The answer of ``halt`` reaches the client though Flask-RESTful handles errors."""
    import flask_restful

    api = flask_restful.Api(app)

    class Orders(flask_restful.Resource):  # type: ignore[misc]
        def get(self) -> None:
            halt({"reason": "sold out"}, 409)

    api.add_resource(Orders, "/orders")

    response = app.test_client().get("/orders")

    assert (response.status_code, response.json) == (409, {"reason": "sold out"})


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


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ACCEPTS = [
    (BROWSER, "text/html"),
    ("text/html", "text/html"),
    ("text/html, */*", "text/html"),
    ("text/html, application/json;q=0.9", "text/html"),
    ("text/html, application/problem+json;q=0.1", "text/html"),
    (None, "application/problem+json"),
    ("", "application/problem+json"),
    ("*/*", "application/problem+json"),
    ("application/json, text/plain, */*", "application/problem+json"),
    ("application/problem+json, text/html", "application/problem+json"),
    ("application/json, text/html", "application/problem+json"),
    ("text/html;q=0.5, application/json", "application/problem+json"),
    ("text/html;q=0, */*", "application/problem+json"),
    ("image/png", "application/problem+json"),
    ("no media type", "application/problem+json"),
]


@pytest.mark.parametrize(("accept", "kind"), ACCEPTS)
def test_client_chooses(app: modern_flask.App, accept: str | None, kind: str) -> None:
    """A client that prefers HTML to JSON gets a page, every other one the details."""
    headers = {} if accept is None else {"Accept": accept}

    response = app.test_client().get("/nowhere", headers=headers)

    assert (response.status_code, response.mimetype) == (404, kind)
    assert response.headers["Vary"] == "Accept"


def get_page(app: modern_flask.App, path: str = "/", **options: Any) -> Any:
    headers = {"Accept": BROWSER, **options.pop("headers", {})}
    return app.test_client().open(path, headers=headers, **options)


def test_page(app: modern_flask.App) -> None:
    """The page has status, title, detail and trace, no script, and the error's headers.

    ``Vary`` keeps a cache from giving it to other clients.
    """
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    app.add_url_rule("/", "view", lambda: "", methods=["POST"])

    response = get_page(
        app, headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    )

    assert response.content_type == "text/html; charset=utf-8"
    assert response.text.startswith("<!doctype html>")
    assert "<h1>405 Method Not Allowed</h1>" in response.text
    assert "<p>The method is not allowed for the requested URL.</p>" in response.text
    assert trace_id in response.text
    assert "<script" not in response.text
    assert " style=" not in response.text
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert response.headers["Vary"] == "Accept"


ATTACK = "<script>alert('x')</script>"


@pytest.mark.parametrize("text", [ATTACK, Markup(ATTACK)], ids=["text", "markup"])
def test_page_escapes(app: modern_flask.App, text: str) -> None:
    """HTML in the description of ``abort`` is text, even if it is marked as safe."""
    app.add_url_rule("/", "view", lambda: abort(409, text))

    page = get_page(app).text

    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page


def test_page_of_an_unexpected_error(app: modern_flask.App) -> None:
    """The page does not show the text of an unexpected error."""

    def view() -> str:
        raise ValueError("password=hidden")

    app.add_url_rule("/", "view", view)

    response = get_page(app)

    assert response.status_code == 500
    assert "<h1>500 Internal Server Error</h1>" in response.text
    assert "hidden" not in response.text


def test_page_of_a_head_request(app: modern_flask.App) -> None:
    """HEAD gets the headers of the page and no body."""
    page = get_page(app, "/nowhere")
    head = get_page(app, "/nowhere", method="HEAD")

    assert (head.status_code, head.mimetype, head.text) == (404, "text/html", "")
    assert head.headers["Content-Length"] == page.headers["Content-Length"]


def test_page_for_halt(app: modern_flask.App) -> None:
    """``halt(404)`` gives the page, and ``problem`` stays JSON for every client."""
    app.add_url_rule("/halt", "halt", lambda: halt(410))
    app.add_url_rule("/problem", "problem", lambda: problem(410))

    assert get_page(app, "/halt").mimetype == "text/html"
    assert get_page(app, "/problem").mimetype == "application/problem+json"


@pytest.mark.parametrize("place", ["app", "blueprint"])
@pytest.mark.parametrize("kind", [404, NotFound, HTTPException, Exception])
def test_own_handler_wins_over_the_page(
    app: modern_flask.App, place: str, kind: Any
) -> None:
    """A handler of the app or blueprint, for a code or any class, answers instead."""
    shop = Blueprint("shop", __name__)
    shop.add_url_rule("/", "view", lambda: abort(404))
    owner = app if place == "app" else shop
    owner.register_error_handler(kind, lambda error: ("own", 404))
    app.register_blueprint(shop)

    assert get_page(app).text == "own"


def test_debugger_gets_its_errors(app: modern_flask.App) -> None:
    """Werkzeug's debugger, and a test that propagates, see the error itself."""
    app.config["PROPAGATE_EXCEPTIONS"] = True

    def view() -> str:
        raise ValueError("seen")

    app.add_url_rule("/", "view", view)

    with pytest.raises(ValueError, match="seen"):
        get_page(app)


class Lazy:
    """A text that is translated when it is used, as Flask-Babel's."""

    def __str__(self) -> str:
        return "没有库存"


def test_lazy_description(app: modern_flask.App) -> None:
    """A description may be any object with a text."""
    app.add_url_rule("/", "view", lambda: abort(409, Lazy()))

    assert app.test_client().get("/").json["detail"] == "没有库存"  # type: ignore[index]
    assert "<p>没有库存</p>" in get_page(app).text
