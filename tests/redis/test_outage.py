"""A Redis that is away: cached functions wait for it once, all together."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from redis import Redis
from redis.connection import Connection
from redis.exceptions import ConnectionError

from modern_flask.redis import BudgetRetry, make_cached
from modern_flask.redis import outage as outage_module
from modern_flask.waiting import Deadline
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer

ClientOf = Callable[..., Redis]


class CountedConnection(Connection):
    """A connection that counts how often one was attempted."""

    attempts = 0

    def _connect(self) -> Any:
        CountedConnection.attempts += 1
        return super()._connect()  # type: ignore[no-untyped-call]


@pytest.fixture
def attempts() -> Callable[[], int]:
    """The number of attempts to connect, by clients of :func:`count_attempts`."""
    CountedConnection.attempts = 0
    return lambda: CountedConnection.attempts


def count_attempts(client: Redis) -> Redis:
    client.connection_pool.connection_class = CountedConnection
    return client


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that takes connections; what becomes of them is the test's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def away(listener: socket.socket) -> Iterator[int]:
    """The port of a Redis that closes each connection at once."""

    def close_all() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.close()

    thread = threading.Thread(target=close_all, daemon=True)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def make_functions(client: Redis, number: int = 5) -> list[Callable[[], int]]:
    """``number`` cached functions of one client; each returns how often it ran."""
    cached, functions = make_cached(lambda: client), []
    for index in range(number):
        runs: list[int] = []

        def function(runs: list[int] = runs) -> int:
            runs.append(1)
            return len(runs)

        decorate = cached(60, index, ignore=["runs"], by_arguments=index % 2 == 0)
        functions.append(decorate(function))
    return functions


def test_refused_connection_is_attempted_once(
    client_of: ClientOf, attempts: Callable[[], int]
) -> None:
    """Five cached functions on a Redis that refuses make one attempt together."""
    client = count_attempts(client_of(host="127.0.0.1", port=free_port()))
    functions = make_functions(client)

    answers = [[function() for function in functions] for _ in range(3)]

    assert answers == [[1] * 5, [2] * 5, [3] * 5]
    assert attempts() == 1


def test_lost_connection_is_attempted_once(
    client_of: ClientOf, away: int, attempts: Callable[[], int]
) -> None:
    """The same for a Redis that closes each connection, such as one that starts."""
    functions = make_functions(count_attempts(client_of(host="127.0.0.1", port=away)))

    answers = [function() for function in functions * 2]

    assert answers == [1] * 5 + [2] * 5
    assert attempts() == 1


def test_silent_redis_is_waited_for_once(
    client_of: ClientOf, listener: socket.socket, attempts: Callable[[], int]
) -> None:
    """A Redis that takes a connection and does not answer costs one timeout."""
    port = listener.getsockname()[1]
    client = client_of(host="127.0.0.1", port=port, socket_timeout=0.3)
    functions = make_functions(count_attempts(client))

    answers = [function() for function in functions * 2]

    assert answers == [1] * 5 + [2] * 5
    assert attempts() == 1


def test_one_caller_asks_again_after_the_pause(
    client_of: ClientOf,
    away: int,
    attempts: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others go on without Redis meanwhile."""
    passed = [0.0]
    clock = partial(Deadline, clock=lambda: time.monotonic() + passed[0])
    monkeypatch.setattr(outage_module, "Deadline", clock)
    functions = make_functions(count_attempts(client_of(host="127.0.0.1", port=away)))

    for function in functions:
        function()
    passed[0] += outage_module.PAUSE
    for function in functions:
        function()

    assert attempts() == 2


def test_other_commands_are_still_retried(
    client_of: ClientOf, away: int, attempts: Callable[[], int]
) -> None:
    """Only ``cached`` gives up at once: its caller can do without Redis."""
    retry = BudgetRetry(0.3)
    client = count_attempts(client_of(host="127.0.0.1", port=away, retry=retry))
    (function,) = make_functions(client, 1)
    function()

    with pytest.raises(ConnectionError):
        client.get("a")

    assert attempts() > 2


def test_idle_connection_that_was_lost_is_no_outage(
    client_of: ClientOf,
    private_server: Callable[[type[RedisServer]], RedisServer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Redis that has restarted since the last call is asked again at once."""
    server = private_server(RedisServer)
    (function,) = make_functions(client_of(url=server.url), 1)
    function()
    server.kill()
    server.start()

    with caplog.at_level(logging.WARNING):
        answers = [function(), function()]

    assert answers == [2, 2]
    assert caplog.messages == []
