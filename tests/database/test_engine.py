"""The engine on real servers: limits, outages and forks."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from modern_flask.database import connection as connection_module
from modern_flask.database import open_engine, ping
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import python

EngineOf = Callable[..., Engine]
OwnServer = Callable[[type[PostgreSQL]], PostgreSQL]

LONG = replace(connection_module.BACKOFF, budget=60)
SHOW = {"hide_parameters": False}
LIMITS = "statement_timeout", "idle_in_transaction_session_timeout"


def shown(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [str(connection.scalar(text(f"show {name}"))) for name in LIMITS]


def connect_arguments(engine: Engine) -> dict[str, Any]:
    """The arguments with which the driver connects."""
    asked: dict[str, Any] = {}

    @event.listens_for(engine, "do_connect")
    def note(dialect: Any, record: Any, args: Any, options: dict[str, Any]) -> None:
        asked.update(options)

    with engine.connect():
        return asked


def test_postgresql_waits_are_bounded(engine_of: EngineOf, postgresql_url: str) -> None:
    """Connecting, statements, idle transactions and the pool all have a limit."""
    engine = engine_of(url=postgresql_url)

    asked = connect_arguments(engine)

    assert (asked["connect_timeout"], asked["tcp_user_timeout"]) == (3, 5000)
    assert shown(engine) == ["30s", "1min"]
    assert engine.pool.timeout() == 5  # type: ignore[attr-defined]


def test_connect_args_win(engine_of: EngineOf, postgresql_url: str) -> None:
    """A limit in ``connect_args`` overrides the kit's, and the others stay."""
    options = {"connect_timeout": 7, "options": "-c statement_timeout=0"}
    engine = engine_of(url=postgresql_url, connect_args=options)

    asked = connect_arguments(engine)

    assert (asked["connect_timeout"], asked["tcp_user_timeout"]) == (7, 5000)
    assert shown(engine) == ["0", "1min"]


@pytest.mark.parametrize(("asked", "shows"), [({}, False), (SHOW, True)])
def test_errors_hide_parameters(
    engine_of: EngineOf, asked: dict[str, Any], shows: bool
) -> None:
    """The text of an error has no parameters, unless a key turns them on."""
    engine = engine_of(url="sqlite://", **asked)

    with pytest.raises(OperationalError) as caught, engine.connect() as connection:
        connection.execute(text("select :p from nowhere"), {"p": "hunter2"})

    assert ("hunter2" in str(caught.value)) is shows


def test_url_query_wins(engine_of: EngineOf, postgresql_url: str) -> None:
    """A limit in the query of the URL overrides the kit's, and the others stay."""
    query = "connect_timeout=8&options=-c%20statement_timeout%3D4000"
    engine = engine_of(url=f"{postgresql_url}?{query}")

    asked = connect_arguments(engine)

    assert (asked["connect_timeout"], asked["tcp_user_timeout"]) == ("8", 5000)
    assert shown(engine) == ["4s", "1min"]


