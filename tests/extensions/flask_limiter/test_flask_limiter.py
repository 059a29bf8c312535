"""Flask-Limiter: limits of a view, of a class and of the whole service."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from sqlalchemy import select

import modern_flask
from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.flask_limiter.service import Order, limiter


@pytest.fixture(autouse=True)
def fresh(app: Flask) -> None:
    """No request of an earlier test counts."""
    limiter.reset()


def test_limit_of_a_view(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """The second order of an hour is a 429 with the limit's text. It stores nothing."""
    first = client.post("/orders/tea")
    check_observed(app, spans, "POST", "/orders/<product>", 201)
    second = client.post("/orders/tea")
    check_observed(app, spans, "POST", "/orders/<product>", 429)

    assert first.status_code == 201
    assert second.status_code == 429
    assert second.json["title"] == "Too Many Requests"
    assert second.json["detail"] == "One order an hour."
    assert int(second.headers["Retry-After"]) > 3500
    assert committed(select(Order.product)) == ["tea"]


def test_page_of_a_browser(client: Any) -> None:
    """A browser gets a page, with the headers of the limit."""
    client.post("/orders/tea")

    page = client.post("/orders/tea", headers={"Accept": "text/html"})

    assert (page.status_code, page.mimetype) == (429, "text/html")
    assert "One order an hour." in page.text
    assert page.headers["X-RateLimit-Remaining"] == "0"


def test_limit_of_a_class(app: Flask, client: Any, spans: Any) -> None:
    """``decorators`` of a class-based view stand over its injected methods."""
    answers = [client.get("/stock/tea").status_code for _ in range(3)]

    assert answers == [200, 200, 429]
    check_observed(app, spans, "GET", "/stock/<product>", 429)


def test_default_limit(client: Any) -> None:
    """The limit of the configuration counts for a view without one of its own.

    The kit's pages are not counted: ``test_pages_answer`` asks four times.
    """
    assert [client.get("/orders").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_own_answer(app: Flask, client: Any) -> None:
    """A handler of the service for 429 wins."""
    app.register_error_handler(429, lambda error: ("own", 429))
    client.post("/orders/tea")

    assert client.post("/orders/tea", headers={"Accept": "text/html"}).text == "own"


def test_limits_in_redis(redis_url: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Two processes of the service count together in Redis."""
    monkeypatch.chdir(tmp_path)

    def serve() -> Flask:
        app = modern_flask.create_app("shop", config={"REDIS_URL": redis_url})
        shared = Limiter(
            get_remote_address, app=app, storage_uri=app.config["REDIS_URL"]
        )
        app.add_url_rule("/", "index", shared.limit("1 per hour")(lambda: "fine"))
        return app

    answers = [serve().test_client().get("/").status_code for _ in range(2)]

    assert answers == [200, 429]
