"""A pytest plugin: what a service's tests ask for, on the ground of its own ``app``.

It is loaded by its entry point; a fixture of the same name in the service's
``conftest.py`` wins. Nothing is imported until a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

    from .tasks import TaskRunner

__all__ = ["ConnectionsLeft"]


class ConnectionsLeft(AssertionError):
    """A test ended, and connections to the database were not given back."""

    def __init__(self, number: int) -> None:
        self.number = number
        noun = "connection is" if number == 1 else "connections are"
        super().__init__(
            f"{number} {noun} still checked out after the test.\n"
            "  do       close the session, or use it in a request or an app context"
        )


@pytest.fixture
def container(app: Flask) -> Any:
    """The app's container."""
    from ..wiring import get_container

    return get_container(app)


@pytest.fixture
def override(container: Any) -> Iterator[Callable[..., None]]:
    """``override(storage=MemoryStorage())``, until the end of the test."""
    from .overrides import overriding

    with ExitStack() as stack:

        def apply(**doubles: Any) -> None:
            stack.enter_context(overriding(container, **doubles))

        yield apply


@pytest.fixture
def session(container: Any) -> Iterator[Session]:
    """A session beside those of the app, in a transaction that is rolled back.

    What views and tasks commit is seen by it, and undone with it at the end. Flush what
    a view is to see.
    """
    from .transactions import rolled_back

    with rolled_back(container) as session:
        yield session


@pytest.fixture
def tasks(app: Flask) -> Iterator[TaskRunner]:
    """Runs tasks here and now: one by name, and all that are sent meanwhile."""
    from .tasks import running_here

    with running_here(app) as runner:
        yield runner


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count the connections that the test did not give back."""
    yield
    found = getattr(item, "funcargs", {})
    app: Any = found.get("app")
    if "modern_flask" not in getattr(app, "extensions", ()):
        return
    from .transactions import checked_out

    # The connection of the fixture's transaction is given back after the test.
    number = checked_out(app) - ("session" in found)
    if number > 0:
        raise ConnectionsLeft(number)
