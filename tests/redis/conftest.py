"""Redis clients for the tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from redis import Redis

from modern_flask.config.values import Origin, Section
from modern_flask.redis import open_redis


@pytest.fixture
def section() -> Callable[..., Section]:
    """``section(host=...)``: keywords as the configuration hands them over."""

    def make(**settings: Any) -> Section:
        values = {f"REDIS_{name.upper()}": value for name, value in settings.items()}
        lines = enumerate(values, start=1)
        origins = {key: Origin("config.py", line) for line, key in lines}
        return Section("REDIS_", values, origins, ["config.py"])

    return make


@pytest.fixture
def client_of() -> Iterator[Callable[..., Redis]]:
    """``client_of(url=...)``: a client that is closed with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            contextmanager(open_redis)(settings)
        )


@pytest.fixture
def client(client_of: Callable[..., Redis], redis_url: str) -> Redis:
    """A client of an empty Redis."""
    return client_of(url=redis_url)
