"""A shop whose errors are sent to Sentry, with the id of their trace."""

import logging
from typing import Any

import requests
import sentry_sdk
from celery import shared_task
from flask import Blueprint, Flask, abort
from opentelemetry import trace
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import (
    CeleryDep,
    ModelBase,
    SessionDep,
    halt,
    inject,
    transactional,
)

CONFIG: dict[str, Any] = {
    "CELERY_BROKER_URL": "memory://",
    "CELERY_TASK_ALWAYS_EAGER": True,
}

logger = logging.getLogger(__name__)
shop = Blueprint("shop", __name__)


def add_trace_id(event: Any, hint: Any) -> Any:
    """Tag an event with the id of the kit's trace."""
    ids = trace.get_current_span().get_span_context()
    if ids.is_valid:
        event.setdefault("tags", {})["trace_id"] = f"{ids.trace_id:032x}"
    return event


def choose_rate(context: Any) -> float:
    """Send a transaction of every request, except of probes and scrapes."""
    environ = context.get("wsgi_environ") or {}
    return float(environ.get("PATH_INFO") not in ("/livez", "/readyz", "/metrics"))


def start_sentry(dsn: str, **options: Any) -> None:
    sentry_sdk.init(dsn, before_send=add_trace_id, **options)


class Order(ModelBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str]


@shop.post("/orders/<product>")
@transactional
@inject
def order(product: str, session: SessionDep) -> Any:
    session.add(Order(product=product))
    session.flush()
    if product == "gone":
        abort(409)
    if product == "halted":
        halt({"reason": "Sold out."}, 410)
    if product == "broken":
        raise LookupError("out of stock")
    return {"product": product}, 201


@shop.post("/tasks")
@inject
def send(celery: CeleryDep) -> Any:
    deliver.delay()
    return {}, 202


@shop.get("/logged")
def log_error() -> Any:
    logger.error("The price of %s is wrong.", "tea")
    return {}


@shop.get("/call")
def call() -> Any:
    from flask import request

    return requests.get(request.args["url"], timeout=5).json()


@shared_task(name="tests.extensions.sentry.service.deliver")
@inject
def deliver(session: SessionDep) -> None:
    raise LookupError(f"no car for {session.query(Order).count()} orders")


def extend(app: Flask) -> None:
    app.register_blueprint(shop)
