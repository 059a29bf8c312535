"""A pytest plugin: fixtures for a service's tests, based on its own ``app`` fixture.

pytest loads it by its entry point; a fixture of the same name in the service's
``conftest.py`` wins. A fixture imports its dependencies when a test requests it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from .errors import ConnectionsLeft

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

    from .tasks import TaskRunner


@pytest.fixture
def container(app: Flask) -> Any:
    """The app's container."""
    from ..wiring import get_container

    return get_container(app)


@pytest.fixture
def override(container: Any) -> Iterator[Callable[..., None]]:
    """Override providers, as in ``override(storage=fake)``, until the test ends."""
    from .overrides import overriding

    with ExitStack() as stack:

        def apply(**doubles: Any) -> None:
            stack.enter_context(overriding(container, **doubles))

        yield apply


@pytest.fixture
def session(container: Any) -> Iterator[Session]:
    """Open a session in the transaction of the app's sessions, which is rolled back.

    It sees all commits of views and tasks, and the end of the test undoes them. Flush
    the changes that a view should see.
    """
    from .transactions import share_transaction

    with share_transaction(container) as session:
        yield session


@pytest.fixture
def tasks(app: Flask) -> Iterator[TaskRunner]:
    """Run the tasks of the test and the tasks that the app sends in this process."""
    from .tasks import run_tasks_here

    with run_tasks_here(app) as runner:
        yield runner


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail the test if it leaves connections checked out."""
    yield
    found = getattr(item, "funcargs", {})
    app: Any = found.get("app")
    if "modern_flask" not in getattr(app, "extensions", ()):
        return
    from .transactions import count_connections

    # The fixture `session` releases its connection after the test.
    number = count_connections(app) - ("session" in found)
    if number > 0:
        raise ConnectionsLeft(number)
