"""What a service writes, as type checkers read it: this is checked, and never run."""

from collections.abc import Iterator
from typing import Annotated, assert_type

from celery import Celery
from dependency_injector import providers
from flask import Blueprint, Flask
from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.orm import Session

import modern_flask
from modern_flask import (
    CeleryDep,
    Choice,
    EngineDep,
    MemoryStorage,
    Once,
    Opened,
    Provide,
    ReadOnlySessionDep,
    RedisDep,
    Scoped,
    SessionDep,
    Storage,
    StorageDep,
    cached,
    halt,
    inject,
    on_commit,
    problem,
    section,
    transactional,
)
from modern_flask.redis import CachedEntry
from modern_flask.testing import MemoryRedis, overriding

blueprint = Blueprint("orders", __name__)


class Orders:
    """A service's own object."""

    def __init__(self, session: Session, host: str) -> None:
        self.session, self.host = session, host


def open_mail(settings: dict[str, str]) -> Iterator[list[str]]:
    yield list(settings)


class Container(modern_flask.Container):
    """The kit's container, and more."""

    mail = Opened(open_mail, section(modern_flask.Container.config, "MAIL_", "HOST"))
    names = Once(dict[str, str])
    notes = Scoped(open_mail)
    orders = providers.Factory(
        Orders, modern_flask.Container.session, modern_flask.Container.config.HOST
    )
    letters = Choice(modern_flask.Container.config.LETTERS, mail=mail)


OrdersDep = Annotated[Orders, Provide["orders"]]


@blueprint.post("/orders/<int:number>")
@transactional
@inject
def order(number: int, orders: OrdersDep, session: SessionDep) -> dict[str, int]:
    assert_type(orders, Orders)
    assert_type(session, Session)
    on_commit(lambda: None)
    if number < 0:
        halt(problem(422, "A number is not negative."))
    return {"number": number}


@blueprint.get("/orders")
@inject
def index(
    storage: StorageDep,
    redis: RedisDep,
    celery: CeleryDep,
    engine: EngineDep,
    reading: ReadOnlySessionDep,
    limit: Annotated[int, Provide["config.LIMIT"]],
) -> str:
    assert_type(storage, Storage)
    assert_type(redis, Redis)
    assert_type(celery, Celery)
    assert_type(engine, Engine)
    assert_type(reading, Session)
    assert_type(limit, int)
    return ""


@blueprint.get("/later")
@transactional
@inject
async def later(session: SessionDep) -> str:
    assert_type(session, Session)
    return ""


async def sooner() -> None:
    assert_type(await later(Session()), str)


def find_tenant() -> str:
    return ""


@blueprint.get("/totals/<int:number>")
@cached(60, "totals", vary=["Accept-Language"], by=find_tenant, ignore={"X-Trace"})
@inject
def total(number: int, redis: RedisDep) -> dict[str, int]:
    return {"number": number}


@cached(by_arguments=False, stale=1.5)
def rate(currency: str, day: int = 0) -> float:
    return 1.0


def change(redis: Redis) -> None:
    assert_type(total.key(7), str)
    assert_type(total.key(number=7), str)
    assert_type(total.invalidate(number=7), None)
    assert_type(total.refresh(7, redis), dict[str, int])
    assert_type(total(7, redis), dict[str, int])
    page = total.select(query={"page": 2, "tag": ["a"]}, by=find_tenant())
    assert_type(page, CachedEntry)
    assert_type(page.key(7), str)
    assert_type(page.invalidate(number=7), None)
    total.select(query="page=2", headers={"Accept-Language": "de"}).invalidate(7)
    assert_type(rate("EUR", day=1), float)
    assert_type(rate.refresh("EUR"), float)


def create_app(**config: object) -> modern_flask.App:
    app = modern_flask.create_app(
        __name__, Container(), blueprints=[blueprint], config=config, check=False
    )
    assert_type(app, modern_flask.App[Container])
    assert_type(app.container, Container)
    assert_type(app.container.engine(), Engine)
    assert_type(app.container.session_factory()(), Session)
    assert_type(app.container.session(), Session)
    assert_type(app.container.redis(), Redis)
    assert_type(app.container.storage(), Storage)
    assert_type(app.container.celery(), Celery)
    assert_type(app.container.mail(), list[str])
    assert_type(app.container.letters(), list[str])
    with (
        app.running(),
        overriding(app.container, storage=MemoryStorage(), redis=MemoryRedis()),
    ):
        assert_type(order(1, Orders(Session(), ""), Session()), dict[str, int])
    return app


def extend(app: Flask) -> None:
    container = modern_flask.init_app(app, Container())
    with container.storage.override(MemoryStorage()):
        pass
