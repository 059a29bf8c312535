"""Fixtures for every test: real servers, private to one process of the run."""

import gc
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest
from flask.globals import app_ctx

from tests.servers.browser import open_browser
from tests.servers.collectors import OtlpCollector, ZipkinCollector
from tests.servers.mariadb import MariaDB
from tests.servers.missing import CannotRun
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import RedisServer
from tests.servers.rotel import Rotel
from tests.servers.server import check_nothing_is_left

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

T = TypeVar("T")

NOT_RUN = "NOT RUN: "


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to share a named Redis: each test empties it, also while others run.

    PostgreSQL and MariaDB have a database for each test, RabbitMQ has queues.
    """
    if os.environ.get(RedisServer.variable) and config.getoption("numprocesses", None):
        raise pytest.UsageError(
            f"{RedisServer.variable} names one Redis, and several processes would "
            "empty it for each other: run pytest -n 0"
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what was imported and collected out of later garbage collections.

    It is a million objects that live as long as the process, and each ``gc.collect()``
    of a test would take 0.3 s to look at them.
    """
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Hypothesis may be imported only now; it looks for referrers of its objects."""
    gc.unfreeze()


def provided(server: AbstractContextManager[T]) -> Iterator[T]:
    """Run ``server`` as long as a fixture lives, or say that the test did not run."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(server)
        except CannotRun as missing:
            not_run(missing)
        yield running


def not_run(missing: CannotRun) -> NoReturn:
    """End a test that can't have its server.

    The one place where a test is skipped: a machine without the server must still be of
    use. It never goes unseen: CI fails, and elsewhere the last line of a run counts it.
    """
    __tracebackhide__ = True
    if os.environ.get("CI") == "true":
        pytest.fail(f"{NOT_RUN}{missing}", pytrace=False)
    pytest.skip(f"{NOT_RUN}{missing}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Iterator[None]:
    """Report last, and for each server, how many tests did not run."""
    yield
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].partition(NOT_RUN)[2] for report in reports)
    for reason, number in sorted(reasons.items()):
        if reason:
            tests = "1 test needs" if number == 1 else f"{number} tests need"
            terminalreporter.write_line(f"{NOT_RUN}{tests} {reason}", yellow=True)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No process of a server outlives the run. Set up first, so torn down last."""
    yield
    check_nothing_is_left()


@pytest.fixture(autouse=True)
def no_context_left() -> Iterator[None]:
    """No test leaves an app context behind for the next one."""
    yield
    assert not app_ctx, "an app context is still pushed"


@pytest.fixture(autouse=True)
def rules_do_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of the check that fails is an error here; a service only logs it."""

    def fail(rule: str) -> NoReturn:
        raise AssertionError(f"the rule {rule} failed")

    monkeypatch.setattr("modern_flask.wiring.checks.run._report_failure", fail)


@pytest.fixture
def private_server() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """``private_server(RedisServer)``: a server that the test may kill at will."""
    with ExitStack() as stack:

        def start(make: Callable[[], AbstractContextManager[T]]) -> T:
            try:
                return stack.enter_context(make())
            except CannotRun as missing:
                not_run(missing)

        yield start


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The process's Redis. It holds what the last test left: see redis_url."""
    yield from provided(RedisServer())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The process's PostgreSQL; ``database()`` makes an empty database."""
    yield from provided(PostgreSQL())


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """The process's RabbitMQ. It takes 7 s to start: tests share it, by own queues."""
    yield from provided(RabbitMQ())


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """The process's MariaDB; ``database()`` makes an empty database."""
    yield from provided(MariaDB())


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    redis_server.heal()
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> str:
    """An empty PostgreSQL database."""
    postgresql.heal()
    return postgresql.database()


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ) -> str:
    """A RabbitMQ that runs; queues of earlier tests are still there."""
    rabbitmq.heal()
    return rabbitmq.url


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> str:
    """An empty MariaDB database."""
    mariadb.heal()
    return mariadb.database()


@pytest.fixture
def zipkin() -> Iterator[ZipkinCollector]:
    """A Zipkin that keeps the spans it is sent."""
    with ZipkinCollector() as collector:
        yield collector


@pytest.fixture
def otlp() -> Iterator[OtlpCollector]:
    """An OTLP collector that keeps the spans it is sent."""
    with OtlpCollector() as collector:
        yield collector


@pytest.fixture
def rotel() -> Iterator[Rotel]:
    """A real OTLP collector that prints the spans it is sent."""
    yield from provided(Rotel())


@pytest.fixture
def browser() -> "Iterator[Chrome]":
    """A headless Chromium with an empty profile."""
    yield from provided(open_browser())


@pytest.fixture(scope="session")
def proof_size(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """``proof_size(1000)``: all of it under ``pytest -m proof``, else a tenth."""
    full = selects_proofs(pytestconfig.option.markexpr)
    return lambda size: size if full else max(1, size // 10)


def selects_proofs(expression: str) -> bool:
    """Whether ``-m`` selects proofs by name; ``not proof`` does not."""
    return bool(re.search(r"(?<!not )\bproof\b", expression))
