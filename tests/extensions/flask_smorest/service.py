"""A shop whose API is described and validated by flask-smorest."""

from typing import Any

import marshmallow as ma
from flask import Flask
from flask import abort as flask_abort
from flask.views import MethodView
from flask_smorest import Api, Blueprint, abort
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, halt, inject, problem, transactional

CONFIG: dict[str, Any] = {
    "API_TITLE": "Shop",
    "API_VERSION": "v1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "OPENAPI_JSON_PATH": "openapi.json",
}

shop = Blueprint("shop", __name__)


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]
    pieces: Mapped[int]


class OrderSchema(ma.Schema):
    id = ma.fields.Integer(dump_only=True)
    product = ma.fields.String(required=True)
    pieces = ma.fields.Integer(required=True, validate=ma.validate.Range(min=1))


@shop.route("/orders")
class Orders(MethodView):
    @shop.arguments(OrderSchema)
    @shop.response(201, OrderSchema)
    @transactional
    @inject
    def post(self, fields: dict[str, Any], session: SessionDep) -> Order:
        order = Order(**fields)
        session.add(order)
        session.flush()
        if order.product == "gone":
            abort(409, message="Sold out.", errors={"product": order.product})
        if order.product == "broken":
            raise LookupError("secret")
        return order


@shop.route("/orders/<int:number>")
@shop.response(200, OrderSchema)
@inject
def show(number: int, session: SessionDep) -> Order:
    found = session.get(Order, number)
    if found is None:
        flask_abort(404)
    return found


@shop.route("/orders/<int:number>", methods=["DELETE"])
def delete(number: int) -> Any:
    if number == 1:
        halt({"reason": "Orders are kept."}, 405)
    return problem(405, "Orders are kept.")


def extend(app: Flask) -> None:
    Api(app).register_blueprint(shop)
