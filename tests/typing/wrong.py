"""Mistakes that a type checker must tell: each line with a comment, and no other."""

from modern_flask import SessionDep, StorageDep, create_app, inject, transactional


@transactional
@inject
def order(number: int, session: SessionDep) -> str:
    session.nothing()  # wrong
    return number  # wrong


@inject
def upload(storage: StorageDep) -> None:
    storage.put(1)  # wrong


create_app(__name__, blueprints=7)  # wrong
order("one", None)  # wrong
