"""A shop that limits how often it is asked."""

from typing import Any

from flask import Blueprint, Flask
from flask.views import MethodView
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, inject, transactional

CONFIG: dict[str, Any] = {
    "RATELIMIT_DEFAULT": "3 per hour",
    "RATELIMIT_STORAGE_URI": "memory://",
    "RATELIMIT_HEADERS_ENABLED": True,
}

limiter = Limiter(get_remote_address)
shop = Blueprint("shop", __name__)


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]


@shop.post("/orders/<product>")
@limiter.limit("1 per hour", error_message="One order an hour.")
@transactional
@inject
def order(product: str, session: SessionDep) -> Any:
    session.add(Order(product=product))
    return {"product": product}, 201


@shop.get("/orders")
@inject
def count(session: SessionDep) -> Any:
    return {"orders": session.query(Order).count()}


class Stock(MethodView):
    decorators = [limiter.limit("2 per hour")]  # noqa: RUF012

    @inject
    def get(self, product: str, session: SessionDep) -> Any:
        return {"sold": session.query(Order).filter_by(product=product).count()}


shop.add_url_rule("/stock/<product>", view_func=Stock.as_view("stock"))


def extend(app: Flask) -> None:
    limiter.init_app(app)
    app.register_blueprint(shop)
