"""``MemoryRedis``: a Redis for one test, without a server."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from redis import Redis

import modern_flask
from modern_flask.redis import (
    LockLost,
    LockTaken,
    current_fencing_token,
    hold,
    make_cached,
    make_synchronized,
    ping,
)
from modern_flask.testing import MemoryRedis, overriding
from modern_flask.testing.errors import USE_REAL_REDIS, NotInMemory
from tests.servers.eventually import eventually


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> MemoryRedis:
    """A Redis in memory, in a process that can open no connection."""

    def refuse(*_: Any) -> NoReturn:
        raise AssertionError("a connection is opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return MemoryRedis()


@pytest.fixture
def real(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def run_commands(redis: Redis) -> Iterator[Any]:
    """Run every command that both have, and yield what it returns."""
    yield redis.ping()
    yield redis.get("a")
    yield redis.set("a", "tür")
    yield redis.get("a")
    yield redis.set("a", 1, nx=True)
    yield redis.set("b", 2, xx=True)
    yield redis.set("b", 2.5, nx=True, ex=100)
    yield redis.set("a", b"\xff", xx=True, px=100_000)
    yield redis.get("a"), redis.get("b")
    yield redis.ttl("a"), redis.ttl("b"), redis.ttl("c"), redis.pttl("c")
    yield redis.set("ab", ""), redis.ttl("ab"), redis.pttl("ab")
    yield redis.exists("a", "b", "c")
    yield sorted(redis.keys("a*")), sorted(redis.keys()), redis.dbsize()  # type: ignore[type-var]
    yield redis.delete("a", "c"), redis.dbsize()
    yield redis.flushdb(), redis.dbsize(), redis.flushall()


def test_commands_return_what_redis_returns(real: Redis) -> None:
    """Each command has the result that it has with a server."""
    assert list(run_commands(MemoryRedis())) == list(run_commands(real))


def test_value_expires(redis: MemoryRedis) -> None:
    """A value is gone after its time, wherever it is looked for."""
    redis.set("a", "1", px=20)

    eventually(lambda: redis.dbsize() == 0)

    assert (redis.get("a"), redis.exists("a"), redis.pttl("a")) == (None, 0, -2)
    assert redis.set("a", "1", nx=True)


def test_functions_are_cached(redis: MemoryRedis) -> None:
    """Forty threads compute once, and another ``MemoryRedis`` is empty."""
    release, calls = threading.Event(), []
    clients = [redis]

    @make_cached(lambda: clients[-1])(60)
    def slow() -> int:
        release.wait(10)
        calls.append(1)
        return len(calls)

    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(slow) for _ in range(8)]
        release.set()
        assert {each.result() for each in answers} == {1}
    slow.invalidate()
    assert slow() == 2
    clients.append(MemoryRedis())
    assert slow() == 3


def test_calls_are_synchronized(redis: MemoryRedis) -> None:
    """A lock excludes others, is renewed, has a token, and its loss is an error."""
    synchronized = make_synchronized(lambda: redis)
    tokens = []

    @synchronized("orders", timeout=0.3)
    def work(lose: bool = False) -> None:
        tokens.append(current_fencing_token())
        with pytest.raises(LockTaken), hold(redis, "orders", blocking=False):
            pass
        eventually(lambda: (redis.pttl("orders") or 0) < 250)
        eventually(lambda: redis.pttl("orders") > 250)
        if lose:
            redis.delete("orders")

    work()
    with pytest.raises(LockLost):
        work(lose=True)

    assert tokens[0] < tokens[1]
    assert not redis.exists("orders")


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (lambda redis: redis.lpush("a", 1), "LPUSH"),
        (lambda redis: redis.set("a", 1, keepttl=True), "SET KEEPTTL"),
        (lambda redis: redis.eval("return 1", 0), "EVAL"),
        (lambda redis: redis.pipeline().get("a").execute(), "pipelines and subscr"),
        (lambda redis: redis.pubsub().subscribe("a"), "pipelines and subscriptions"),
    ],
)
def test_other_commands_are_an_error(
    redis: MemoryRedis, use: Callable[[Redis], Any], wanted: str
) -> None:
    """The error names the command, and what to use instead."""
    with pytest.raises(NotInMemory) as raised:
        use(redis)

    first, _, second = str(raised.value).partition("\n")
    assert first.startswith(f"MemoryRedis does not have {wanted}")
    assert first.endswith(": it serves cached and synchronized.")
    assert second == f"  fix      {USE_REAL_REDIS}"


def test_app_is_ready_with_it(redis: MemoryRedis) -> None:
    """An override needs no key, is found healthy, and serves the app's functions."""
    ping(redis, 1)
    app = modern_flask.create_app("shop")
    calls = []

    @app.get("/")
    @modern_flask.cached(60)
    def show() -> dict[str, int]:
        calls.append(1)
        return {"calls": len(calls)}

    with overriding(app.container, redis=redis), app.running():
        client = app.test_client()
        answers = [client.get("/").json for _ in range(2)]

        assert client.get("/readyz").status_code == 200
    assert answers == [{"calls": 1}] * 2
