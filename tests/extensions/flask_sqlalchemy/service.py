"""A shop with models of Flask-SQLAlchemy and of the kit in one database."""

from typing import Any

from flask import Blueprint, Flask, abort, current_app
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from modern_flask import ModelBase, SessionDep, get_container, inject, transactional

CONFIG: dict[str, Any] = {}


class KitSession(Session):
    """A session of Flask-SQLAlchemy on the kit's engine."""

    def get_bind(self, *args: Any, **options: Any) -> Any:
        return get_container(current_app).engine()


db = SQLAlchemy(model_class=ModelBase, session_options={"class_": KitSession})
shop = Blueprint("shop", __name__)


class Product(db.Model):  # type: ignore[name-defined, misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    product: Mapped[Product] = relationship()


@shop.post("/products/<name>")
def add_product(name: str) -> Any:
    db.session.add(Product(name=name))
    db.session.commit()
    return {"name": name}, 201


@shop.get("/products/<int:number>")
def show_product(number: int) -> Any:
    found = db.get_or_404(Product, number)
    return {"name": found.name, "count": Product.query.count()}


@shop.post("/orders/<name>")
@transactional
@inject
def order(name: str, session: SessionDep) -> Any:
    product = session.query(Product).filter_by(name=name).first()
    if product is None:
        product = Product(name=name)
    session.add(Order(product=product))
    session.flush()
    if name == "gone":
        abort(409)
    return {"product": product.name}, 201


def extend(app: Flask) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = app.config["DATABASE_ENGINE_URL"]
    db.init_app(app)
    app.register_blueprint(shop)
