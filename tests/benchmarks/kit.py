"""The four views with the kit's injection."""

from typing import Annotated

from dependency_injector import containers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask.wiring import Once, Scoped, bind, guard, inject
from tests.benchmarks.services import A, B, C, Unit, nothing, open_unit


class Container(containers.DeclarativeContainer):
    """Three objects of the process, and one of the request."""

    a = Once(A)
    b = Once(B)
    c = Once(C)
    unit = Scoped(open_unit)


ADep = Annotated[A, Provide["a"]]
BDep = Annotated[B, Provide["b"]]
CDep = Annotated[C, Provide["c"]]
UnitDep = Annotated[Unit, Provide["unit"]]


@inject
def one(a: ADep) -> str:
    return "done" if a else ""


@inject
def three(a: ADep, b: BDep, c: CDep) -> str:
    return "done" if a and b and c else ""


@inject
def unit(made: UnitDep) -> str:
    return "done" if made else ""


def make() -> Flask:
    app = Flask("kit")
    bind(app, Container())
    guard(app)
    for view in (nothing, one, three, unit):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    return app
