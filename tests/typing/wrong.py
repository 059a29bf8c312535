"""Mistakes that a type checker must report: each line with a comment, and no other."""

import modern_flask
from modern_flask import (
    SessionDep,
    StorageDep,
    cached,
    create_app,
    inject,
    transactional,
)


@transactional
@inject
def order(number: int, session: SessionDep) -> str:
    session.nothing()  # wrong
    return number  # wrong


@inject
def upload(storage: StorageDep) -> None:
    storage.put(1)  # wrong


@cached(60, vary=1)  # wrong
def name(number: int) -> str:
    return str(number)


@cached(60)
def total(number: int) -> float:
    return number / 2


total("one")  # wrong
total.refresh()  # wrong
total.refresh(1).nothing()  # wrong
total.key(1).nothing()  # wrong
total.select(page=2)  # wrong
total.select(query=2)  # wrong
total.select(headers=["Accept-Language"])  # wrong
total.select(query="page=2").refresh(1)  # wrong
create_app(__name__, blueprints=7)  # wrong
order("one", None)  # wrong


class Mine(modern_flask.Container):
    """A container with a component of its own."""

    mailer = modern_flask.Opened(lambda: "mailer")


app = create_app(__name__)
app.container.engine().nothing()  # wrong
app.container.session_factory().nothing()  # wrong
app.container.session().nothing()  # wrong
app.container.readonly_session().nothing()  # wrong
app.container.redis().nothing()  # wrong
app.container.storage().nothing()  # wrong
app.container.metrics().nothing()  # wrong
app.container.tracing().nothing()  # wrong
app.container.logging().nothing()  # wrong
create_app(__name__, Mine()).container.mailer().nothing()  # wrong
