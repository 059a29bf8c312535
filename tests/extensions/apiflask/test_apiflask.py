"""APIFlask: schemas for input and output, and its own errors."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.extensions.apiflask.service import Order
from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)

TEA = {"product": "tea", "pieces": 2}
BROWSER = {"Accept": "text/html"}


def test_validated_order(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """The view gets the validated input and the session, its row is committed."""
    response = client.post("/orders", json=TEA)

    assert (response.status_code, response.json) == (201, {"id": 1, **TEA})
    assert committed(select(Order.pieces)) == [2]
    check_observed(app, spans, "POST", "/orders", 201)


def test_class_based_view(app: Flask, client: Any, spans: Any) -> None:
    """Methods of a class-based view are injected under APIFlask's decorators."""
    client.post("/orders", json=TEA)

    changed = client.patch("/orders/1?pieces=5")

    assert changed.json == client.get("/orders/1").json == {**TEA, "id": 1, "pieces": 5}
    check_observed(app, spans, "GET", "/orders/<int:number>", 200)


@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["client", "browser"])
def test_own_format_of_errors(
    app: Flask, client: Any, spans: Any, headers: Any
) -> None:
    """Validation and ``abort`` are answered in APIFlask's format, for browsers too."""
    invalid = client.post("/orders", json={"product": "tea"}, headers=headers)
    refused = client.post("/orders", json={**TEA, "product": "gone"}, headers=headers)
    missing = client.get("/orders/7", headers=headers)

    assert (invalid.status_code, invalid.json["message"]) == (422, "Validation error")
    assert "pieces" in invalid.json["detail"]["json"]
    assert refused.json == {"detail": {}, "message": "Sold out.", "product": "gone"}
    assert missing.json == {"detail": {}, "message": "Not Found"}
    assert missing.mimetype == "application/json"
    check_observed(app, spans, "GET", "/orders/<int:number>", 404)


def test_token(app: Flask, client: Any, spans: Any) -> None:
    """The function that verifies a token is injected with the request's session."""
    client.post("/orders", json=TEA)

    known = client.get("/own", headers={"Authorization": "Bearer 1"})
    stranger = client.get("/own", headers=BROWSER)

    assert known.json == {"id": 1, **TEA}
    assert (stranger.status_code, stranger.mimetype) == (401, "application/json")
    check_observed(app, spans, "GET", "/own", 401)


@pytest.mark.parametrize("product", ["gone", "broken"])
def test_error_rolls_back(
    app: Flask, client: Any, spans: Any, committed: Any, product: str
) -> None:
    """A view that raises leaves no row, though APIFlask answers for the error."""
    status = client.post("/orders", json={**TEA, "product": product}).status_code

    assert committed(select(Order.id)) == []
    check_observed(
        app, spans, "POST", "/orders", status, "LookupError" if status == 500 else ""
    )


def test_halt(client: Any) -> None:
    """``halt`` ends a view with its own answer."""
    response = client.delete("/orders/1")

    assert (response.status_code, response.json) == (
        405,
        {"reason": "Orders are kept."},
    )


def test_description(client: Any) -> None:
    """The OpenAPI description has the service's paths and schemas, without the kit's.

    Injected parameters are not in it.
    """
    description = client.get("/openapi.json").json

    assert set(description["paths"]) == {"/orders", "/orders/{number}", "/own"}
    assert "session" not in str(description)
