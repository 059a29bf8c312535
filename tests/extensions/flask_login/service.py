"""A shop whose customers log in."""

from typing import Any

from flask import Blueprint, Flask, abort, request
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    logout_user,
)
from sqlalchemy import select
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase, SessionDep, inject, transactional

CONFIG: dict[str, Any] = {}

login_manager = LoginManager()
shop = Blueprint("shop", __name__)


class Customer(UserMixin, ModelBase):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    visits: Mapped[int] = mapped_column(default=0)


@login_manager.user_loader
@inject
def load_customer(key: str, session: SessionDep) -> Customer | None:
    return session.get(Customer, int(key))


@shop.post("/customers/<name>")
@transactional
@inject
def register(name: str, session: SessionDep) -> Any:
    session.add(Customer(name=name))
    return {"name": name}, 201


@shop.post("/login")
@inject
def log_in(session: SessionDep) -> Any:
    found = session.scalar(select(Customer).filter_by(name=request.form["name"]))
    if found is None:
        abort(403, "There is no such customer.")
    login_user(found, remember="remember" in request.form)
    return {"name": found.name}


@shop.post("/visits")
@login_required
@transactional
@inject
def visit(session: SessionDep) -> Any:
    # The customer was loaded in this request, so it belongs to the view's session.
    assert current_user in session
    current_user.visits += 1
    if "fail" in request.args:
        abort(409)
    return {"visits": current_user.visits}


@shop.post("/logout")
@login_required
def log_out() -> Any:
    logout_user()
    return {}


def extend(app: Flask) -> None:
    login_manager.init_app(app)
    app.register_blueprint(shop)
