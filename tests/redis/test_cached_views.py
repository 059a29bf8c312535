"""``cached`` over the views of an app: what belongs to the key of an answer."""

from typing import Any

import flask
import pytest
from flask import Flask, g, request
from flask.views import MethodView, View

import modern_flask
from modern_flask import cached
from modern_flask.redis import NotInKey


def test_query_string_belongs_to_the_key(app, web, number) -> None:
    """Page 2 is not answered with page 1, and each is computed once."""

    @app.get("/pages")
    @cached(60)
    def show() -> Any:
        return {"page": request.args.getlist("page"), "call": number()}

    paths = ["/pages", "/pages?page=1", "/pages?page=2", "/pages?page=1&page=2"]
    first = [web.get(path).json for path in paths]
    second = [web.get(path).json for path in paths]

    assert [each["page"] for each in first] == [[], ["1"], ["2"], ["1", "2"]]
    assert second == first


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a=1&b=2", "b=2&a=1", True),
        ("a=1&a=2", "a=2&a=1", False),
        ("a=1", "a=1&a=", False),
        ("a=%C3%BC", "a=ü", True),
        ("a=1&b=2", "a=1%26b%3D2", False),
        ("a", "a=", True),
        ("a=%FF", "a=%FE", False),
    ],
)
def test_queries_that_are_the_same(app, web, number, one, other, same) -> None:
    """The order of names makes no difference, the order of one name's values does."""

    @app.get("/pages")
    @cached(60)
    def show() -> Any:
        return {"call": number()}

    answers = [web.get(f"/pages?{query}").json for query in (one, other)]

    assert (answers[0] == answers[1]) is same


def test_declared_headers_belong_to_the_key(app, web, number) -> None:
    """Each value of a declared header has an answer, and so has its absence."""

    @app.get("/")
    @cached(60, vary=["Accept-Language"])
    def show() -> Any:
        return {"language": request.headers.get("accept-language"), "call": number()}

    def get(**headers: str) -> Any:
        return web.get("/", headers=headers).json

    first = [get(), get(Accept_Language="de"), get(Accept_Language="zh")]
    second = [get(), get(Accept_Language="de"), get(Accept_Language="zh")]

    assert [each["language"] for each in first] == [None, "de", "zh"]
    assert second == first


def test_undeclared_header_is_not_kept(app, web, number, caplog) -> None:
    """A header that the view reads is declared, or makes no difference, or no cache."""

    def view() -> Any:
        return {"for": request.headers.get("X-Tenant"), "call": number()}

    app.get("/no", endpoint="no")(cached(60, "no")(view))
    app.get("/vary", endpoint="vary")(cached(60, "vary", vary="x-tenant")(view))
    app.get("/ignore", endpoint="ignore")(cached(60, "i", ignore=["X-Tenant"])(view))

    def get(path: str, tenant: str) -> Any:
        answer = web.get(path, headers={"X-Tenant": tenant}).json
        return answer["for"], answer["call"]

    assert [get("/no", "a"), get("/no", "b")] == [("a", 1), ("b", 2)]
    assert [get("/vary", each) for each in "aba"] == [("a", 3), ("b", 4), ("a", 3)]
    assert [get("/ignore", each) for each in "ab"] == [("a", 5), ("a", 5)]
    assert caplog.messages == [
        f"cached keeps no result of {__name__}.{view.__qualname__}: the key does not "
        "have what was read from the request (x-tenant); name it with vary= or by=, "
        "or pass it as an argument."
    ]


def test_other_methods_run_the_view(app, web, number, caplog) -> None:
    """A POST is never answered from the cache, and a HEAD is not kept for a GET."""

    @app.route("/", methods=["GET", "POST"])
    @cached(60)
    def show() -> Any:
        body = request.get_json()["a"] if request.method == "POST" else ""
        return {"call": number(), "body": body}

    posted = [web.post("/", json={"a": each}).json for each in "xy"]
    web.head("/")
    got = [web.get("/").json, web.get("/").json]

    assert [each["body"] for each in posted] == ["x", "y"]
    assert got == [{"call": 4, "body": ""}] * 2
    assert caplog.messages == []


def test_view_without_get_is_a_warning(app, web, number, caplog) -> None:
    """``cached`` over a view that answers POST alone has no effect, and says so."""

    @app.post("/")
    @cached(60)
    def keep() -> Any:
        return {"call": number()}

    answers = [web.post("/").json["call"] for _ in range(2)]

    assert answers == [1, 2]
    assert [text.partition(": ")[2] for text in caplog.messages] == [
        "it answers POST, not GET."
    ]


def test_class_based_views_have_queries_too(app, web, number) -> None:
    """A method of a ``MethodView`` is the view of its request, and so is ``View``."""

    class Pages(MethodView):
        @cached(60, "pages", ignore=["self"])
        def get(self) -> Any:
            return {"page": request.args["page"], "call": number()}

    class Page(View):
        decorators = [cached(60, "page")]  # noqa: RUF012

        def dispatch_request(self) -> Any:
            return {"page": request.args["page"], "call": number()}

    app.add_url_rule("/pages", view_func=Pages.as_view("pages"))
    app.add_url_rule("/page", view_func=Page.as_view("page"))
    paths = ["/pages?page=1", "/pages?page=2", "/page?page=1", "/page?page=2"]

    first = [web.get(path).json for path in paths]

    assert [each["page"] for each in first] == ["1", "2", "1", "2"]
    assert [web.get(path).json for path in paths] == first


