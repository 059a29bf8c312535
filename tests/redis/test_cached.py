"""``cached``: one call computes, the others wait or get the expired result."""

import gc
import inspect
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import pytest
from dependency_injector.wiring import Provide, inject
from redis import Redis
from redis.exceptions import ConnectionError

from modern_flask.redis import BudgetRetry, Cache, NotCacheable, make_cached
from modern_flask.redis import outage as outage_module
from modern_flask.redis.cached import CachedDecorator
from modern_flask.redis.errors import RETURN_JSON
from modern_flask.waiting import Deadline
from tests.servers.eventually import eventually
from tests.servers.redis import RedisServer

ClientOf = Callable[..., Redis]


class Counted:
    """Answers, and how often they were computed."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def count(self) -> int:
        with self._lock:
            self.calls += 1
            return self.calls


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def cached(client: Redis) -> CachedDecorator:
    return make_cached(lambda: client)


def test_answer_is_computed_once(cached: CachedDecorator, counted: Counted) -> None:
    """The second call with the same arguments gets the first one's answer."""

    @cached(60, "orders", "total")
    def total(order: int) -> dict[str, int]:
        return {"order": order, "call": counted.count()}

    assert total(7) == total(order=7) == {"order": 7, "call": 1}
    assert total(8) == {"order": 8, "call": 2}


def test_forty_threads_compute_once(cached: CachedDecorator, counted: Counted) -> None:
    """If there is no value, forty threads wait for the one that computes it."""
    release = threading.Event()

    @cached(60)
    def slow() -> int:
        release.wait(10)
        return counted.count()

    with ThreadPoolExecutor(40) as threads:
        answers = [threads.submit(slow) for _ in range(40)]
        eventually(lambda: sum(each.running() for each in answers) == 40)
        release.set()

        assert {each.result() for each in answers} == {1}


def test_expired_answer_is_served_while_one_computes(
    cached: CachedDecorator, counted: Counted
) -> None:
    """If the value has expired, one thread computes and no thread waits for it."""
    release, computing = threading.Event(), threading.Event()

    @cached(timedelta(seconds=0.2), stale=60)
    def slow() -> int:
        call = counted.count()
        if call > 1:
            computing.set()
            release.wait(10)
        return call

    first = slow()
    with ThreadPoolExecutor(1) as threads:
        second = eventually(lambda: expired(threads, slow, computing))
        stale = slow()
        release.set()

        assert (first, stale, second.result()) == (1, 1, 2)


def expired(
    threads: ThreadPoolExecutor, call: Callable[[], Any], computing: Any
) -> Any:
    """A call that computes, once the answer has expired."""
    answer = threads.submit(call)
    eventually(lambda: answer.done() or computing.is_set())
    return answer if computing.is_set() else None


def test_answer_is_gone_in_the_end(cached: CachedDecorator, client: Redis) -> None:
    """Redis deletes a result when its stale time is over."""

    @cached(10, "tea")
    def tea() -> str:
        return "green"

    tea()

    assert 10 < client.ttl("cache.tea()") <= 20


@pytest.mark.parametrize(
    "answer",
    [
        *(None, False, 0, "", "!", [], {"a": [1, None, "ü"]}, ({"reason": "no"}, 404)),
        *((1, "a"), b"", b"\x00!\xff", (b"\xff", (1, None)), {"bytes": "YQ=="}),
    ],
)
def test_answers_come_back_as_they_went(
    cached: CachedDecorator, counted: Counted, answer: Any
) -> None:
    """``None`` is a result too, and the tuple of a view stays a tuple."""

    @cached(60)
    def view() -> Any:
        counted.count()
        return answer

    first, second = view(), view()

    assert (first, second, counted.calls) == (answer, answer, 1)
    assert type(second) is type(answer)


def test_first_answer_is_what_json_makes_of_it(cached: CachedDecorator) -> None:
    """The call that computes returns the same value as all later calls."""

    @cached(60)
    def prices() -> dict[Any, Any]:
        return {1: (2, 3)}

    assert prices() == prices() == {"1": [2, 3]}


def test_arguments_are_distinguished_by_type(
    cached: CachedDecorator, counted: Counted
) -> None:
    """1, "1" and True have different keys."""

    @cached(60)
    def total(order: Any) -> int:
        return counted.count()

    assert [total(1), total("1"), total(True), total(1)] == [1, 2, 3, 1]


