"""An injected function reads an open object without a call, and never an old one."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask.testing.overrides import overriding
from modern_flask.wiring import Lifecycle, Opened, get_bound, inject


@inject
def user(engine: Annotated[Any, Provide["engine"]]) -> Any:
    """Returns the object that it is injected with."""
    return engine


class Container(containers.DeclarativeContainer):
    """An engine that depends on a pool."""

    pool = Opened(object)
    engine = Opened(list, providers.List(pool))


@pytest.fixture
def app(service: Callable[..., Flask]) -> Iterator[Flask]:
    app: Flask = service(Container())
    with app.app_context():
        yield app


def test_closed(app: Flask) -> None:
    """After the lifecycle's end, a function receives a new object."""
    bound = get_bound(app)
    first = user()  # type: ignore[call-arg]
    assert user() is first  # type: ignore[call-arg]

    bound.lifecycle.close()

    assert user() is not first  # type: ignore[call-arg]


def test_overridden_dependency(app: Flask) -> None:
    """An override of a dependency gives a new object; the first one returns later."""
    container = get_bound(app).container
    first = user()  # type: ignore[call-arg]

    with overriding(container, pool="double"):
        assert user() == ["double"]  # type: ignore[call-arg]

    assert user() is first  # type: ignore[call-arg]


def test_order_after_an_override(app: Flask, journal: Any) -> None:
    """An object that returns after an override closes in its first order."""

    def opener(name: str) -> Callable[..., Iterator[str]]:
        def open_(*_: Any) -> Iterator[str]:
            yield name
            journal(f"close {name}")

        return open_

    class Ordered(containers.DeclarativeContainer):
        below = Opened(opener("below"))
        above = Opened(opener("above"), below)
        last = Opened(opener("last"), above)

    container: Any = Ordered()
    container.last()
    with overriding(container, below="double"):
        container.above()
    journal.lines.clear()
    Lifecycle(container).close()

    assert journal.lines == ["close last", "close above", "close below"]


def test_overridden_while_it_opens(service: Callable[..., Flask]) -> None:
    """A function receives an override that begins while the object is made."""

    def open_engine() -> str:
        container.engine.override(providers.Object("double"))
        return "engine"

    class Late(containers.DeclarativeContainer):
        engine = Opened(open_engine)

    container: Any = Late()
    with service(container).app_context():
        user()  # type: ignore[call-arg]
        assert user() == "double"  # type: ignore[call-arg]


def test_closed_while_it_is_injected(service: Callable[..., Flask]) -> None:
    """An object that is closed in the moment of its injection is not kept."""

    class Closed(Opened):
        def _open(self, args: Any, kwargs: Any) -> Any:
            made = super()._open(args, kwargs)
            self.shutdown()
            return made

    class Hasty(containers.DeclarativeContainer):
        engine = Closed(list)

    with service(Hasty()).app_context():
        assert user() is not user()  # type: ignore[call-arg]


def test_arguments_of_a_call() -> None:
    """Arguments of a call follow the declared ones, and replace them by name."""
    provider = Opened(lambda *args, **kwargs: (args, kwargs), 1, a=1, b=1)

    assert provider(2, b=2) == ((1, 2), {"a": 1, "b": 2})
