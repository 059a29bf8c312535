"""Servers that somebody else runs, and servers that are not installed."""

import pytest
from redis import Redis

from tests.servers.mariadb import MariaDB
from tests.servers.missing import CannotRun, NotOurs
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import RedisServer


def test_named_server_is_not_ours_to_stop(redis_server, monkeypatch):
    """The server that TEST_REDIS_URL names is used and never stopped."""
    monkeypatch.setenv("TEST_REDIS_URL", redis_server.url)

    with RedisServer() as named:
        with Redis.from_url(named.url) as client:
            assert client.ping()
        for fault in (named.kill, named.pause, named.stop, named.restart):
            with pytest.raises(NotOurs) as refused:
                fault()

    message = "redis is named by TEST_REDIS_URL: it is not ours to stop."
    assert str(refused.value) == message
    assert redis_server.process.returncode is None


def test_databases_in_a_named_server_are_dropped(postgresql, monkeypatch):
    """Our databases are dropped from a server that goes on running."""
    from psycopg import OperationalError, connect

    monkeypatch.setenv("TEST_POSTGRESQL_URL", postgresql.url)

    with PostgreSQL() as named:
        url = named.database().replace("+psycopg", "")
        connect(url).close()

    with pytest.raises(OperationalError, match="does not exist"):
        connect(url)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            RabbitMQ,
            "rabbitmq (rabbitmq-server is not on PATH; "
            "apt-get install rabbitmq-server)",
        ),
        (
            MariaDB,
            "mariadb (mariadbd is not on PATH; apt-get install mariadb-server)",
        ),
    ],
)
def test_missing_binary_is_named(monkeypatch, tmp_path, kind, message):
    """The error for a missing binary says how to install it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotRun) as missing, kind():
        pass

    assert str(missing.value) == message
