"""The client: keywords, errors, and limits with a real Redis that fails."""

import logging
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.connection import SSLConnection
from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError

from modern_flask.config.values import Section
from modern_flask.errors import UnknownSetting
from modern_flask.redis import (
    BadNumber,
    BadRedisUrl,
    BudgetRetry,
    SingleConnection,
    open_redis,
    ping,
)
from modern_flask.redis.errors import REMOVE_SINGLE_CONNECTION, WRITE_URL
from tests.servers.eventually import eventually
from tests.servers.processes import python
from tests.servers.redis import RedisServer

Sections = Callable[..., Section]
ClientOf = Callable[..., Redis]
OwnServer = Callable[[type[RedisServer]], RedisServer]


def options(client: Redis) -> dict[str, Any]:
    return dict(client.connection_pool.connection_kwargs)


def test_waits_are_bounded(client_of: ClientOf) -> None:
    """By default connecting takes 1 s, an answer 2 s, and retries 3 s at most."""
    asked = options(client_of(host="cache", port=6380))

    assert (asked["host"], asked["port"]) == ("cache", 6380)
    assert asked["socket_connect_timeout"] == 1
    assert asked["socket_timeout"] == 2
    assert asked["health_check_interval"] == 30
    assert asked["retry"] == BudgetRetry(3)


def test_own_keywords_win(client_of: ClientOf) -> None:
    """The configuration overrides each default."""
    client = client_of(
        host="cache", socket_timeout=9, retry=None, health_check_interval=0
    )

    asked = options(client)

    assert (asked["socket_timeout"], asked["socket_connect_timeout"]) == (9, 1)
    assert (asked["retry"], asked["health_check_interval"]) == (None, 0)


def test_url_wins(client_of: ClientOf) -> None:
    """The parts of a URL override keywords and defaults."""
    url = "rediss://shop:pass%40word@cache:6390/3?socket_timeout=4"

    client = client_of(url=url, host="other", db=1, socket_connect_timeout=5)

    asked = options(client)
    assert client.connection_pool.connection_class is SSLConnection
    assert (asked["host"], asked["port"], asked["db"]) == ("cache", 6390, 3)
    assert (asked["username"], asked["password"]) == ("shop", "pass@word")
    assert (asked["socket_timeout"], asked["socket_connect_timeout"]) == (4, 5)


def test_text_of_a_number(client_of: ClientOf) -> None:
    """A number may be a text, and None has the meaning of redis-py."""
    client = client_of(
        port="6380", db="2", socket_timeout="0.5", health_check_interval="9"
    )
    endless = client_of(host="cache", socket_timeout=None)

    asked = options(client)

    assert (asked["port"], asked["db"]) == (6380, 2)
    assert (asked["socket_timeout"], asked["health_check_interval"]) == (0.5, 9)
    assert options(endless)["socket_timeout"] is None


PORT = "REDIS_PORT is not a port from 1 to 65535."


@pytest.mark.parametrize(
    ("settings", "what", "example"),
    [
        # What Kubernetes sets for a Service that is called redis.
        ({"port": "tcp://1.2.3.4:6379"}, PORT, "6379"),
        ({"port": 65536}, PORT, "6379"),
        ({"port": 6379.5}, PORT, "6379"),
        ({"port": True}, PORT, "6379"),
        ({"port": None}, PORT, "6379"),
        ({"db": "shop"}, "REDIS_DB is not the number of a database.", "0"),
        (
            {"socket_timeout": "x"},
            "REDIS_SOCKET_TIMEOUT is not a number of seconds.",
            "2",
        ),
        (
            {"socket_connect_timeout": 0},
            "REDIS_SOCKET_CONNECT_TIMEOUT is not a number of seconds.",
            "1",
        ),
        (
            {"health_check_interval": [30]},
            "REDIS_HEALTH_CHECK_INTERVAL is not a number of seconds.",
            "30",
        ),
    ],
)
def test_value_that_is_no_number(
    section: Sections, settings: dict[str, Any], what: str, example: str
) -> None:
    """A wrong number is an error when the client opens, not at the first command."""
    with pytest.raises(BadNumber) as fault:
        next(open_redis(section(**settings)))

    assert str(fault.value) == (
        f"{what}\n"
        "  set in   config.py, line 1\n"
        f"  fix      use a number such as {example}, or remove the key"
    )


def test_port_beside_a_url(client_of: ClientOf) -> None:
    """A key that the URL overrides is not checked."""
    asked = options(client_of(url="redis://cache:6390", port="tcp://1.2.3.4:6379"))

    assert asked["port"] == 6390


