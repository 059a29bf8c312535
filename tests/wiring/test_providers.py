"""``Opened`` and ``Once``: objects of the process, made once, imported late."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dependency_injector import containers, providers

from modern_flask.wiring import Once, Opened

THREADS = 8


def race(call: Callable[[], Any]) -> list[Any]:
    """The objects that eight threads get from ``call`` at the same time."""
    start = threading.Barrier(THREADS)
    found: list[Any] = []

    def run() -> None:
        start.wait()
        found.append(call())

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("kind", [Opened, Once])
def test_once_under_threads(kind: Any) -> None:
    """Eight threads that race receive one object, which is made once."""
    made: list[object] = []
    second = threading.Event()

    def make() -> object:
        # Long enough for the other threads: a provider without a lock makes more.
        second.wait(0.05)
        made.append(object())
        return made[-1]

    found = race(kind(make))

    assert len(made) == 1
    assert set(map(id, found)) == {id(made[0])}


def test_closed_once_under_threads() -> None:
    """Eight threads that close at once run the closer once."""
    closed: list[int] = []

    def open_() -> Iterator[str]:
        yield "object"
        closed.append(1)

    provider = Opened(open_)
    provider()
    race(provider.shutdown)

    assert closed == [1]


def test_opens_again() -> None:
    """An object that was closed is made again at the next call."""
    provider = Opened(object)
    first = provider()
    provider.shutdown()

    assert provider() is not first


def test_value_is_not_entered() -> None:
    """A value that is a context manager is returned without being entered."""
    lock = Opened(threading.Lock)()

    assert not lock.locked()


def test_failed_opening_is_tried_again() -> None:
    """A target that failed is called again by the next call."""
    answers: list[Any] = [OSError("down"), "up"]

    def make() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    provider = Opened(make)
    with pytest.raises(OSError):
        provider()

    assert provider() == "up"


def test_observer_that_fails_closes() -> None:
    """An object whose observer fails is closed with the observer's error."""
    failure = OSError("the observer failed")
    closed: list[BaseException] = []

    def open_() -> Iterator[str]:
        try:
            yield "object"
        except BaseException as error:
            closed.append(error)
            raise

    def observe(made: str) -> None:
        raise failure

    provider = Opened(open_, observed_by=providers.Object(observe))
    with pytest.raises(OSError, match="the observer failed"):
        provider()

    assert closed == [failure]
    assert not provider.initialized


def test_late_import() -> None:
    """A target that is given by its path is imported at the first use."""
    sys.modules.pop("this", None)
    sys.modules.pop("colorsys", None)
    provider = Opened("colorsys.rgb_to_yiq", 0, 0, 0)
    assert "colorsys" not in sys.modules

    provider()

    assert "colorsys" in sys.modules


def test_copies_do_not_share() -> None:
    """Two containers of one class have different objects."""

    class Container(containers.DeclarativeContainer):
        thing = Opened(object)

    one, two = Container(), Container()

    assert one.thing() is not two.thing()
    assert one.thing() is one.thing()


def test_delegated_provider_is_passed_on() -> None:
    """A delegated provider or an aggregate is passed as it is, without being called."""

    class Shop(containers.DeclarativeContainer):
        basket = providers.DelegatedFactory(list)
        kinds = providers.Aggregate(small=providers.Factory(dict))
        shelf = Once(
            lambda *made, **named: (*made, named), basket, kinds, basket=basket
        )

    shop = Shop()
    shop.shelf.add_kwargs(kinds=shop.kinds)
    shop.shelf.add_args(shop.kinds)

    named = {"basket": shop.basket, "kinds": shop.kinds}
    assert shop.shelf() == (shop.basket, shop.kinds, shop.kinds, named)
