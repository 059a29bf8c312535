"""The database of a test: one transaction around all of it, rolled back at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dependency_injector import providers
from flask import Flask, has_app_context
from sqlalchemy import Connection
from sqlalchemy.orm import Session, sessionmaker

from ..wiring import get_container
from ..wiring.providers import Opened
from ..wiring.scope import find_scope
from .overrides import overriding

__all__ = ["checked_out", "rolled_back"]


@contextmanager
def rolled_back(container: Any) -> Iterator[Session]:
    """Have every session of ``container`` work in one transaction that is undone.

    Each request and task still has a session of its own; its commit ends a savepoint.
    All of them share one connection, so they must not run at the same time.
    """
    with container.engine().connect() as connection:
        _begin(connection)
        settings = dict(container.session_factory().kw)
        settings.update(bind=connection, join_transaction_mode="create_savepoint")
        factory: sessionmaker[Session] = sessionmaker(**settings)
        try:
            with (
                overriding(container, session_factory=providers.Object(factory)),
                factory() as session,
            ):
                yield session
        finally:
            connection.rollback()


def _begin(connection: Connection) -> None:
    connection.begin()
    # SQLite's driver begins only when something is written, and takes the first
    # savepoint for the transaction.
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        connection.exec_driver_sql("BEGIN")


def checked_out(app: Flask) -> int:
    """How many connections of the app's pool are in use.

    Zero where a scope is open: what it holds is given back with it.
    """
    container = get_container(app)
    engine = container.providers.get("engine")
    if not isinstance(engine, Opened) or not engine.initialized:
        return 0
    if has_app_context() and find_scope() is not None:
        return 0
    # A service may call something else its engine; and not every pool counts.
    count = getattr(getattr(engine(), "pool", None), "checkedout", None)
    return int(count()) if count is not None else 0
