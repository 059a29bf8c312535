"""Flask-Admin: its views edit the kit's models in the session of the request."""

from typing import Any

from flask import Flask
from sqlalchemy import select

from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.flask_admin.service import Product


def test_model_is_edited(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """Forms of Flask-Admin make and delete a row, and its list shows it."""
    made = client.post("/admin/product/new/", data={"name": "tea"})
    check_observed(app, spans, "POST", "/admin/product/new/", 302)
    assert made.status_code == 302
    assert committed(select(Product.name)) == ["tea"]

    assert "tea" in client.get("/admin/product/").text
    check_observed(app, spans, "GET", "/admin/product/", 200)
    assert client.get("/products").json == {"products": ["tea"]}

    client.post("/admin/product/delete/", data={"id": "1"})
    assert committed(select(Product.name)) == []


def test_row_that_the_database_refuses(client: Any, committed: Any) -> None:
    """Flask-Admin rolls the request's session back, and shows its form again."""
    client.post("/admin/product/new/", data={"name": "tea"})

    again = client.post("/admin/product/new/", data={"name": "tea"})

    assert again.status_code == 200
    assert "Already exists" in again.text or "Integrity error" in again.text
    assert committed(select(Product.name)) == ["tea"]


def test_own_view_is_injected(app: Flask, client: Any, spans: Any) -> None:
    """``inject`` stands under ``expose``."""
    assert client.get("/admin/report/").text == "0 products"

    check_observed(app, spans, "GET", "/admin/report/", 200)


def test_missing_page(client: Any) -> None:
    """A browser gets the kit's page for an unknown path of the admin."""
    page = client.get("/admin/nowhere/", headers={"Accept": "text/html"})

    assert (page.status_code, page.mimetype) == (404, "text/html")