def test_database_setting_wins(
    engine_of: EngineOf, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """A limit of the database itself overrides the kit's."""
    name = make_url(postgresql_url).database
    postgresql.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 7000')

    assert shown(engine_of(url=postgresql_url)) == ["7s", "1min"]


def test_mysql_waits_are_bounded(engine_of: EngineOf, mariadb_url: str) -> None:
    """Connecting, reading and writing have a limit; the URL's query wins."""
    engine = engine_of(url=f"{mariadb_url}?read_timeout=9")

    asked = connect_arguments(engine)

    waits = asked["connect_timeout"], asked["read_timeout"], asked["write_timeout"]
    assert waits == (3, 9, 30)
    ping(engine, timeout=30)


def test_connecting_outlasts_a_restart(
    engine_of: EngineOf, private_server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that comes while PostgreSQL restarts is served, not failed."""
    # A busy machine starts it in 4 s, any other in 0.4 s.
    monkeypatch.setattr(connection_module, "BACKOFF", LONG)
    server = private_server(PostgreSQL)
    engine = engine_of(url=server.url)
    with engine.connect() as connection:
        connection.scalar(text("select 1"))
    server.stop()

    def ask() -> int | None:
        with engine.connect() as connection:
            return connection.scalar(text("select 1"))

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask)
        server.start()

        assert answer.result() == 1


def test_absent_server_is_reported_in_time(engine_of: EngineOf) -> None:
    """Without a server, connecting fails after 2 s, and the error has no password."""
    engine = engine_of(url="postgresql://shop:password-of-shop@127.0.0.1:1/orders")
    began = time.monotonic()

    with pytest.raises(OperationalError) as failure:
        engine.connect()

    assert 1 < time.monotonic() - began < 15
    assert "password-of-shop" not in f"{failure.value}{engine!r}{engine.url}"


def test_listener_of_the_application_is_called(
    engine_of: EngineOf, postgresql_url: str
) -> None:
    """A listener of the application can still change the connect arguments."""
    engine = engine_of(url=postgresql_url)

    @event.listens_for(engine, "do_connect")
    def rename(dialect: Any, record: Any, args: Any, options: dict[str, Any]) -> None:
        options["application_name"] = "orders"

    with engine.connect() as connection:
        assert connection.scalar(text("show application_name")) == "orders"


def test_ping_needs_no_pool(engine_of: EngineOf, postgresql_url: str) -> None:
    """An exhausted pool is not a database that is down."""
    engine = engine_of(url=postgresql_url, pool_size=1, max_overflow=0)

    with engine.connect():
        ping(engine, timeout=30)

        assert engine.pool.checkedout() == 1  # type: ignore[attr-defined]


def test_ping_leaves_no_connection(
    engine_of: EngineOf, postgresql: PostgreSQL, postgresql_url: str
) -> None:
    """A ping's connection is closed when it returns."""
    closed = []
    engine = engine_of(url=postgresql_url)
    event.listen(engine, "close", lambda connection, record: closed.append(record))

    ping(engine, timeout=30)

    assert len(closed) == 1


def test_ping_of_an_absent_server_fails_at_once(
    engine_of: EngineOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ping does not wait for a server to come back."""
    monkeypatch.setattr(connection_module, "BACKOFF", LONG)
    engine = engine_of(url="postgresql://shop:password@127.0.0.1:1/orders")
    began = time.monotonic()

    with pytest.raises(engine.dialect.loaded_dbapi.OperationalError):
        ping(engine, timeout=60)

    assert time.monotonic() - began < 30


def test_ping_of_a_frozen_postgresql_ends(
    engine_of: EngineOf, private_server: OwnServer
) -> None:
    """A ping of a server that never answers ends after libpq's 2 s."""
    server = private_server(PostgreSQL)
    engine = engine_of(url=server.url, connect_args={"connect_timeout": 60})
    ping(engine, timeout=30)
    server.pause()
    began = time.monotonic()

    with pytest.raises(engine.dialect.loaded_dbapi.OperationalError):
        ping(engine, timeout=1)

    # Nothing but the deadline ends it before the engine's own 60 s.
    assert time.monotonic() - began < 30


def test_ping_of_a_frozen_mariadb_ends(
    engine_of: EngineOf, private_server: Callable[[type[MariaDB]], MariaDB]
) -> None:
    """A ping of a MariaDB that never answers ends in time."""
    server = private_server(MariaDB)
    own = {"connect_timeout": 60, "read_timeout": 60, "write_timeout": 60}
    engine = engine_of(url=server.url, connect_args=own)
    server.pause()
    began = time.monotonic()

    with pytest.raises(engine.dialect.loaded_dbapi.OperationalError):
        ping(engine, timeout=1)

    assert time.monotonic() - began < 30


FORKING = """
import os, sys
from sqlalchemy import text
from modern_flask.database import open_engine

def backend(engine):
    with engine.connect() as connection:
        return connection.scalar(text("select pg_backend_pid()"))

engine = next(open_engine({"url": sys.argv[1]}))
before = backend(engine)
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, str(backend(engine)).encode())
    engine.dispose()
    os._exit(0)
os.wait()
child = int(os.read(reader, 20))
assert child != before, "the child spoke on its parent's connection"
assert backend(engine) == before, "the parent's connection did not survive"
print("each has its own")
"""


def test_forked_child_forgets_connections(postgresql_url: str, tmp_path: Path) -> None:
    """A child opens a new connection, and that of its parent stays usable."""
    script = tmp_path / "forking.py"
    script.write_text(FORKING)
    command = python("-W", "error", script, postgresql_url)

    done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert done.stdout == "each has its own\n", done.stderr


def test_engine_is_disposed_of_once(postgresql_url: str) -> None:
    """Closing the generator closes every connection of the pool."""
    opened = open_engine({"url": postgresql_url})
    engine = next(opened)
    closed = []
    event.listen(engine, "close", lambda connection, record: closed.append(record))
    with engine.connect():
        pass

    opened.close()

    assert len(closed) == 1
