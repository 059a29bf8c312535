"""A shop whose products are edited in Flask-Admin's pages."""

from typing import Any

from flask import Blueprint, Flask, current_app
from flask_admin import Admin, BaseView, expose
from flask_admin.contrib.sqla import ModelView
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, get_container, inject

CONFIG: dict[str, Any] = {}

shop = Blueprint("shop", __name__)


class Product(ModelBase):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class RequestSession:
    """The session of the request, as Flask-Admin takes it."""

    @property
    def session(self) -> "RequestSession":
        return self

    def __getattr__(self, name: str) -> Any:
        if not current_app:  # Flask-Admin looks at it when the view is added
            raise AttributeError(name)
        return getattr(get_container(current_app).session(), name)


class ProductView(ModelView):  # type: ignore[misc]
    form_columns = ["name"]  # noqa: RUF012


class Report(BaseView):  # type: ignore[misc]
    @expose("/")
    @inject
    def index(self, session: SessionDep) -> Any:
        number = session.scalar(select(func.count()).select_from(Product))
        return f"{number} products"


@shop.get("/products")
@inject
def list_products(session: SessionDep) -> Any:
    return {"products": list(session.scalars(select(Product.name)))}


def extend(app: Flask) -> None:
    admin = Admin(app, name="shop")
    admin.add_view(ProductView(Product, RequestSession(), endpoint="product"))
    admin.add_view(Report(endpoint="report"))
    app.register_blueprint(shop)
