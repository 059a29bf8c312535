"""``cached`` over the views of an app: which answers are kept, and how."""

from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
from flask import Response, jsonify, make_response, request, session

from modern_flask import cached
from modern_flask.redis import NotCacheable


def make_typeless() -> Response:
    response = Response("tea")
    del response.headers["Content-Type"]
    return response


RESPONSES: dict[str, Callable[[], Any]] = {
    "jsonify": lambda: jsonify(a=[1, "ü"]),
    "response": lambda: Response("ü", content_type="text/x-tea; charset=utf-8"),
    "make_response": lambda: make_response("tea", 200, {"X-Tea": "green"}),
    "bytes": lambda: b"\x00\xff",
    "text": lambda: "ü",
    "list": lambda: [1, 2],
    "tuple": lambda: ({"a": 1}, 200, {"X-Tea": "green"}),
    "tuple of bytes": lambda: (b"\xff", [("X-Tea", "a"), ("X-Tea", "b")]),
    "tuple of a response": lambda: (jsonify(a=1), {"X-Tea": "green"}),
    "headers": lambda: ("a", flask.Response(headers={"X-Tea": "b"}).headers),
    "etag": lambda: Response("a", headers={"ETag": '"x"', "Cache-Control": "public"}),
    "no type": make_typeless,
    "two of a name": lambda: Response("a", headers=[("Link", "a"), ("Link", "b")]),
}


def read_headers(response) -> tuple[tuple[str, str], ...]:
    """All headers but the trace's id, which another test may have switched on."""
    found = (each for each in response.headers if each[0] != "traceresponse")
    return tuple(sorted(found))


@pytest.mark.parametrize("name", RESPONSES)
def test_answers_are_restored(app, web, number, name) -> None:
    """Status, headers and body of a kept answer are those of the view."""
    app.get("/plain", endpoint="plain")(lambda: RESPONSES[name]())

    @app.get("/")
    @cached(60)
    def show() -> Any:
        number()
        return RESPONSES[name]()

    answers = [web.get(path, buffered=True) for path in ("/plain", "/", "/")]

    assert len({(each.status, each.data) for each in answers}) == 1
    assert len({read_headers(each) for each in answers}) == 1
    assert number() == 2


def test_headers_of_one_connection_are_not_kept(app, web) -> None:
    """RFC 9110, section 7.6.1: a cache does not keep them."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        return Response("a", headers={"Keep-Alive": "timeout=5", "X-Tea": "green"})

    headers = web.get("/").headers

    assert "Keep-Alive" not in headers
    assert headers["X-Tea"] == "green"


def stream() -> Iterator[str]:
    yield "tea"


def set_session() -> Any:
    session["user"] = "ann"
    return "tea"


def call_later() -> Any:
    @flask.after_this_request
    def add(response: Response) -> Response:
        response.set_cookie("a", "b")
        return response

    return "tea"


def set_cookie() -> Any:
    response = Response("tea")
    response.set_cookie("a", "b")
    return response


NOT_KEPT: dict[str, Callable[[], Any]] = {
    "404": lambda: ("none", 404),
    "status in text": lambda: ("tea", "201 CREATED"),
    "response": lambda: Response("tea", 500),
    "redirect": lambda: flask.redirect("/elsewhere"),
    "tuple of a response": lambda: (jsonify(a=1), 202),
    "stream": lambda: stream(),
    "stream in a response": lambda: Response(stream()),
    "stream in a tuple": lambda: (stream(), 200),
    "file": lambda: flask.send_file(__file__),
    "no-store": lambda: Response("tea", headers={"Cache-Control": "no-store"}),
    "private": lambda: ("tea", {"Cache-Control": "private, max-age=60"}),
    "set-cookie": set_cookie,
    "set-cookie in a tuple": lambda: ("tea", {"Set-Cookie": "a=b"}),
    "vary": lambda: ("tea", {"Vary": "Accept-Encoding"}),
    "vary on all": lambda: Response("tea", headers={"Vary": "*"}),
    "session": set_session,
    "after_this_request": call_later,
}


@pytest.mark.parametrize("name", NOT_KEPT)
def test_answers_that_are_not_kept(app, web, number, name) -> None:
    """They reach the client as the view made them, and each request runs the view."""
    app.get("/plain", endpoint="plain")(lambda: NOT_KEPT[name]())

    @app.get("/")
    @cached(60, by=lambda: None)
    def show() -> Any:
        number()
        return NOT_KEPT[name]()

    answers = [web.get(path, buffered=True) for path in ("/plain", "/", "/")]

    assert len({(each.status, each.data) for each in answers}) == 1
    assert len({read_headers(each) for each in answers}) == 1
    assert number() == 3


def test_answer_is_kept_once_it_may_be(app, web, number) -> None:
    """A page that was missing is kept as soon as it exists."""

    @app.get("/")
    @cached(60)
    def show() -> Any:
        call = number()
        return ({"call": call}, 404) if call == 1 else {"call": call}

    answers = [web.get("/") for _ in range(3)]

    assert [each.status_code for each in answers] == [404, 200, 200]
    assert [each.json["call"] for each in answers] == [1, 2, 2]


def test_streamed_response_of_a_function_is_an_error(app) -> None:
    """A function that is not a view gets an error about what can't be kept."""

    @cached(60, "page")
    def make() -> Any:
        return Response(stream())

    with (
        app.test_request_context(),
        pytest.raises(NotCacheable, match="the body of the response is streamed"),
    ):
        make()


@pytest.mark.parametrize("answer", [("tea", 200), b"tea", jsonify])
def test_plain_json_keeps_only_plain_answers(app, web, number, caplog, answer) -> None:
    """What plain JSON can't restore is sent as it is, and not kept."""

    @app.get("/")
    @cached(60, "page", by_arguments=False)
    def show() -> Any:
        number()
        return answer() if callable(answer) else answer

    answers = [web.get("/") for _ in range(2)]

    assert answers[0].data == answers[1].data
    assert number() == 3
    assert "by_arguments=False keeps text, dictionaries and lists." in caplog.text


def test_plain_json_keeps_no_answer_to_a_query(app, web, number, caplog) -> None:
    """The predecessor's key has no query string, so page 2 is never page 1."""

    @app.get("/")
    @cached(60, "page", by_arguments=False)
    def show() -> Any:
        return {"page": request.args.get("page"), "call": number()}

    answers = [web.get(f"/?page={page}").json for page in (1, 2, 1)]

    assert [each["page"] for each in answers] == ["1", "2", "1"]
    assert "read from the request (the query string)" in caplog.text


def test_plain_json_keeps_an_answer_to_all_queries(app, web, number) -> None:
    """A view that does not read the query string has one answer."""

    @app.get("/")
    @cached(60, "page", by_arguments=False)
    def show() -> Any:
        return {"call": number()}

    assert [web.get(f"/?page={page}").json["call"] for page in (1, 2)] == [1, 1]
    assert app.container.redis().get("cache.page") == b'{"call": 1}'
