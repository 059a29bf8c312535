"""A service that counts its sessions, for the proof under a real server."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from celery import shared_task
from dependency_injector import providers
from flask import Blueprint, Flask, Response, stream_with_context
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import modern_flask
from modern_flask import SessionDep, inject, transactional
from modern_flask.database import open_session
from modern_flask.wiring import Scoped, find

blueprint = Blueprint("orders", __name__)
counts: Counter[str] = Counter()
lock = threading.Lock()


class Rejected(Exception):
    """An error for which an error handler returns a response."""


def open_counted_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """A session, counted when it is opened and when it is closed in this process."""
    with lock:
        counts["opened"] += 1
    try:
        yield from open_session(factory)
    finally:
        with lock:
            counts["closed"] += 1


class Repository:
    """A nested service that uses the request's session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def write(self, number: int) -> None:
        self.session.execute(
            text("insert into orders values (:number, :open)"),
            {"number": number, "open": counts["opened"] - counts["closed"]},
        )


class Container(modern_flask.Container):
    """The kit's container, with sessions that are counted."""

    session = Scoped(open_counted_session, modern_flask.Container.session_factory)
    repository = providers.Factory(Repository, session)


@transactional
def write(number: int) -> None:
    """Write an order in the transaction of the view, which calls this function."""
    repository = find("repository")
    assert repository.session is find("session")
    repository.write(number)
    if number % 3 == 0:
        raise Rejected


@blueprint.post("/orders/<int:number>")
@transactional
@inject
def order(number: int, session: SessionDep) -> str:
    write(number)
    return "written"


@blueprint.post("/streams/<int:number>")
@inject
def stream(number: int, session: SessionDep) -> Response:
    transactional(write)(number)

    def body() -> Iterator[str]:
        assert find("session") is session
        for _ in range(20):
            # More than a socket buffers: the service notices if the client leaves.
            yield f"{session.scalar(text('select 1'))}" * 32768

    return Response(stream_with_context(body()))


@blueprint.get("/counts")
def show() -> dict[str, Any]:
    return {**counts, "checked out": find("engine").pool.checkedout()}


@blueprint.errorhandler(Rejected)
def refuse(error: Exception) -> tuple[str, int]:
    return "rejected", 422


@shared_task(name="orders.note")
@transactional
@inject
def note(number: int, session: SessionDep) -> None:
    write(number)


def create_app() -> Flask:
    return modern_flask.create_app(
        "tests.wiring.proof_service", Container(), blueprints=[blueprint]
    )