def test_injected_arguments_make_no_difference(
    cached: CachedDecorator, counted: Counted
) -> None:
    """The dependencies of a view are injected, and are not part of the key."""

    @cached(60)
    @inject
    def view(order: int, session: Annotated[object, Provide["session"]]) -> int:
        assert session is not None
        return counted.count()

    assert view(order=7, session=object()) == view(order=7, session=object()) == 1
    view.invalidate(order=7)
    assert view(order=7, session=object()) == 2


def test_predecessors_form_is_at_hand(
    cached: CachedDecorator, counted: Counted
) -> None:
    """``by_arguments=False`` keeps one answer for all arguments."""

    @cached(10, "a", "b", by_arguments=False)
    def total(order: int) -> int:
        return counted.count()

    assert (total(1), total(2)) == (1, 1)
    assert total.key(1) == "cache.a.b"
    total.invalidate(7)
    assert (total(1), total.refresh(2), total(1)) == (2, 3, 3)


PLAIN = [
    (
        {"name": "tür", "sizes": [1, 2.5, None]},
        {"name": "tür", "sizes": [1, 2.5, None]},
    ),
    ({1: (2, 3)}, {"1": [2, 3]}),
    ((1, "a"), [1, "a"]),
    ("tür", "tür"),
    (None, None),
    (0, 0),
]
"""Results of a function, and what modern-flask 202207b1 read of them."""


@pytest.mark.parametrize(("value", "read"), PLAIN)
def test_predecessor_reads_what_is_kept(
    cached: CachedDecorator, client: Redis, value: Any, read: Any
) -> None:
    """202207b1 stored ``json.dumps(value)`` for ``ex`` seconds, and read that."""

    @cached(10, "a", 1, by_arguments=False, stale=60)
    def total(order: int) -> Any:
        return value

    assert total(7) == read
    assert client.keys() == [b"cache.a.1"]
    assert client.get("cache.a.1") == json.dumps(value).encode()
    assert 9 <= client.ttl("cache.a.1") <= 10


@pytest.mark.parametrize(("value", "read"), PLAIN)
def test_what_the_predecessor_keeps_is_read(
    cached: CachedDecorator, client: Redis, counted: Counted, value: Any, read: Any
) -> None:
    """A service of both versions shares the results while it is deployed."""
    client.set("cache.a.1", json.dumps(value), ex=10)

    @cached(10, "a", 1, by_arguments=False)
    def total() -> Any:
        return counted.count()

    assert total() == read
    assert counted.calls == 0


def test_no_key_in_name_is_the_predecessors(cached: CachedDecorator) -> None:
    """An empty key gives 202207b1's key without a name, which all functions share."""

    @cached(10, "", by_arguments=False)
    def total() -> None: ...

    @cached(10, by_arguments=False)
    def other() -> None: ...

    assert total.key() == "cache."
    assert other.key().endswith(
        "test_no_key_in_name_is_the_predecessors.<locals>.other"
    )


def test_function_keeps_its_looks(cached: CachedDecorator) -> None:
    """Name, docstring and signature are those of the function."""

    def total(order: int, currency: str = "EUR") -> int:
        """How much it is."""
        return 1

    decorated = cached(60)(total)

    assert decorated.__name__ == "total"
    assert decorated.__doc__ == "How much it is."
    assert inspect.signature(decorated) == inspect.signature(total)


def test_method_is_cached(cached: CachedDecorator, counted: Counted) -> None:
    """A method can be cached if its instance is not part of the key."""

    class Shop:
        @cached(60, "shop", ignore=["self"])
        def total(self, order: int) -> int:
            return counted.count()

    assert (Shop().total(7), Shop().total(7)) == (1, 1)


def test_invalidate_forgets(cached: CachedDecorator, counted: Counted) -> None:
    """An invalidated result is computed again; others stay."""

    @cached(60)
    def total(order: int) -> int:
        return counted.count()

    total(1)
    total(2)

    total.invalidate(order=1)

    assert (total(1), total(2)) == (3, 2)


def test_refresh_computes_now(cached: CachedDecorator, counted: Counted) -> None:
    """Later calls get the refreshed result."""

    @cached(60)
    def total(order: int) -> int:
        return counted.count()

    total(1)

    assert (total.refresh(1), total(1)) == (2, 2)


def test_error_is_no_answer(cached: CachedDecorator, counted: Counted) -> None:
    """A call that raises leaves nothing behind, and its lock is free at once."""

    @cached(60)
    def flaky() -> int:
        if counted.count() == 1:
            raise LookupError("not yet")
        return counted.calls

    with pytest.raises(LookupError, match="not yet"):
        flaky()

    assert flaky() == 2


