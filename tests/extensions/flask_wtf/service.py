"""A shop whose orders come from an HTML form, and from a machine without a token."""

from typing import Any

from flask import Blueprint, Flask, abort, render_template_string
from flask_wtf import CSRFProtect, FlaskForm
from sqlalchemy.orm import Mapped, mapped_column
from wtforms import IntegerField, StringField
from wtforms.validators import DataRequired, NumberRange

from modern_flask import ModelBase, SessionDep, inject, transactional

CONFIG: dict[str, Any] = {}

csrf = CSRFProtect()
shop = Blueprint("shop", __name__)

PAGE = """
<form method="post">{{ form.csrf_token }} {{ form.product }} {{ form.pieces }}
{% for error in form.errors %}<p>{{ error }}</p>{% endfor %}</form>
"""


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]
    pieces: Mapped[int]


class OrderForm(FlaskForm):  # type: ignore[misc]
    product = StringField(validators=[DataRequired()])
    pieces = IntegerField(validators=[NumberRange(min=1)])


@shop.route("/orders", methods=["GET", "POST"])
@transactional
@inject
def order(session: SessionDep) -> Any:
    form = OrderForm()
    if not form.validate_on_submit():
        return render_template_string(PAGE, form=form), 422 if form.errors else 200
    placed = Order()
    form.populate_obj(placed)
    session.add(placed)
    if placed.product == "gone":
        abort(409, "Sold out.")
    return {"product": placed.product}, 201


@shop.post("/hooks/<product>")
@csrf.exempt
@transactional
@inject
def hook(product: str, session: SessionDep) -> Any:
    session.add(Order(product=product, pieces=1))
    return {"product": product}, 201


def extend(app: Flask) -> None:
    csrf.init_app(app)
    app.register_blueprint(shop)
