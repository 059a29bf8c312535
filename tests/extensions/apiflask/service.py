"""A shop whose API is described and validated by APIFlask."""

from typing import Any

from apiflask import APIBlueprint, APIFlask, HTTPTokenAuth, Schema, abort
from apiflask.fields import Integer, String
from apiflask.validators import Range
from flask import abort as flask_abort
from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, halt, inject, transactional

CONFIG: dict[str, Any] = {}
APP_CLASS = APIFlask

auth = HTTPTokenAuth()
shop = APIBlueprint("shop", __name__)


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]
    pieces: Mapped[int]


class OrderIn(Schema):
    product = String(required=True)
    pieces = Integer(required=True, validate=Range(min=1))


class OrderOut(OrderIn):
    id = Integer()


@shop.post("/orders")
@shop.input(OrderIn)
@shop.output(OrderOut, status_code=201)
@transactional
@inject
def place(json_data: dict[str, Any], session: SessionDep) -> Any:
    order = Order(**json_data)
    session.add(order)
    session.flush()
    if order.product == "gone":
        abort(409, "Sold out.", extra_data={"product": order.product})
    if order.product == "broken":
        raise LookupError("secret")
    return order


@auth.verify_token
@inject
def find_customer(token: str, session: SessionDep) -> Any:
    # A customer's token is the number of an order of theirs.
    return session.get(Order, int(token)) if token else None


@shop.get("/own")
@shop.auth_required(auth)
@shop.output(OrderOut)
@inject
def show_own(session: SessionDep) -> Any:
    assert auth.current_user in session
    return auth.current_user


class OrderView(MethodView):
    @shop.output(OrderOut)
    @inject
    def get(self, number: int, session: SessionDep) -> Any:
        found = session.get(Order, number)
        if found is None:
            flask_abort(404, "There is no such order.")
        return found

    @shop.input(OrderIn(partial=True), location="query", arg_name="changes")
    @shop.output(OrderOut)
    @transactional
    @inject
    def patch(self, number: int, changes: dict[str, Any], session: SessionDep) -> Any:
        found = session.scalars(select(Order).filter_by(id=number)).one()
        for name, value in changes.items():
            setattr(found, name, value)
        return found

    def delete(self, number: int) -> Any:
        halt({"reason": "Orders are kept."}, 405)


shop.add_url_rule("/orders/<int:number>", view_func=OrderView.as_view("order"))


def extend(app: APIFlask) -> None:
    app.register_blueprint(shop)
