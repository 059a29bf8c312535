"""``sqlite:///:memory:``, which many tests use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, func, inspect, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool, StaticPool

from modern_flask.database import make_session_factory, ping, transaction
from tests.database.orders import Order, Tables

EngineOf = Callable[..., Engine]
URL = "sqlite+pysqlite:///:memory:"


def test_threads_share_one_database(engine_of: EngineOf) -> None:
    """Eight threads write to one in-memory database, and no row is lost."""
    engine = engine_of(url=URL, pool_timeout=60, max_overflow=3)
    factory = make_session_factory(engine, {})
    Tables.metadata.create_all(engine)

    def write(number: int) -> None:
        with factory() as session, transaction(session):
            session.add(Order(name=f"order {number}"))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(400)))

    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Order)) == 400


def test_pool_keywords_work(engine_of: EngineOf) -> None:
    """Keywords that SQLAlchemy refuses for ``:memory:`` are accepted; the URL stays."""
    engine = engine_of(url=URL, pool_size=2, max_overflow=0, pool_timeout=1)

    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.size() == 2
    assert engine.url.database == ":memory:"


def test_each_engine_has_its_own(engine_of: EngineOf) -> None:
    """Two engines of the same URL do not see each other's tables."""
    one, other = engine_of(url="sqlite://"), engine_of(url="sqlite://")

    Tables.metadata.create_all(one)

    assert inspect(one).get_table_names() == ["orders"]
    assert inspect(other).get_table_names() == []


def test_data_outlive_the_pool(engine_of: EngineOf) -> None:
    """The database exists until the engine is closed, whatever the pool does."""
    engine = engine_of(url=URL)
    Tables.metadata.create_all(engine)

    engine.dispose()

    assert inspect(engine).get_table_names() == ["orders"]


def test_connect_arguments_count(engine_of: EngineOf) -> None:
    """``connect_args`` and the URL's query reach SQLite."""
    seen = []

    def note(connection: object, record: object) -> None:
        seen.append(connection)

    engine = engine_of(
        url=f"{URL}?cached_statements=7", connect_args={"isolation_level": None}
    )
    event.listen(engine, "connect", note)

    with engine.connect():
        pass

    assert seen[0].isolation_level is None  # type: ignore[attr-defined]


def test_own_pool_class_is_left_alone(engine_of: EngineOf) -> None:
    """A pool class that is set for ``:memory:`` is used."""
    engine = engine_of(url=URL, poolclass=StaticPool)

    assert isinstance(engine.pool, StaticPool)


def test_ping_answers(engine_of: EngineOf) -> None:
    """A ping sees the shared database."""
    ping(engine_of(url=URL), timeout=30)


def test_file_is_opened_as_sqlite_does(
    engine_of: EngineOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A database in a file keeps its journal mode and its checks as they are."""
    path = tmp_path_factory.mktemp("sqlite") / "orders.db"
    engine = engine_of(url=f"sqlite:///{path}")

    with engine.connect() as connection:
        assert connection.scalar(text("pragma journal_mode")) == "delete"
        assert connection.scalar(text("pragma foreign_keys")) == 0
        assert connection.scalar(text("pragma busy_timeout")) == 5000
