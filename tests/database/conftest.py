"""Engines and sessions for the tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from modern_flask.config.values import Origin, Section
from modern_flask.database import make_session_factory, open_engine, open_session
from tests.database.orders import Order, Tables
from tests.servers.postgresql import PostgreSQL

OpenEngine = Callable[..., Engine]


@pytest.fixture
def section() -> Callable[..., Section]:
    """``section(url=...)``: engine keywords as the configuration hands them over."""

    def make(prefix: str = "DATABASE_ENGINE_", **settings: Any) -> Section:
        values = {prefix + name.upper(): value for name, value in settings.items()}
        lines = enumerate(values, start=1)
        origins = {key: Origin("config.py", line) for line, key in lines}
        return Section(prefix, values, origins, ["config.py"])

    return make


@pytest.fixture
def engine_of() -> Iterator[OpenEngine]:
    """``engine_of(url=...)``: an engine that is closed with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            contextmanager(open_engine)(settings)
        )


@pytest.fixture(scope="session")
def orders_url(postgresql: PostgreSQL) -> str:
    """A PostgreSQL database that all tests of orders write to, one after the other."""
    return postgresql.database()


@pytest.fixture
def engine(engine_of: OpenEngine, orders_url: str) -> Engine:
    """An engine on a database with an empty table of orders."""
    engine = engine_of(url=orders_url)
    Tables.metadata.drop_all(engine)
    Tables.metadata.create_all(engine)
    return engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    yield from open_session(make_session_factory(engine, {}))


@pytest.fixture
def stored(engine: Engine) -> Callable[[], int]:
    """How many orders another connection sees."""

    def count() -> int:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(Order)) or 0

    return count
