"""The shop of ``old_service.py.txt``, changed by the rows of README's table alone."""

from typing import Annotated, Any

from celery import shared_task
from flask import abort, current_app, g, request
from sqlalchemy import Column, Integer, String, inspect

from modern_flask import (
    EngineDep,
    ModelBase,
    Provide,
    RedisDep,
    SessionDep,
    StorageDep,
    cached,
    create_app,
    halt,
    ignore_metrics,
    inject,
    model_registry,
    synchronized,
    transactional,
)

app = create_app(
    __name__,
    config={
        "DATABASE_ENGINE_POOL_SIZE": 3,
        "DATABASE_SESSION_AUTOFLUSH": False,
        "CELERY_MAIN": "shop",
        "CELERY_TIMEZONE": "Asia/Shanghai",
    },
)

SessionsDep = Annotated[Any, Provide["session_factory"]]


class Item(ModelBase):
    __tablename__ = "shop_items"
    id: int = Column(Integer, primary_key=True)
    name: str = Column(String(20), unique=True)


@model_registry.mapped
class Attempt:
    __tablename__ = "shop_attempts"
    id = Column(Integer, primary_key=True)
    name = Column(String(20))


@shared_task
def double(number):
    return number * 2


@app.get("/healthz")
@ignore_metrics
def healthz():
    return "ok"


@app.post("/items")
@transactional
@inject
def add_items(session: SessionDep):
    for name in request.json["names"]:
        if name == "forbidden":
            halt({"reason": name}, 409)
        session.add(Item(name=name))
    return {"added": len(request.json["names"])}, 201


@app.get("/items")
@inject
def list_items(session: SessionDep):
    names = [item.name for item in session.query(Item).order_by(Item.id)]
    return {"names": names}


@app.post("/attempts/<name>")
@inject
def attempt(name, sessions: SessionsDep):
    # The attempt is kept, whatever comes of the item.
    with sessions.begin() as session:
        session.add(Attempt(name=name))
    with sessions.begin() as session:
        session.add(Item(name=name))
        if name == "forbidden":
            abort(403)
    return {"name": name}, 201


@app.get("/attempts")
@inject
def count_attempts(sessions: SessionsDep):
    with sessions() as session:
        return {"attempts": session.query(Attempt).count()}


@app.get("/tables")
@inject
def list_tables(engine: EngineDep):
    return {"tables": inspect(engine).get_table_names()}


@app.post("/hits/<page>")
@inject
def count_hit(page, redis: RedisDep):
    return {"hits": redis.incr("hits." + page)}


@cached(60, "shop", "rate", by_arguments=False)
def find_rate(currency):
    g.computed = True
    return {"currency": currency, "rates": [1.5, 2]}


@app.get("/rates/<currency>")
def show_rate(currency):
    return {"rate": find_rate(currency), "computed": "computed" in g}


@app.get("/sizes")
@cached(60, "shop", "sizes", by_arguments=False)
def list_sizes():
    return {"sizes": ["S", "M"]}


@app.post("/stock")
@synchronized("shop.stock", timeout=5)
@inject
def count_stock(redis: RedisDep):
    return {"locked": redis.exists("shop.stock") == 1}


@app.post("/doubles/<int:number>")
def send_double(number):
    return {"sent": bool(double.delay(number).id)}


@app.get("/files")
@inject
def name_storage(storage: StorageDep):
    if current_app.config["STORAGE_VENDOR"] == "cos":
        return {"cos": type(storage.raw).__name__}
    service, bucket = storage.service, storage.raw
    return {"oss": [type(service).__name__, bucket.bucket_name]}


@app.get("/broken")
def broken():
    raise LookupError("secret")