def test_unix_socket(client_of: ClientOf) -> None:
    """A URL may name a socket in the file system."""
    asked = options(client_of(url="unix:///run/redis.sock?db=2"))

    assert (asked["path"], asked["db"]) == ("/run/redis.sock", 2)


def test_unknown_keyword(section: Sections) -> None:
    """The error about an unknown keyword has the nearest keys."""
    with pytest.raises(UnknownSetting) as fault:
        next(open_redis(section(host="cache", sockt_timeout=2)))

    assert str(fault.value) == (
        "REDIS_SOCKT_TIMEOUT is not a known setting.\n"
        "  set in   config.py, line 2\n"
        "  did you mean  REDIS_SOCKET_TIMEOUT or REDIS_SOCKET_CONNECT_TIMEOUT"
    )


def test_unknown_query_option(section: Sections) -> None:
    """The error about an unknown option in the URL has the nearest options."""
    with pytest.raises(UnknownSetting) as fault:
        next(open_redis(section(url="redis://:password@cache?max_connection=5")))

    assert str(fault.value) == (
        "REDIS_URL?max_connection is not a known setting.\n"
        "  set in   config.py, line 1\n"
        "  did you mean  REDIS_URL?max_connections or REDIS_URL?connection_pool"
    )


@pytest.mark.parametrize(
    "url",
    [
        "cache:6379",
        "http://:password@cache",
        "redis://:pass/word@cache:6379/0",
        "redis://:pa?zzword=1@cache:6379/0",
        "redis://cache?db=password",
    ],
)
def test_unreadable_url_shows_the_shape(section: Sections, url: str) -> None:
    """The error about a malformed URL has the key and the form, but not the URL."""
    with pytest.raises(BadRedisUrl) as fault:
        next(open_redis(section(url=url)))

    assert fault.value.__suppress_context__ or fault.value.__context__ is None
    assert str(fault.value) == (
        "REDIS_URL is not a Redis URL.\n"
        "  set in   config.py, line 1\n"
        f"  fix      {WRITE_URL}"
    )


def test_single_connection_is_refused(section: Sections) -> None:
    """One connection for all threads gives wrong answers, so it is not allowed."""
    with pytest.raises(SingleConnection) as fault:
        next(open_redis(section(single_connection_client=True)))

    assert str(fault.value) == (
        "REDIS_SINGLE_CONNECTION_CLIENT = True makes all threads share one connection, "
        "so they would read each other's answers.\n"
        "  set in   config.py, line 1\n"
        f"  fix      {REMOVE_SINGLE_CONNECTION}"
    )


@pytest.mark.parametrize(
    ("retired", "value", "effect"),
    [
        ("charset", "latin-1", "encoding replaces it"),
        ("errors", "replace", "encoding_errors replaces it"),
        ("retry_on_timeout", True, "retry_on_error with TimeoutError replaces it"),
        ("retry_on_timeout", False, "it has no effect"),
        ("lib_name", "orders", "driver_info replaces it"),
        ("auto_close_connection_pool", True, "it has no effect"),
    ],
)
def test_retired_keyword_is_logged(
    section: Sections,
    caplog: pytest.LogCaptureFixture,
    retired: str,
    value: Any,
    effect: str,
) -> None:
    """A keyword of an older redis-py is replaced or dropped, with a warning."""
    opened = open_redis(section(**{retired: value}))

    with caplog.at_level(logging.WARNING):
        next(opened)
    opened.close()

    assert caplog.messages == [
        f"REDIS_{retired.upper()} is retired in redis-py; {effect}."
    ]


def test_retired_keywords_are_mapped(client_of: ClientOf) -> None:
    """A retired keyword still has its effect."""
    client = client_of(
        charset="latin-1",
        errors="replace",
        retry_on_timeout=True,
        lib_name="orders",
        lib_version="2",
    )

    asked = options(client)

    assert (asked["encoding"], asked["encoding_errors"]) == ("latin-1", "replace")
    assert asked["retry_on_error"] == [TimeoutError]
    assert asked["driver_info"].formatted_name == "orders"
    assert asked["driver_info"].lib_version == "2"


def test_password_is_never_shown(client_of: ClientOf) -> None:
    """The client and the error of a lost server do not show the password."""
    client = client_of(
        url="redis://:password-of-shop@127.0.0.1:1/0", retry=BudgetRetry(0)
    )

    with pytest.raises(ConnectionError) as failure:
        client.get("tea")

    assert "password-of-shop" not in f"{client!r}{failure.value}"


