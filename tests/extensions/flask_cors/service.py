"""A shop whose API is called by pages of another origin."""

from typing import Any

from flask import Blueprint, Flask, abort
from flask_cors import CORS, cross_origin
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, inject, transactional

PAGES = "https://pages.example"
PARTNER = "https://partner.example"
CONFIG: dict[str, Any] = {}

cors = CORS(resources={r"/api/*": {"origins": PAGES}}, supports_credentials=True)
shop = Blueprint("shop", __name__)


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]


@shop.put("/api/orders/<product>")
@transactional
@inject
def order(product: str, session: SessionDep) -> Any:
    session.add(Order(product=product))
    session.flush()
    if product == "gone":
        abort(409, "Sold out.")
    if product == "broken":
        raise LookupError("secret")
    return {"product": product}, 201


@shop.get("/orders")
@cross_origin(origins=PARTNER)
@inject
def count(session: SessionDep) -> Any:
    return {"orders": session.query(Order).count()}


def extend(app: Flask) -> None:
    cors.init_app(app)
    app.register_blueprint(shop)
