"""Runs a whole test in one transaction, and rolls it back at the end."""

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

__all__ = ["count_connections", "share_transaction"]


@contextmanager
def share_transaction(container: Any) -> Iterator[Session]:
    """Let all sessions of ``container`` share one transaction, which is rolled back.

    Each request and task still has its own session; its commit ends a savepoint. All
    sessions share one connection, so they must not run at the same time.
    """
    with container.engine().connect() as connection:
        _begin(connection)
        ours = container.session_factory()
        settings = {**ours.kw, "bind": connection, "class_": ours.class_}
        settings["join_transaction_mode"] = "create_savepoint"
        # A subclass of the same class has its events, too.
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
    # SQLite's driver begins a transaction only at the first write, and would treat the
    # first savepoint as the transaction.
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        connection.exec_driver_sql("BEGIN")


def count_connections(app: Flask) -> int:
    """Count the connections of the app's pool that are in use.

    The result is 0 if a scope is open, because its end releases its connections.
    """
    container = get_container(app)
    engine = container.providers.get("engine")
    if not isinstance(engine, Opened) or not engine.initialized:
        return 0
    if has_app_context() and find_scope() is not None:
        return 0
    # The service's engine may be of another class, and not every pool counts.
    count = getattr(getattr(engine(), "pool", None), "checkedout", None)
    return int(count()) if count is not None else 0
