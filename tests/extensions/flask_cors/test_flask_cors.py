"""Flask-CORS: pages of another origin read answers and errors."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.flask_cors.service import PAGES, PARTNER, Order

ALLOWED = "Access-Control-Allow-Origin"


def test_call_of_a_page(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """A page of the allowed origin may read the answer, another one may not."""
    response = client.put("/api/orders/tea", headers={"Origin": PAGES})
    check_observed(app, spans, "PUT", "/api/orders/<product>", 201)
    other = client.put("/api/orders/tea", headers={"Origin": PARTNER})

    assert response.headers[ALLOWED] == PAGES
    assert ALLOWED not in other.headers
    assert committed(select(Order.product)) == ["tea", "tea"]


def test_preflight(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """The preflight request is answered without the view, and under its rule."""
    response = client.options(
        "/api/orders/tea",
        headers={"Origin": PAGES, "Access-Control-Request-Method": "PUT"},
    )

    assert (response.status_code, response.headers[ALLOWED]) == (200, PAGES)
    assert "PUT" in response.headers["Access-Control-Allow-Methods"]
    assert committed(select(Order.id)) == []
    check_observed(app, spans, "OPTIONS", "/api/orders/<product>", 200)


@pytest.mark.parametrize(("product", "status"), [("gone", 409), ("broken", 500)])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_page_reads_errors(
    app: Flask,
    client: Any,
    spans: Any,
    committed: Any,
    product: str,
    status: int,
    accept: str,
) -> None:
    """Errors have the headers too. A cache tells both origins and types apart."""
    response = client.put(
        f"/api/orders/{product}", headers={"Origin": PAGES, "Accept": accept}
    )

    assert (response.status_code, response.headers[ALLOWED]) == (status, PAGES)
    assert response.is_json == (accept == "*/*")
    assert "Accept" in response.vary
    assert committed(select(Order.id)) == []
    error = "LookupError" if status == 500 else ""
    check_observed(app, spans, "PUT", "/api/orders/<product>", status, error)


def test_unknown_path(client: Any) -> None:
    """A 404 of the API can be read too."""
    response = client.get("/api/nowhere", headers={"Origin": PAGES})

    assert (response.status_code, response.headers[ALLOWED]) == (404, PAGES)
    assert response.json["title"] == "Not Found"


def test_decorator(app: Flask, client: Any, spans: Any) -> None:
    """``cross_origin`` stands over ``inject``."""
    response = client.get("/orders", headers={"Origin": PARTNER})

    assert (response.json, response.headers[ALLOWED]) == ({"orders": 0}, PARTNER)
    check_observed(app, spans, "GET", "/orders", 200)
