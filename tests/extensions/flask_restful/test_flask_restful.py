"""Flask-RESTful: resources, and an API that answers for its errors itself."""

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
from tests.extensions.flask_restful.service import Order

BROWSER = {"Accept": "text/html"}

pytestmark = pytest.mark.filterwarnings(
    # The extension's own, on today's Flask.
    "ignore::DeprecationWarning:flask_restful.*",
)


def test_resource(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """A method under ``marshal_with`` is injected, and its row is committed."""
    response = client.post("/orders", json={"product": "tea"})
    check_observed(app, spans, "POST", "/orders", 201)

    assert (response.status_code, response.json) == (201, {"id": 1, "product": "tea"})
    assert committed(select(Order.product)) == ["tea"]
    assert client.get("/orders/1").json == {"product": "tea"}
    check_observed(app, spans, "GET", "/orders/<int:number>", 200)


@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["client", "browser"])
def test_own_format_of_errors(
    app: Flask, client: Any, spans: Any, headers: Any
) -> None:
    """The API's errors are in its own format, for browsers too."""
    invalid = client.post("/orders", json={}, headers=headers)
    refused = client.post("/orders", json={"product": "gone"}, headers=headers)
    missing = client.get("/orders/7", headers=headers)
    check_observed(app, spans, "GET", "/orders/<int:number>", 404)

    assert (invalid.status_code, list(invalid.json)) == (400, ["message"])
    assert refused.json == {"message": "Sold out.", "product": "gone"}
    assert missing.json == {"message": "There is no such order."}
    assert client.put("/orders", headers=headers).json == {
        "message": "The method is not allowed for the requested URL."
    }


def test_errors_outside_of_the_api(client: Any) -> None:
    """The kit answers for other paths: details for a client, a page for browsers."""
    details, page = client.get("/pages/x"), client.get("/pages/x", headers=BROWSER)

    assert details.json["title"] == "Not Found"
    assert (page.status_code, page.mimetype) == (404, "text/html")


@pytest.mark.parametrize(
    ("product", "status"), [("gone", 409), ("halted", 410), ("broken", 500)]
)
def test_error_rolls_back(
    app: Flask, client: Any, spans: Any, committed: Any, product: str, status: int
) -> None:
    """A view that raises leaves no row, though the API answers for the error."""
    response = client.post("/orders", json={"product": product})

    assert response.status_code == status
    assert committed(select(Order.id)) == []
    check_observed(
        app, spans, "POST", "/orders", status, "LookupError" if status == 500 else ""
    )


def test_halt(client: Any) -> None:
    """``halt`` ends the method of a resource with its own answer."""
    response = client.post("/orders", json={"product": "halted"})

    assert response.json == {"reason": "Sold out."}
