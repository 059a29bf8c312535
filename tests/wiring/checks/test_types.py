"""Annotations against what is injected: judged only between plain classes."""

import abc
import contextlib
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask import Once, Opened, Scoped, inject
from modern_flask.wiring.checks.run import check_wiring
from modern_flask.wiring.checks.types import Contradiction
from tests.wiring.shop import Shop, shop


class Thing: ...


class Other: ...


class Abstract(abc.ABC):
    @abc.abstractmethod
    def go(self) -> None: ...


class FirstSide: ...


class SecondSide: ...


class BothSides(FirstSide, SecondSide): ...


def make_thing() -> Thing:
    return Thing()


def make_side() -> FirstSide:
    return BothSides()


def iterate_things() -> Iterator[Thing]:
    yield Thing()


@contextlib.contextmanager
def enter_thing() -> Iterator[Thing]:
    yield Thing()


async def load_thing() -> Thing:
    return Thing()


async def iterate_later() -> Any:
    yield Thing()


def report(
    service: Callable[..., Flask], provider: Any, annotation: Any, **values: Any
) -> list[Exception]:
    class Own(Shop):
        svc = provider

    app = service(shop(Own, **values), __name__)

    @app.get("/")
    @inject
    def view(svc: Annotated[annotation, Provide["svc"]]) -> str: ...

    found = list(check_wiring(app, app.extensions["modern_flask"], {}))
    return [fault for fault in found if isinstance(fault, Contradiction)]


@pytest.mark.parametrize(
    ("provider", "given"),
    [
        (providers.Factory(Thing), "Thing"),
        (providers.Singleton(Thing), "Thing"),
        (providers.Resource(Thing), "Thing"),
        (providers.Resource(iterate_things), "Thing"),
        (providers.Object(Thing()), "Thing"),
        (providers.Callable(make_thing), "Thing"),
        (Opened(Thing), "Thing"),
        (Opened(iterate_things), "Thing"),
        (Once(make_thing), "Thing"),
        (Scoped(iterate_things), "Thing"),
        (providers.Factory(iterate_things), "a generator"),
        (providers.Factory(enter_thing), "a context manager that is not entered"),
        (Scoped(enter_thing), "a context manager that is not entered"),
        (Opened(enter_thing), "a context manager that is not entered"),
        (providers.Callable(load_thing), "a coroutine"),
        (Scoped(load_thing), "a coroutine"),
        (Opened(iterate_later), "an asynchronous generator"),
    ],
)
def test_contradiction(service: Any, provider: Any, given: str) -> None:
    """A plain class that the object can't be is a fault, whatever makes the object."""
    (fault,) = report(service, provider, Other)

    assert str(fault).partition("\n")[0] == (
        f"View view expects Other from svc, which provides {given}."
    )


@pytest.mark.parametrize(
    ("provider", "fix"),
    [
        (Scoped(enter_thing), "without @contextmanager"),
        (providers.Factory(iterate_things), "declare it as Scoped"),
        (Scoped(load_thing), "make the target a plain function"),
        (Opened(iterate_later), "without async"),
    ],
)
def test_remedy_knows_what_is_wrong(service: Any, provider: Any, fix: str) -> None:
    """What is handed over without being entered or awaited has a remedy of its own."""
    (fault,) = report(service, provider, Thing)

    label, text = fault.lines[-1]
    assert label == "fix"
    assert fix in text


@pytest.mark.parametrize(
    ("provider", "annotation"),
    [
        (providers.Factory(Thing), Other | None),
        (providers.Factory(Thing), Abstract),
        (providers.Factory(dict), dict[str, Any]),
        (providers.Callable(make_side), SecondSide),
        (providers.Object(3), float),
        (providers.Object(b"x"), bytearray),
        (providers.Object(True), int),
        (providers.Factory(Thing), object),
        (providers.Factory(Thing), Any),
    ],
)
def test_not_judged(service: Any, provider: Any, annotation: Any) -> None:
    """Unions, abstract classes, generics and what may be both are not judged."""
    assert report(service, provider, annotation) == []


def test_override_of_a_test_is_not_judged(service: Any) -> None:
    """A double may have any type it likes."""
    provider = providers.Factory(Thing)
    provider.override(Other())

    assert report(service, provider, Thing) == []
