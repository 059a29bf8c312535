"""Redis clients for the tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

import modern_flask
from modern_flask import App
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


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    """An app with a session and an empty Redis."""
    app = modern_flask.create_app(
        "shop",
        config={"REDIS_URL": redis_url, "SECRET_KEY": "not-a-key", "TESTING": True},
    )
    with app.running():
        yield app


@pytest.fixture
def web(app: App) -> FlaskClient:
    """A client that keeps no cookies."""
    return app.test_client(use_cookies=False)


@pytest.fixture
def number() -> Callable[[], int]:
    """The number of its calls."""
    numbers = count(1)
    return lambda: next(numbers)


@pytest.fixture
def as_user(app: App) -> Callable[[str | None, str], Any]:
    """``as_user("ann", "/")``: the answer to ann; a request of nobody has nothing."""

    def sign(user: str) -> str:
        serializer: Any = app.session_interface
        return str(serializer.get_signing_serializer(app).dumps({"user": user}))

    def get(user: str | None, path: str = "/") -> Any:
        headers = {}
        if user is not None:
            headers["Cookie"] = f"user={user}; session={sign(user)}"
            headers["Authorization"] = f"Bearer {user}"
        return app.test_client(use_cookies=False).get(path, headers=headers).json

    return get
