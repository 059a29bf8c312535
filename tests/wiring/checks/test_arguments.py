"""Calls that would raise TypeError at the request, reported at start."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import pytest
from dependency_injector import providers, resources
from dependency_injector.wiring import Provide
from dependency_injector.wiring import inject as library_inject
from flask import Flask

from modern_flask import Once, Opened, Scoped, inject
from modern_flask.wiring.checks.arguments import (
    MissingAttribute,
    NoTarget,
    WrongArguments,
)
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring.shop import Shop, shop


class Needy:
    def __init__(self, number: int, *, unit: str = "m") -> None:
        self.number = number

    def measure(self, times: int) -> int:
        return self.number * times

    @staticmethod
    def parse(text: str) -> None: ...

    @classmethod
    def make(cls, number: int) -> Any: ...


class Dynamic:
    def __getattr__(self, name: str) -> str:
        return name


class SetsItself:
    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


def open_needy(number: int) -> Iterator[Needy]:
    yield Needy(number)


class Lasting(resources.Resource):
    def init(self, number: int) -> int:
        return number

    def shutdown(self, resource: Any) -> None: ...


def report(service: Callable[..., Flask], provider: Any, **values: Any) -> list[Any]:
    """The faults of a view that is injected with ``provider``."""

    class Own(Shop):
        svc = provider

    app = service(shop(Own, **values), __name__)

    @app.get("/")
    @inject
    def view(svc: Annotated[Any, Provide["svc"]]) -> str: ...

    return list(check_wiring(app, app.extensions["modern_flask"], {}))


@pytest.mark.parametrize(
    "make",
    [
        *(providers.Factory, providers.Singleton, providers.ThreadSafeSingleton),
        *(providers.ThreadLocalSingleton, providers.Callable, providers.Resource),
        *(Opened, Once, Scoped),
    ],
)
def test_missing_argument(service: Any, make: Any) -> None:
    """A required argument that nothing gives is a fault, whatever the kind."""
    (fault,) = report(service, make(Needy))

    assert isinstance(fault, WrongArguments)
    assert str(fault).splitlines()[:2] == [
        "svc can't call Needy: missing a required argument: 'number'.",
        "  in       View view (`svc`)",
    ]
    assert fault.lines[-1] == ("fix", "correct the arguments of svc")


@pytest.mark.parametrize(
    ("provider", "why"),
    [
        (providers.Factory(Needy, 1, 2), "too many positional arguments"),
        (providers.Factory(Needy, 1, size=2), "unexpected keyword argument 'size'"),
        (providers.Factory(Needy, 1, number=2), "multiple values for argument"),
        (Opened(open_needy), "missing a required argument"),
        (Opened(open_needy, 1, observed=2), "unexpected keyword argument"),
        (providers.Callable(Needy.parse), "missing a required argument"),
        (providers.Callable(Needy.make), "missing a required argument"),
        (providers.Factory(list, providers.Factory(Needy)), "missing a required"),
        (providers.List(providers.Factory(Needy)), "missing a required argument"),
        (providers.Dict(a=providers.Factory(Needy)), "missing a required argument"),
        (providers.Factory(Needy, 1).provided.measure.call(), "missing a required"),
        (providers.Factory(Needy, 1).provided.measure.call(1, 2), "too many"),
        (providers.Factory(Needy, 1).provided.parse.call(), "missing a required"),
        (
            providers.Factory(list, providers.Factory(Needy, 1).provided.make.call()),
            "missing a required",
        ),
    ],
)
def test_wrong_arguments(service: Any, provider: Any, why: str) -> None:
    """Too many, unknown and doubled arguments are faults, on the way as well."""
    (fault,) = report(service, provider)

    assert isinstance(fault, WrongArguments)
    assert why in fault.why


def test_observed_and_pinged_are_not_passed(service: Any) -> None:
    """The kit's own keywords of a declaration are not the target's."""
    provider = Opened(open_needy, 1, observed_by=print, ping=print)

    assert report(service, provider) == []


@pytest.mark.parametrize(
    "make", [providers.Factory, providers.Singleton, providers.Callable, Opened, Scoped]
)
def test_no_target(service: Any, make: Any) -> None:
    """A provider without a target is a fault once it is injected."""
    (fault,) = report(service, make())

    assert isinstance(fault, NoTarget)
    kind = make.__name__
    assert str(fault) == (
        f"svc is a {kind} without a target.\n"
        "  in       View view (`svc`)\n"
        f"  fix      write {kind}(Target, ...), or call set_provides"
    )


def test_missing_attribute(service: Any) -> None:
    """``.provided`` names an attribute that no object of the class has."""
    (fault,) = report(service, providers.Factory(Needy, 1).provided.nope)

    assert isinstance(fault, MissingAttribute)
    assert str(fault) == (
        "Needy provides Needy, which has no attribute nope.\n"
        "  in       View view (`svc`)\n"
        "  fix      correct Needy.provided.nope"
    )


@pytest.mark.parametrize(
    "provider",
    [
        providers.Factory(Needy, 1).provided.number,
        providers.Factory(Needy, 1).provided.measure,
        providers.Factory(Needy, 1).provided,
        providers.Factory(Needy, 1).provided["key"],
        providers.Factory(Dynamic).provided.anything,
        providers.Factory(SetsItself, late=1).provided.late,
        providers.Factory(dict).provided.items.call(),
        providers.Object(3).provided.real,
        providers.Resource(Lasting, 1),
        providers.Factory(partial(Needy, 1)),
    ],
)
def test_what_can_t_be_judged_passes(service: Any, provider: Any) -> None:
    """Attributes that code may set, and arguments that something may fill, pass."""
    assert report(service, provider) == []


def test_markers_fill_arguments(service: Any) -> None:
    """An initializer under either ``@inject`` needs no argument for its markers."""

    class Ours:
        @inject
        def __init__(
            self, name: Annotated[str, Provide["name"]], size: int
        ) -> None: ...

    class Theirs:
        @library_inject
        def __init__(
            self, name: Annotated[str, Provide["name"]], size: int
        ) -> None: ...

    assert report(service, providers.Factory(Ours, size=1)) == []
    assert report(service, providers.Factory(Theirs, size=1)) == []
    (fault,) = report(service, providers.Factory(Ours))
    assert fault.why == "missing a required argument: 'size'"
