"""Flask-Login: who the customer is, from the session of the request."""

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
from tests.extensions.flask_login.service import Customer


@pytest.fixture
def customer(client: Any) -> Any:
    """A client that is logged in."""
    client.post("/customers/ada")
    assert client.post("/login", data={"name": "ada"}).json == {"name": "ada"}
    return client


def test_stranger_is_refused(app: Flask, client: Any, spans: Any) -> None:
    """Without a login the answer is a 401, as problem details or as a page."""
    response = client.post("/visits")

    assert (response.status_code, response.json["title"]) == (401, "Unauthorized")
    check_observed(app, spans, "POST", "/visits", 401)
    page = client.post("/visits", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (401, "text/html")


def test_current_user_belongs_to_the_session(
    app: Flask, customer: Any, spans: Any, committed: Any
) -> None:
    """The loader gets the request's session: a change of the user is committed."""
    visits = [customer.post("/visits").json["visits"] for _ in range(2)]

    assert visits == [1, 2]
    assert committed(select(Customer.visits)) == [2]
    check_observed(app, spans, "POST", "/visits", 200)


def test_error_rolls_the_user_back(customer: Any, committed: Any) -> None:
    """A view that fails loses its change of the current user."""
    assert customer.post("/visits?fail").status_code == 409

    assert committed(select(Customer.visits)) == [0]


def test_logout(customer: Any) -> None:
    """After the logout the client is a stranger."""
    assert customer.post("/logout").status_code == 200

    assert customer.post("/visits").status_code == 401


def test_remembered_customer(client: Any) -> None:
    """The remember cookie brings the customer back without a session."""
    client.post("/customers/ada")
    client.post("/login", data={"name": "ada", "remember": "1"})
    client.delete_cookie("session")

    assert client.post("/visits").json == {"visits": 1}


def test_own_answer_for_strangers(app: Flask, client: Any) -> None:
    """``unauthorized_handler`` wins."""
    manager: Any = app.login_manager  # type: ignore[attr-defined]
    before = manager.unauthorized_callback
    manager.unauthorized_handler(lambda: ("own", 401))
    try:
        assert client.post("/visits").text == "own"
    finally:
        manager.unauthorized_callback = before
