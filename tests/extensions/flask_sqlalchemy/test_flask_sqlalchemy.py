"""Flask-SQLAlchemy: its models and the kit's share metadata, engine and database."""

from typing import Any

from flask import Flask
from sqlalchemy import select

from modern_flask import ModelBase, get_container
from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.flask_sqlalchemy.service import Order, Product, db


def test_metadata_is_shared() -> None:
    """The tables of both are in one metadata, so foreign keys cross over."""
    assert db.metadata is ModelBase.metadata
    assert {"product", "orders"} <= set(ModelBase.metadata.tables)


def test_both_sessions(app: Flask, client: Any, spans: Any, committed: Any) -> None:
    """What ``db.session`` committed, the request's session finds, and vice versa."""
    assert client.post("/products/tea").status_code == 201
    assert client.post("/orders/tea").status_code == 201
    check_observed(app, spans, "POST", "/orders/<name>", 201)
    assert client.post("/orders/milk").status_code == 201

    assert client.get("/products/2").json == {"name": "milk", "count": 2}
    assert committed(select(Order.product_id)) == [1, 2]


def test_one_engine(app: Flask, client: Any, spans: Any) -> None:
    """Statements of ``db.session`` run on the kit's engine, and so they are traced."""
    client.post("/products/tea")
    spans.clear()

    client.get("/products/1")

    names = [span.name for span in spans.get_finished_spans()]
    assert sum(name.startswith("SELECT") for name in names) == 2
    with app.app_context():
        assert db.session.connection().engine is get_container(app).engine()


def test_missing_row(client: Any) -> None:
    """``get_or_404`` is answered with problem details, or with a page."""
    response = client.get("/products/7")
    page = client.get("/products/7", headers={"Accept": "text/html"})

    assert (response.status_code, response.json["title"]) == (404, "Not Found")
    assert (page.status_code, page.mimetype) == (404, "text/html")


def test_error_rolls_back(client: Any, committed: Any) -> None:
    """Both rows of a view that fails are rolled back."""
    assert client.post("/orders/gone").status_code == 409

    assert committed(select(Product.id)) == committed(select(Order.id)) == []
