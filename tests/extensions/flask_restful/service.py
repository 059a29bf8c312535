"""A shop with an API of Flask-RESTful and a page beside it."""

from typing import Any

from flask import Blueprint, Flask
from flask_restful import Api, Resource, abort, fields, marshal_with, reqparse
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, halt, inject, transactional

CONFIG: dict[str, Any] = {}

pages = Blueprint("pages", __name__)
parser = reqparse.RequestParser()
parser.add_argument("product", required=True, location="json")


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]


class OrderList(Resource):  # type: ignore[misc]
    @marshal_with({"id": fields.Integer, "product": fields.String})
    @transactional
    @inject
    def post(self, session: SessionDep) -> Any:
        order = Order(product=parser.parse_args()["product"])
        session.add(order)
        session.flush()
        if order.product == "gone":
            abort(409, message="Sold out.", product=order.product)
        if order.product == "halted":
            halt({"reason": "Sold out."}, 410)
        if order.product == "broken":
            raise LookupError("secret")
        return order, 201


class OrderItem(Resource):  # type: ignore[misc]
    method_decorators = [transactional]  # noqa: RUF012

    @inject
    def get(self, number: int, session: SessionDep) -> Any:
        found = session.get(Order, number)
        if found is None:
            abort(404, message="There is no such order.")
        return {"product": found.product}


@pages.get("/pages/<int:number>")
def page(number: int) -> str:
    return f"page {number}"


def extend(app: Flask) -> None:
    api = Api(app)
    api.add_resource(OrderList, "/orders")
    api.add_resource(OrderItem, "/orders/<int:number>")
    app.register_blueprint(pages)