def test_closing_closes_connections(redis_url: str, client: Redis) -> None:
    """Closing the generator leaves no connection on the server."""
    opened = open_redis({"url": redis_url, "client_name": "to-be-closed"})
    next(opened).ping()

    opened.close()

    eventually(
        lambda: "to-be-closed" not in {each["name"] for each in client.client_list()}
    )


def test_frozen_redis_counts_once(
    client_of: ClientOf, private_server: OwnServer
) -> None:
    """A Redis that freezes fails a command in 2 s, and never runs it twice."""
    server = private_server(RedisServer)
    client = client_of(url=server.url)
    client.ping()
    server.pause()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        client.incr("orders")

    # Without the bound it would wait for ever.
    assert 1.5 < time.monotonic() - began < 15
    server.resume()
    eventually(lambda: client.get("orders") is not None)
    assert client.get("orders") == b"1"


def test_killed_redis_is_an_error_in_time(
    client_of: ClientOf, private_server: OwnServer
) -> None:
    """A Redis that is gone fails a command once the budget of 3 s is spent."""
    server = private_server(RedisServer)
    client = client_of(url=server.url)
    client.ping()
    server.kill()
    began = time.monotonic()

    with pytest.raises(ConnectionError):
        client.incr("orders")

    assert 2 < time.monotonic() - began < 15


def test_restart_is_outlasted(client_of: ClientOf, private_server: OwnServer) -> None:
    """A command that comes while Redis restarts is answered, and runs once."""
    server = private_server(RedisServer)
    client = client_of(url=server.url, retry=BudgetRetry(20))
    client.incr("orders")
    server.stop()

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.incr, "orders")
        server.start()

        assert answer.result() == 2
    assert client.get("orders") == b"2"


def test_wrong_password_is_an_error_at_once(
    client_of: ClientOf, private_server: OwnServer
) -> None:
    """A password that Redis refuses is not retried."""
    server = private_server(RedisServer)
    client_of(url=server.url).config_set("requirepass", "right")
    client = client_of(url=server.url, password="wrong", retry=BudgetRetry(60))
    began = time.monotonic()

    with pytest.raises(AuthenticationError):
        client.ping()

    assert time.monotonic() - began < 30


def test_ping_needs_no_pool(client_of: ClientOf, redis_url: str) -> None:
    """A pool whose connections are all in use is not a Redis that is down."""
    client = client_of(url=redis_url, max_connections=1)

    with client.monitor():
        ping(client, timeout=60)


def test_ping_leaves_no_connection(
    client: Redis, client_of: ClientOf, redis_url: str
) -> None:
    """A ping's connection is closed when it returns."""
    asked = client_of(url=redis_url, client_name="pinged")

    ping(asked, timeout=60)

    eventually(lambda: "pinged" not in {each["name"] for each in client.client_list()})


def test_ping_of_a_frozen_redis_ends(
    client_of: ClientOf, private_server: OwnServer
) -> None:
    """A ping of a Redis that accepts and never answers ends before the deadline."""
    server = private_server(RedisServer)
    client = client_of(url=server.url, socket_timeout=60, socket_connect_timeout=60)
    server.pause()
    began = time.monotonic()

    with pytest.raises(TimeoutError):
        ping(client, timeout=1)

    # Nothing but the deadline ends it before the client's own 60 s.
    assert time.monotonic() - began < 30


def test_ping_of_an_absent_redis_fails_at_once(client_of: ClientOf) -> None:
    """A ping does not wait for Redis to come back."""
    client = client_of(url="redis://127.0.0.1:1/0", retry=BudgetRetry(60))
    began = time.monotonic()

    with pytest.raises(ConnectionError):
        ping(client, timeout=60)

    assert time.monotonic() - began < 30


FORKING = """
import os, sys
from modern_flask.redis import open_redis

client = next(open_redis({"url": sys.argv[1]}))
client.incr("orders")
child = os.fork()
me = "child" if child == 0 else "parent"
for number in range(200):
    assert client.echo(f"{me} {number}") == f"{me} {number}".encode()
    client.incr("orders")
if child == 0:
    os._exit(0)
_, status = os.wait()
print(status, client.get("orders").decode())
"""


def test_forked_child_has_its_own_connections(redis_url: str, tmp_path: Path) -> None:
    """Parent and child use one client at the same time, and each gets its answers."""
    script = tmp_path / "forking.py"
    script.write_text(FORKING)
    command = python("-W", "error", script, redis_url)

    done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert done.stdout == "0 401\n", done.stderr
