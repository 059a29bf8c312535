"""Locks: never two holders, and an error after a loss."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from modern_flask.redis import (
    LockLost,
    LockTaken,
    NoLock,
    UnknownPlaceholder,
    current_fencing_token,
    hold,
    make_synchronized,
)
from modern_flask.redis.errors import (
    CHECK_TOKEN,
    READ_TOKEN_INSIDE,
    USE_PARAMETER,
    WAIT_LONGER,
)
from modern_flask.redis.lock import FencedLock, make_fence_key
from modern_flask.redis.synchronized import SynchronizedDecorator
from tests.servers.eventually import eventually
from tests.servers.processes import Process, python
from tests.servers.redis import RedisServer


@pytest.fixture
def synchronized(client: Redis) -> SynchronizedDecorator:
    return make_synchronized(lambda: client)


class Holders:
    """Who is inside now, and how many there were at most."""

    def __init__(self) -> None:
        self.now = self.most = self.total = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self.now -= 1


def test_never_two_holders(synchronized: SynchronizedDecorator, client: Redis) -> None:
    """Threads that work longer than the lock's timeout never work at once."""
    holders = Holders()
    nobody = threading.Event()

    # A holder that can't run for two thirds of the timeout would lose it in earnest.
    @synchronized("orders", timeout=3, sleep=0.01, blocking_timeout=60)
    def work() -> None:
        with holders:
            nobody.wait(3.2)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: work(), range(2)))

    assert (holders.total, holders.most) == (2, 1)
    assert not client.exists("orders")


def test_taken_lock_is_an_error(
    synchronized: SynchronizedDecorator, client: Redis
) -> None:
    """The error names the lock that was not free in time; the work does not begin."""
    began = []

    @synchronized("orders", blocking_timeout=0.2)
    def work() -> None:
        began.append(True)

    with hold(client, "orders"), pytest.raises(LockTaken) as fault:
        work()

    assert began == []
    assert str(fault.value) == (
        f'The lock "orders" was not free within 0.2 s.\n  fix      {WAIT_LONGER}'
    )


def test_waiting_may_be_declined(client: Redis) -> None:
    """``blocking=False`` tries once."""
    with (
        hold(client, "orders"),
        pytest.raises(LockTaken, match="within 0 s"),
        hold(client, "orders", blocking=False),
    ):
        pass


def test_lock_excludes_the_librarys_own(client: Redis) -> None:
    """A lock of redis-py with the same name excludes the kit's lock, and vice versa."""
    with (
        client.lock("orders", timeout=10),
        pytest.raises(LockTaken),
        hold(client, "orders", blocking=False),
    ):
        pass

    with hold(client, "orders"):
        assert not client.lock("orders").acquire(blocking=False)


def test_lock_is_free_after_an_error(
    synchronized: SynchronizedDecorator, client: Redis
) -> None:
    """The caller gets the error of the work, and the lock is free."""

    @synchronized("orders")
    def work() -> None:
        raise LookupError("sold out")

    with pytest.raises(LookupError, match="sold out"):
        work()

    assert not client.exists("orders")


@pytest.mark.parametrize("thief", [None, "another holder"])
def test_lost_lock_is_an_error(
    synchronized: SynchronizedDecorator, client: Redis, thief: str | None
) -> None:
    """If the lock was deleted or taken, the caller gets an error."""

    @synchronized("orders", timeout=1.5)
    def work() -> None:
        client.delete("orders")
        if thief:
            client.set("orders", thief)
        eventually(lost)

    with pytest.raises(LockLost) as fault:
        work()

    assert str(fault.value) == (
        'The lock "orders" was lost before the work was done: '
        "it expired or was deleted, and may have been taken.\n"
        f"  fix      {CHECK_TOKEN}"
    )
    assert client.get("orders") == (thief.encode() if thief else None)


def lost() -> bool:
    try:
        current_fencing_token()
    except LockLost:
        return True
    return False


def test_loss_at_the_last_moment_is_an_error(
    synchronized: SynchronizedDecorator, client: Redis
) -> None:
    """If the lock is gone at its release, the caller gets an error."""

    @synchronized("orders")
    def work() -> None:
        client.delete("orders")

    with pytest.raises(LockLost, match="before it was released"):
        work()


def test_error_wins_over_the_loss(
    synchronized: SynchronizedDecorator, client: Redis
) -> None:
    """If the work fails and the lock is lost, the caller gets the error of the work."""

    @synchronized("orders")
    def work() -> None:
        client.delete("orders")
        raise LookupError("sold out")

    with pytest.raises(LookupError):
        work()


def test_silent_redis_loses_the_lock(
    client_of: Callable[..., Redis],
    private_server: Callable[[type[RedisServer]], RedisServer],
) -> None:
    """A holder that Redis did not confirm in time knows that it may not be alone."""
    server = private_server(RedisServer)
    client = client_of(url=server.url, socket_timeout=1)
    synchronized = make_synchronized(lambda: client)

    @synchronized("orders", timeout=2)
    def work() -> None:
        server.pause()
        eventually(lost)

    with pytest.raises(LockLost, match="Redis did not confirm it in time"):
        work()


def test_tokens_only_rise(synchronized: SynchronizedDecorator, client: Redis) -> None:
    """Each new holder has a higher token, even if Redis has deleted the last one."""
    seen = []

    @synchronized("orders")
    def work() -> None:
        seen.append(current_fencing_token())

    work()
    work()
    client.delete(make_fence_key("orders"))
    work()

    assert seen[0] < seen[1] < seen[2]


