"""A shop whose tables are changed by migrations."""

from typing import Any

from flask import Blueprint, Flask, current_app
from flask_migrate import Migrate
from sqlalchemy import Engine
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, get_container, inject, transactional

CONFIG: dict[str, Any] = {}


class Database:
    """What Flask-Migrate needs of Flask-SQLAlchemy's ``db``."""

    metadata = ModelBase.metadata

    @property
    def engine(self) -> Engine:
        engine: Engine = get_container(current_app).engine()
        return engine


migrate = Migrate(db=Database())
shop = Blueprint("shop", __name__)


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]


@shop.post("/orders/<product>")
@transactional
@inject
def order(product: str, session: SessionDep) -> Any:
    session.add(Order(product=product))
    return {"product": product}, 201


def extend(app: Flask) -> None:
    migrate.init_app(app)
    app.register_blueprint(shop)
