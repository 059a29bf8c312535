"""Flask-WTF: forms with a token against forged requests."""

import re
from typing import Any

from flask import Flask
from flask_wtf.csrf import CSRFError
from sqlalchemy import select

from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.flask_wtf.service import Order


def send(client: Any, **fields: Any) -> Any:
    """Send the form as a browser does, with the token of its page."""
    token = re.search(
        r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/orders").text
    )
    assert token is not None
    return client.post("/orders", data={"csrf_token": token[1], **fields})


def test_form_is_stored(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """A valid form with its token is committed."""
    response = send(client, product="tea", pieces=2)

    assert (response.status_code, response.json) == (201, {"product": "tea"})
    assert committed(select(Order.pieces)) == [2]
    check_observed(app, spans, "POST", "/orders", 201)


def test_invalid_form(client: Any, committed: Any) -> None:
    """The view answers for an invalid form itself."""
    response = send(client, product="tea", pieces=0)

    assert (response.status_code, response.mimetype) == (422, "text/html")
    assert committed(select(Order.id)) == []


def test_error_rolls_back(client: Any, committed: Any) -> None:
    """An order that is refused after the form was read is rolled back."""
    assert send(client, product="gone", pieces=1).status_code == 409

    assert committed(select(Order.id)) == []


def test_missing_token(app: Flask, client: Any, spans: Any) -> None:
    """A request without a token is a 400 that says so: a page for a browser."""
    order = {"product": "tea", "pieces": 2}

    response = client.post("/orders", data=order)
    page = client.post("/orders", data=order, headers={"Accept": "text/html"})

    assert response.status_code == page.status_code == 400
    assert response.json["detail"] == "The CSRF token is missing."
    assert "<p>The CSRF token is missing.</p>" in page.text
    check_observed(app, spans, "POST", "/orders", 400)


def test_own_handler_of_a_missing_token(app: Flask, client: Any) -> None:
    """A handler of the service for CSRFError wins."""
    app.register_error_handler(CSRFError, lambda error: (error.description, 403))

    response = client.post("/orders", headers={"Accept": "text/html"})

    assert (response.status_code, response.text) == (403, "The CSRF token is missing.")


def test_exempt_view(client: Any, committed: Any) -> None:
    """``csrf.exempt`` knows the view under the kit's decorators."""
    assert client.post("/hooks/tea").status_code == 201

    assert committed(select(Order.product)) == ["tea"]
