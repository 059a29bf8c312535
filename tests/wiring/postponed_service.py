"""Functions whose annotations are text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from dependency_injector.wiring import Provide

from modern_flask.wiring import inject
from tests.wiring.shop import NameDep

if TYPE_CHECKING:
    from decimal import Decimal

    from tests.wiring.shop import SessionDep


@inject
def greet(name: NameDep, number: int = 1) -> str:
    return name * number


@inject
def later(found: DefinedBelow) -> str:
    return found


DefinedBelow = Annotated[str, Provide["name"]]


@inject
def typed_for_checkers(name: Annotated[Decimal, Provide["name"]]) -> Any:
    return name


@inject
def optional(name: Annotated[Decimal | None, Provide["name"]] = None) -> Any:
    return name


@inject
def hidden(session: SessionDep) -> Any:
    return session


@inject
def hidden_beside(amount: Decimal, name: NameDep) -> str:
    return f"{amount} {name}"


@inject
def with_default(name: NameDep, rate: Decimal | None = None) -> str:
    return f"{name} {rate}"


@inject
async def awaited(name: NameDep) -> str:
    return name


class Page:
    @inject
    def __init__(self, name: NameDep) -> None:
        self.name = name

    @inject
    def get(self, name: NameDep) -> str:
        return self.name + name


def make_local() -> Any:
    """A function whose annotation names a variable of the function around it."""
    Local = Annotated[str, Provide["name"]]

    @inject
    def view(name: Local) -> str:
        return name

    class Inside:
        Own = Annotated[str, Provide["name"]]

        @inject
        def get(self, name: Own, other: Local) -> str:
            return name + other

    return view, Inside


def bare(name: NameDep) -> str:
    return name