def test_answer_that_json_cannot_hold(cached: CachedDecorator, client: Redis) -> None:
    """The error about a result that can't be cached has its key and its type."""

    @cached(60, "orders")
    def orders() -> Any:
        return {"since": time}

    with pytest.raises(NotCacheable) as fault:
        orders()

    assert str(fault.value) == (
        "cache.orders() can't be cached, its value is of the type dict: "
        "Object of type module is not JSON serializable.\n"
        f"  fix      {RETURN_JSON}"
    )
    assert client.keys() == []


def test_text_clients_work(
    client_of: ClientOf, redis_url: str, counted: Counted
) -> None:
    """A client that decodes its answers serves a cache as well."""
    client = client_of(url=redis_url, decode_responses=True)

    @make_cached(lambda: client)(60)
    def name() -> str:
        return f"tür {counted.count()}"

    assert (name(), name()) == ("tür 1", "tür 1")


def test_current_client_is_used_each_time(
    client_of: ClientOf, redis_url: str, counted: Counted
) -> None:
    """A function in two apps has separate results, and keeps no app alive."""
    clients = [Redis.from_url(redis_url, db=0), Redis.from_url(redis_url)]
    clients[1].connection_pool.connection_kwargs["db"] = 1
    # redis.lock.Lock keeps the first client of the process, for the scripts of all.
    clients[0].lock("orders")
    clients[1].flushdb()

    @make_cached(lambda: clients[-1])(60)
    def total() -> int:
        return counted.count()

    answers = [total(), total()]
    ended = weakref.ref(clients.pop())
    answers += [total(), total()]
    gc.collect()

    assert answers == [1, 1, 2, 2]
    assert ended() is None
    clients[0].close()


def test_without_redis_the_function_is_called(
    client_of: ClientOf,
    private_server: Callable[[type[RedisServer]], RedisServer],
    counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A Redis that is down takes one wait, and is used again when it is back."""
    passed = [0.0]
    clock = partial(Deadline, clock=lambda: time.monotonic() + passed[0])
    monkeypatch.setattr(outage_module, "Deadline", clock)
    monkeypatch.setattr(outage_module, "PAUSE", 600)
    server = private_server(RedisServer)
    client = client_of(url=server.url, retry=BudgetRetry(0.2))

    @make_cached(lambda: client)(60)
    def total() -> int:
        return counted.count()

    assert (total(), total()) == (1, 1)
    server.kill()
    with caplog.at_level(logging.WARNING):
        answers = [total() for _ in range(100)]

    assert answers == list(range(2, 102))
    assert caplog.messages == [
        "The cache works without Redis for 600 s: ConnectionError: connection refused."
    ]
    server.start()
    passed[0] = 600.0
    eventually(lambda: total() == total())


def test_invalidate_without_redis_is_an_error(client_of: ClientOf) -> None:
    """If a result can't be deleted, there is an error: calls may still get it."""
    client = client_of(url="redis://127.0.0.1:1/0", retry=BudgetRetry(0))

    @make_cached(lambda: client)(60)
    def total() -> int:
        return 1

    with pytest.raises(ConnectionError):
        total.invalidate()


def test_lock_of_a_dead_caller_is_waited_for_no_longer(
    cached: CachedDecorator, client: Redis, counted: Counted
) -> None:
    """If the computing caller has died, the others go on after its timeout."""

    @cached(60, "tea", lock_timeout=0.3)
    def tea() -> int:
        return counted.count()

    client.set("lock:cache.tea()", "of the dead", px=60_000)

    assert tea() == 1


def test_computing_longer_than_the_lock_is_no_error(
    cached: CachedDecorator, client: Redis
) -> None:
    """A result is valid even if the lock of the computing caller has expired."""

    @cached(60, "tea", lock_timeout=0.1)
    def tea() -> str:
        eventually(lambda: not client.exists("lock:cache.tea()"))
        return "green"

    assert tea() == "green"


def test_cache_alone(client: Redis) -> None:
    """A cache can be used without the decorator."""
    cache = Cache(client)

    assert cache.get_or_create("tea", lambda: "green") == "green"
    assert cache.get_or_create("tea", lambda: "black") == "green"
    assert cache.set("tea", "white") == "white"
    cache.delete("tea")
    assert cache.get_or_create("tea", lambda: "black") == "black"
