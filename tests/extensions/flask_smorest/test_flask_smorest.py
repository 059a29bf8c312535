"""flask-smorest: schemas for arguments and answers, and its own errors."""

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
from tests.extensions.flask_smorest.service import Order

TEA = {"product": "tea", "pieces": 2}
BROWSER = {"Accept": "text/html"}


def test_validated_order(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """The view gets the validated arguments and the session, its row is committed."""
    response = client.post("/orders", json=TEA)

    assert (response.status_code, response.json) == (201, {"id": 1, **TEA})
    assert committed(select(Order.pieces)) == [2]
    check_observed(app, spans, "POST", "/orders", 201)


def test_function_view(app: Flask, client: Any, spans: Any) -> None:
    """A function under the blueprint's decorators is injected too."""
    client.post("/orders", json=TEA)

    assert client.get("/orders/1").json == {"id": 1, **TEA}
    check_observed(app, spans, "GET", "/orders/<int:number>", 200)


@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["client", "browser"])
def test_own_format_of_errors(
    app: Flask, client: Any, spans: Any, headers: Any
) -> None:
    """Validation and ``abort`` are answered in smorest's format, for browsers too."""
    invalid = client.post("/orders", json={"product": "tea"}, headers=headers)
    refused = client.post("/orders", json={**TEA, "product": "gone"}, headers=headers)
    missing = client.get("/orders/7", headers=headers)

    assert invalid.status_code == 422
    assert "pieces" in invalid.json["errors"]["json"]
    assert refused.json == {
        "code": 409,
        "status": "Conflict",
        "message": "Sold out.",
        "errors": {"product": "gone"},
    }
    assert missing.json == {"code": 404, "status": "Not Found"}
    check_observed(app, spans, "GET", "/orders/<int:number>", 404)


@pytest.mark.parametrize("product", ["gone", "broken"])
def test_error_rolls_back(
    app: Flask, client: Any, spans: Any, committed: Any, product: str
) -> None:
    """A view that raises leaves no row, though smorest answers for the error."""
    status = client.post("/orders", json={**TEA, "product": product}).status_code

    assert committed(select(Order.id)) == []
    check_observed(
        app, spans, "POST", "/orders", status, "LookupError" if status == 500 else ""
    )


def test_answers_of_the_kit(client: Any) -> None:
    """``halt`` and ``problem`` answer as they do without smorest."""
    halted, problem = client.delete("/orders/1"), client.delete("/orders/2")

    assert (halted.status_code, halted.json) == (405, {"reason": "Orders are kept."})
    assert problem.mimetype == "application/problem+json"


def test_description(client: Any) -> None:
    """The OpenAPI description has the service's paths, without the kit's."""
    description = client.get("/openapi.json").json

    assert set(description["paths"]) == {"/orders", "/orders/{number}"}
    assert "session" not in str(description)