def test_function_inside_a_view_is_not_the_view(app, web, number) -> None:
    """A function that the view calls has one result for all queries."""

    @cached(60)
    def rate(currency: str) -> int:
        return number()

    @app.get("/")
    def show() -> Any:
        return {"rate": rate("EUR"), "page": request.args.get("page")}

    assert web.get("/?page=1").json == {"rate": 1, "page": "1"}
    assert web.get("/?page=2").json == {"rate": 1, "page": "2"}
    assert rate.key("EUR") == f"cache.{__name__}.{rate.__qualname__}(currency='EUR')"


def test_answer_is_invalidated_by_its_query(app, web, number) -> None:
    """``select`` names the answer to a query; without it, the one without a query."""

    @app.get("/orders/<int:order_id>")
    @cached(60)
    def show(order_id: int) -> Any:
        return {"call": number()}

    def get() -> list[int]:
        paths = ["/orders/7", "/orders/7?page=2&size=5", "/orders/7?tag=a&tag=b"]
        return [web.get(path).json["call"] for path in paths]

    with app.app_context():
        assert get() == [1, 2, 3]
        show.select(query={"size": 5, "page": 2}).invalidate(order_id=7)
        assert get() == [1, 4, 3]
        show.select(query={"tag": ["a", "b"]}).invalidate(7)
        assert get() == [1, 4, 5]
        show.invalidate(order_id=7)
        assert get() == [6, 4, 5]
        show.select(query="page=2&size=5").invalidate(7)
        assert get() == [6, 7, 5]


def test_answer_is_invalidated_by_its_headers(app, web, number) -> None:
    """``select`` names an answer by the declared headers and a result of ``by``."""

    @app.get("/")
    @cached(60, vary=["Accept-Language"], by=lambda: request.headers.get("X-Tenant"))
    def show() -> Any:
        return {"call": number()}

    def get(language: str, tenant: str) -> int:
        headers = {"Accept-Language": language, "X-Tenant": tenant}
        return int(web.get("/", headers=headers).json["call"])

    assert [get("de", "a"), get("de", "b"), get("zh", "a")] == [1, 2, 3]

    with app.app_context():
        show.select(headers={"accept-language": "de"}, by="a").invalidate()

    assert [get("de", "a"), get("de", "b"), get("zh", "a")] == [4, 2, 3]


def test_select_knows_the_key(app) -> None:
    """Naming what the key does not have is an error, not an answer that stays."""

    @cached(60, "page")
    def show() -> Any: ...

    @cached(60, "page", by_arguments=False)
    def plain() -> Any: ...

    with pytest.raises(NotInKey) as raised:
        show.select(headers={"X-Tenant": "a"})
    with pytest.raises(NotInKey, match=r"A value of `by`"):
        show.select(by=1)
    with pytest.raises(NotInKey, match="The query string does not belong"):
        plain.select(query={"page": 1})

    assert str(raised.value) == (
        f"The header X-Tenant does not belong to the key of {__name__}."
        "test_select_knows_the_key.<locals>.show.\n"
        '  fix      declare it with cached(..., vary=["X-Tenant"]), or leave it out'
    )


def test_refresh_follows_the_same_rules(app, web, number) -> None:
    """A refreshed answer is what a request gets; what must not be kept is not."""

    @app.get("/orders/<int:order_id>")
    @cached(60)
    def show(order_id: int) -> Any:
        call = number()
        return ({"call": call}, 404) if order_id == 8 else {"call": call}

    @app.post("/orders/<int:order_id>")
    def change(order_id: int) -> Any:
        show.refresh(order_id)
        return ""

    web.post("/orders/7")
    web.post("/orders/8")

    assert web.get("/orders/7").json == {"call": 1}
    assert web.get("/orders/8").json == {"call": 3}


def test_values_that_a_hook_takes_from_the_url(app, web, number, caplog) -> None:
    """They are no arguments of the view: ``by`` adds them to the key, or no cache."""

    @app.url_value_preprocessor
    def take_language(endpoint: Any, values: Any) -> None:
        g.language = values.pop("language", None)

    def view() -> Any:
        return {"language": g.language, "call": number()}

    app.get("/<language>/no", endpoint="no")(cached(60, "no")(view))
    by = cached(60, "by", by=lambda: g.language)
    app.get("/<language>/by", endpoint="by")(by(view))

    def get(path: str) -> Any:
        answer = web.get(path).json
        return answer["language"], answer["call"]

    assert [get("/de/no"), get("/zh/no")] == [("de", 1), ("zh", 2)]
    assert [get(f"/{name}/by") for name in ("de", "zh", "de")] == [
        ("de", 3),
        ("zh", 4),
        ("de", 3),
    ]
    assert "(language in the URL)" in caplog.text


def test_app_without_cached_functions_keeps_its_request_class() -> None:
    """Only an app whose functions are cached records its requests."""
    app = Flask("shop")
    modern_flask.init_app(app)

    assert app.request_class is flask.Request
