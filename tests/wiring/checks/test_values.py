"""Keys, dependencies and abstract providers that fail when they are injected."""

import abc
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide, as_float, as_int, required
from flask import Flask

from modern_flask import inject
from modern_flask.errors import set_key
from modern_flask.wiring.checks.requirements import (
    MissingKey,
    NotOverridden,
    Undefined,
    WrongDependency,
    WrongValue,
)
from modern_flask.wiring.checks.run import check_wiring, find_warnings
from tests.wiring.shop import Shop, shop


class Client:
    def __init__(
        self, limit: int, host: str = "localhost", port: Any = None
    ) -> None: ...


class Abstract(abc.ABC):  # noqa: B024
    ...


class Concrete(Abstract): ...


def report(service: Callable[..., Flask], provider: Any, **values: Any) -> list[Any]:
    class Own(Shop):
        svc = provider

    app = service(shop(Own, **values), __name__)

    @app.get("/")
    @inject
    def view(svc: Annotated[Any, Provide["svc"]]) -> str: ...

    return list(check_wiring(app, app.extensions["modern_flask"], {}))


def report_marker(service: Any, marker: Any, annotation: Any, **values: Any) -> Any:
    app = service(shop(**values), __name__)

    @app.get("/")
    @inject
    def view(limit: Annotated[annotation, marker]) -> str: ...

    return list(check_wiring(app, app.extensions["modern_flask"], {}))


@pytest.mark.parametrize("value", ["many", "", None, [1], "1.5"])
def test_text_that_is_no_number(service: Any, value: Any) -> None:
    """``as_int()`` over a value that is none is a fault that does not print it."""
    marker = Provide["config.API_TOKEN", as_int()]
    (fault,) = report_marker(service, marker, int, API_TOKEN=value)

    assert isinstance(fault, WrongValue)
    assert str(fault) == (
        "API_TOKEN is read as an int, but its value can't be converted.\n"
        "  in       View view (`limit`)\n"
        "  set in   config.py, line 7\n"
        "  fix      set API_TOKEN to a number"
    )


def test_conversion_on_the_way(service: Any) -> None:
    """A conversion among a provider's arguments is tried as well."""
    provider = providers.Factory(list, Shop.config.RATIO.as_float())

    (fault,) = report(service, provider, RATIO="half")

    assert isinstance(fault, WrongValue)
    assert fault.what == "RATIO is read as a float, but its value can't be converted."


@pytest.mark.parametrize(
    ("marker", "value"),
    [
        (Provide["config.LIMIT", as_int()], "12"),
        (Provide["config.LIMIT", as_int()], 12),
        (Provide["config.LIMIT", as_float()], "1.5"),
        (Provide["config.LIMIT", required().as_int()], "3"),
    ],
)
def test_numbers_pass(service: Any, marker: Any, value: Any) -> None:
    """A value that converts is no fault."""
    assert report_marker(service, marker, Any, LIMIT=value) == []


@pytest.mark.parametrize(
    ("marker", "annotation"),
    [
        (Provide["config.LIMIT"], int),
        (Provide["config.LIMIT", as_int()], Any),
        (Provide["config.LIMIT", required()], Any),
    ],
)
def test_key_that_a_view_requires(service: Any, marker: Any, annotation: Any) -> None:
    """A plain class, a conversion and ``required()`` say that a key must be set."""
    (fault,) = report_marker(service, marker, annotation)

    assert isinstance(fault, MissingKey)
    assert fault.lines[-1] == ("fix", set_key("LIMIT"))


@pytest.mark.parametrize(
    "provider",
    [
        providers.Factory(Client, Shop.config.LIMIT),
        providers.Factory(Client, limit=Shop.config.LIMIT),
        providers.Factory(Client, 1, port=Shop.config.LIMIT.required()),
        providers.Factory(list, Shop.config.LIMIT.as_int()),
    ],
)
def test_key_that_an_argument_requires(service: Any, provider: Any) -> None:
    """The parameter that a key fills says whether it can be missing."""
    (fault,) = report(service, provider)

    assert isinstance(fault, MissingKey)
    assert fault.key == "LIMIT"


@pytest.mark.parametrize(
    "provider",
    [
        providers.Factory(Client, 1, host=Shop.config.HOST),
        providers.Factory(Client, 1, port=Shop.config.PORT),
        providers.Factory(list, providers.List(Shop.config.ITEM)),
    ],
)
def test_key_that_may_be_missing(service: Any, provider: Any) -> None:
    """A default, an open parameter and a list take None for a key that is not set."""
    assert report(service, provider) == []


def test_one_key_for_two_users(service: Any) -> None:
    """A key that one user can do without is missing for the other."""

    class Own(Shop):
        loose = providers.Factory(Client, 1, port=Shop.config.PORT)
        strict = providers.Factory(Client, limit=Shop.config.PORT)

    app = service(shop(Own), __name__)

    @app.get("/")
    @inject
    def view(
        loose: Annotated[Any, Provide["loose"]],
        strict: Annotated[Any, Provide["strict"]],
    ) -> str: ...

    (fault,) = check_wiring(app, app.extensions["modern_flask"], {})

    assert fault.functions == ("View view (`strict`)",)


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (Client, providers.Object(3)),
        (Concrete, providers.Factory(dict)),
        (Abstract, providers.Factory(dict)),
    ],
)
def test_dependency_of_another_type(service: Any, kind: type, source: Any) -> None:
    """``instance_of`` is held against what the container was given."""
    dependency = providers.Dependency(instance_of=kind)
    dependency.override(source)

    (fault,) = report(service, dependency)

    assert isinstance(fault, WrongDependency)
    assert str(fault).splitlines()[0] == (
        f"svc must be an instance of {kind.__name__}, but its provider gives "
        f"{fault.given}."
    )


def test_dependency_of_the_right_type(service: Any) -> None:
    """A subclass passes for an abstract class."""
    dependency = providers.Dependency(instance_of=Abstract)
    dependency.override(providers.Factory(Concrete))

    assert report(service, dependency) == []


def test_undefined_dependency(service: Any) -> None:
    """A dependency without a provider and a default is a fault."""
    (fault,) = report(service, providers.Dependency())

    assert isinstance(fault, Undefined)


@pytest.mark.parametrize(
    "provider",
    [
        providers.AbstractFactory(Concrete),
        providers.AbstractSingleton(Concrete),
        providers.AbstractCallable(print),
        providers.Factory(list, providers.AbstractFactory(Concrete)),
    ],
)
def test_abstract_provider(service: Any, provider: Any) -> None:
    """An abstract provider that is injected, directly or not, needs an override."""
    (fault,) = report(service, provider)

    assert isinstance(fault, NotOverridden)
    assert fault.what.endswith(", and nothing overrides it.")


def test_abstract_provider_that_is_not_injected(service: Any) -> None:
    """It is a warning: a program that never uses it is correct."""

    class Own(Shop):
        printer = providers.AbstractSingleton(Concrete)

    app = service(shop(Own), __name__)
    bound = app.extensions["modern_flask"]

    assert list(check_wiring(app, bound, {})) == []
    assert find_warnings(app, bound, {})[0] == (
        "printer is an AbstractSingleton that nothing overrides: it can't be injected."
    )
    bound.lifecycle.close()
