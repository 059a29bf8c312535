"""Views that are generators: their body runs after the request's objects are closed."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide
from flask import Flask, stream_with_context

from modern_flask import Scoped, inject, transactional
from modern_flask.wiring.checks.lifetimes import FIX_STREAM, UsedAfterRequest
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring.shop import Shop, shop


def open_session() -> Iterator[str]:
    yield "session"


class Own(Shop):
    unit = Scoped(open_session)
    users = providers.Factory(list, unit)
    notes = Scoped(list)


UnitDep = Annotated[str, Provide["unit"]]


def report(service: Callable[..., Flask], view: Any) -> list[Any]:
    app = service(shop(Own), __name__)
    app.add_url_rule("/", "view", view)
    found = check_wiring(app, app.extensions["modern_flask"], {})
    return [fault for fault in found if isinstance(fault, UsedAfterRequest)]


@inject
def direct(unit: UnitDep) -> Any:
    yield unit


@inject
def through(users: Annotated[Any, Provide["users"]]) -> Any:
    yield str(users)


@pytest.mark.parametrize("view", [direct, through])
def test_generator_view(service: Any, view: Any) -> None:
    """A generator that uses a request's object, directly or not, is a fault."""
    (fault,) = report(service, view)

    assert str(fault).splitlines()[0] == (
        "View view is a generator that uses unit, which is closed before its body runs."
    )
    assert fault.lines[-1] == ("fix", FIX_STREAM)


def test_remedy_works(service: Any) -> None:
    """With the remedy there is no fault, and the object lives for the whole body."""
    view = stream_with_context(direct)
    app = service(shop(Own), __name__)
    app.add_url_rule("/", "view", view)

    assert list(check_wiring(app, app.extensions["modern_flask"], {})) == []
    assert app.test_client().get("/").text == "session"


@inject
def keeps_nothing(notes: Annotated[list[str], Provide["notes"]]) -> Any:
    yield str(notes)


@inject
def answers_at_once(unit: UnitDep) -> str:
    return "".join(part for part in unit)


@inject
def returns_a_stream(unit: UnitDep) -> Any:
    def body() -> Iterator[str]:
        yield unit

    return stream_with_context(body())


@pytest.mark.parametrize("view", [keeps_nothing, answers_at_once, returns_a_stream])
def test_no_fault(service: Any, view: Any) -> None:
    """Objects that nothing closes, plain views and streams with context pass."""
    assert report(service, view) == []


def test_foreign_decorator_passes(service: Any) -> None:
    """A decorator may read the generator while the request runs: that is not judged."""

    def join(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> str:
            return "".join(function(*args, **kwargs))

        return call

    assert report(service, join(direct)) == []


def test_transactional_refuses_generators() -> None:
    """``transactional`` over a generator is refused where it is written."""
    with pytest.raises(Exception, match="generator"):
        transactional(lambda: (yield))
