"""Private servers: they start, answer, restart, and leave nothing behind."""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.eventually import eventually
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL, copied, find_programs
from tests.servers.processes import Died, Process, python
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import RedisServer
from tests.servers.server import Server
from tests.servers.tree import living_in

ROOT = Path(__file__).parents[2]


def keep_in_redis(url: str) -> Callable[[], bool]:
    from redis import Redis

    with Redis.from_url(url) as client:
        client.set("kept", "yes")

    def kept() -> bool:
        with Redis.from_url(url) as client:
            return client.get("kept") == b"yes"

    return kept


def keep_in_a_table(url: str) -> Callable[[], bool]:
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept_rows (id INTEGER)"))
        connection.execute(text("INSERT INTO kept_rows VALUES (1)"))
    engine.dispose()

    def kept() -> bool:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT count(*) FROM kept_rows")).scalar()
        engine.dispose()
        return rows == 1

    return kept


def keep_in_a_queue(url: str) -> Callable[[], bool]:
    from kombu import Connection

    with Connection(url) as connection, connection.SimpleQueue("kept") as queue:
        queue.put("yes")

    def kept() -> bool:
        with Connection(url) as connection, connection.SimpleQueue("kept") as queue:
            message = queue.get(timeout=30)
            message.ack()
        return bool(message.payload == "yes")

    return kept


@pytest.mark.parametrize(
    ("kind", "keep"),
    [
        (RedisServer, keep_in_redis),
        (PostgreSQL, keep_in_a_table),
        (MariaDB, keep_in_a_table),
    ],
)
def test_server_comes_back_with_its_data_and_leaves_nothing(private_server, kind, keep):
    """A restart keeps port and data; the end leaves no process and no folder."""
    server = private_server(kind)
    kept = keep(server.url)
    url = server.url

    server.restart()

    assert server.url == url
    assert kept()
    assert living_in(server.folder)
    server.__exit__(None, None, None)
    assert not living_in(server.folder)
    assert not server.folder.exists()


def test_rabbitmq_comes_back_with_its_data(rabbitmq):
    """A restart keeps port and messages; it takes 7 s, so it is the shared one."""
    kept = keep_in_a_queue(rabbitmq.url)
    url = rabbitmq.url

    rabbitmq.restart()

    assert rabbitmq.url == url
    assert kept()


def test_server_that_is_never_ready_is_ended(private_server, monkeypatch):
    """A start that takes too long leaves neither the server nor its epmd."""
    monkeypatch.setattr(RabbitMQ, "start_deadline", 0.5)

    server = RabbitMQ()

    with pytest.raises(Died, match="still runs; no line matched"):
        private_server(lambda: server)

    # The program that starts its epmd was on its way, and ends by itself.
    eventually(lambda: not living_in(server.folder))


@pytest.mark.parametrize("name", ["redis_server", "postgresql", "mariadb"])
def test_killed_or_paused_server_is_healed(request, name):
    """heal() starts or resumes a server that was killed or paused."""
    server: Server = request.getfixturevalue(name)

    server.pause()
    server.heal()
    server.kill()
    server.heal()

    assert server.process is not None
    assert server.process.returncode is None


def test_paused_redis_keeps_the_connection(private_server):
    """A pause is like a network partition: the client waits and is not refused."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import TimeoutError as RedisTimeoutError
    from redis.retry import Retry

    server = private_server(RedisServer)
    retry = Retry(NoBackoff(), 0)
    with Redis.from_url(server.url, socket_timeout=2, retry=retry) as client:
        client.ping()

        server.pause()

        with pytest.raises(RedisTimeoutError):
            client.ping()
        server.resume()
        assert client.ping()


def test_paused_postgresql_freezes_open_connections(postgresql):
    """Every backend process stops, not only the parent."""
    from psycopg import connect

    text = postgresql.url.replace("+psycopg", "")
    with closing(connect(text, autocommit=True)) as connection:
        connection.execute("SELECT 1")

        postgresql.pause()

        connection.pgconn.send_query(b"SELECT 1")
        connection.pgconn.flush()
        assert not readable(connection, 0.3)
        postgresql.resume()
        assert readable(connection, 30)


def readable(connection, seconds: float) -> bool:
    """Whether a response arrives within so many seconds."""
    return bool(select.select([connection], [], [], seconds)[0])


def test_database_is_empty_and_separate(postgresql_url, postgresql):
    """Two databases of one server share no table."""
    from sqlalchemy import create_engine, inspect, text

    other = create_engine(postgresql.database())
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE orders (id INTEGER)"))
    other.dispose()
    engine = create_engine(postgresql_url)

    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_redis_url_is_empty(redis_url, redis_server):
    """The keys of the last test are deleted, in every database."""
    from redis import Redis

    with Redis.from_url(redis_url, db=3) as client:
        client.set("left", 1)

        redis_server.flush()

        assert client.dbsize() == 0


def test_rabbitmq_answers(rabbitmq_url):
    """The shared broker accepts a connection by its URL."""
    from kombu import Connection

    with Connection(rabbitmq_url) as connection:
        connection.ensure_connection(max_retries=1, timeout=30)
        assert connection.connected


def test_mariadb_answers(mariadb_url):
    """The shared MariaDB creates a database in utf8mb4."""
    from sqlalchemy import create_engine, text

    engine = create_engine(mariadb_url)
    with engine.connect() as connection:
        answer = connection.execute(text("SELECT @@character_set_database")).scalar()
    engine.dispose()

    assert answer == "utf8mb4"


def test_postgresql_runs_from_a_copy(tmp_path):
    """A copy of the wheel works, for a user that can't reach the wheel."""
    programs = copied(find_programs(), tmp_path / "programs")

    answer = subprocess.check_output([programs / "postgres", "--version"], text=True)

    assert answer.startswith("postgres (PostgreSQL) ")


ORPHANS = """
import signal
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import RedisServer

with RedisServer() as redis, PostgreSQL() as postgresql:
    print(f"folders {redis.folder} {postgresql.folder}", flush=True)
    signal.pause()
"""


def test_servers_die_with_a_killed_run(tmp_path):
    """A test run that ``kill -9`` ends leaves no server behind."""
    with Process(*python("-c", ORPHANS), log=tmp_path / "log", cwd=ROOT) as run:
        line = run.wait_for_line(r"^folders (\S+) (\S+)$", timeout=30)
        folders = [Path(folder) for folder in line.groups()]
        assert all(living_in(folder) for folder in folders)

        os.kill(run.pid, signal.SIGKILL)

        run.wait()
        eventually(lambda: not any(living_in(folder) for folder in folders))
    for folder in folders:
        shutil.rmtree(folder)