def test_tokens_rise_when_the_clock_goes_back(client: Redis) -> None:
    """A token is one more than the last if the clock is behind it."""
    client.set(make_fence_key("orders"), 9_000_000_000_000_000)

    with hold(client, "orders") as held:
        assert held.fencing_token == 9_000_000_000_000_001


def test_no_timeout_is_the_default_one(
    synchronized: SynchronizedDecorator, client: Redis
) -> None:
    """``timeout=None``, the default of redis-py's lock, means the default timeout."""

    @synchronized("report", timeout=None, blocking_timeout=None)
    def report() -> int:
        return int(client.pttl("report"))  # type: ignore[arg-type]

    left = report()

    assert 25_000 < left <= 30_000


def test_token_is_passed_as_a_parameter(synchronized: SynchronizedDecorator) -> None:
    """A parameter with the name ``fencing_token`` gets the token."""

    @synchronized("orders")
    def work(order: int, fencing_token: int = 0) -> bool:
        return fencing_token == current_fencing_token()

    assert work(7)


def test_inner_lock_has_the_token(client: Redis) -> None:
    """The current token is that of the innermost lock."""
    with hold(client, "orders") as outer:
        with hold(client, "customers") as inner:
            assert current_fencing_token() == inner.fencing_token
        assert current_fencing_token() == outer.fencing_token


def test_no_lock_no_token() -> None:
    """Reading the token without a lock is an error."""
    with pytest.raises(NoLock) as fault:
        current_fencing_token()

    assert str(fault.value) == (
        "No lock is held here, so there is no fencing token.\n"
        f"  fix      {READ_TOKEN_INSIDE}"
    )


def test_name_is_filled_from_the_call(
    synchronized: SynchronizedDecorator, client: Redis
) -> None:
    """Calls with different arguments hold different locks."""

    @synchronized("orders:{shop}:{order}:{{x}}")
    def work(order: int, shop: str = "main") -> list[str]:
        keys: Any = client.keys("orders*[^e]")
        return [key.decode() for key in keys]

    assert work(7) == ["orders:main:7:{x}"]
    assert work(order=8, shop="north") == ["orders:north:8:{x}"]


def test_unknown_placeholder_is_an_error_at_once(
    synchronized: SynchronizedDecorator,
) -> None:
    """A placeholder that is not a parameter is an error of the decorator."""

    def work(order: int) -> None: ...

    with pytest.raises(UnknownPlaceholder) as fault:
        synchronized("orders:{ordr}")(work)

    name = f"{__name__}.test_unknown_placeholder_is_an_error_at_once.<locals>.work"
    assert str(fault.value) == (
        'The name of the lock "orders:{ordr}" has the placeholder `ordr`, '
        f"which is not a parameter of {name}.\n"
        f"  fix      {USE_PARAMETER}"
    )


HOLDING = """
import sys
from modern_flask.redis import LockLost, hold, open_redis

client = next(open_redis({"url": sys.argv[1]}))
try:
    with hold(client, "orders", timeout=0.6) as held:
        print("holding", held.fencing_token, flush=True)
        while not client.blpop("go on", timeout=1):
            pass
except LockLost as lost:
    print("lost", flush=True)
"""


@pytest.fixture
def holder(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    """Another process that holds the lock ``orders``."""
    script = tmp_path / "holding.py"
    script.write_text(HOLDING)
    with Process(*python(script, redis_url), log=tmp_path / "log") as process:
        yield process


def test_dead_holder_is_outlasted(holder: Process, client: Redis) -> None:
    """The lock of a process that was killed is free after its timeout."""
    first = int(holder.wait_for_line(r"holding (\d+)")[1])
    holder.kill()

    with hold(client, "orders", blocking_timeout=60) as held:
        assert held.fencing_token > first


def test_frozen_holder_knows_its_loss(holder: Process, client: Redis) -> None:
    """A process that was frozen for too long has lost its lock."""
    first = int(holder.wait_for_line(r"holding (\d+)")[1])
    holder.freeze()

    with hold(client, "orders", blocking_timeout=60) as held:
        holder.thaw()
        client.rpush("go on", "now")
        holder.wait_for_line("lost")

    assert held.fencing_token > first


def test_fence_stays_in_the_locks_slot() -> None:
    """In a cluster, both keys have the same part in braces."""
    assert make_fence_key("orders") == "{orders}:fence"
    assert make_fence_key("{shop}:orders") == "{shop}:orders:fence"


def test_renewal_may_cross_the_release(
    synchronized: SynchronizedDecorator, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal that reaches Redis after the release is not a loss."""
    renewing, released = threading.Event(), threading.Event()
    crossed = []

    def reacquire(lock: FencedLock) -> None:
        renewing.set()
        released.wait(60)
        crossed.append(True)
        raise LockNotOwnedError("released")

    def release(lock: FencedLock) -> None:
        Lock.release(lock)
        released.set()
        eventually(lambda: crossed)

    monkeypatch.setattr(FencedLock, "reacquire", reacquire)
    monkeypatch.setattr(FencedLock, "release", release)

    @synchronized("orders", timeout=1.5)
    def work() -> bool:
        return renewing.wait(60)

    assert work()
    assert not client.exists("orders")
