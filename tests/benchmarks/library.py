"""The four views with dependency-injector, as its documentation shows."""

import sys
from typing import Annotated

from dependency_injector import containers, providers
from dependency_injector.wiring import Closing, Provide, inject
from flask import Flask

from tests.benchmarks.services import A, B, C, Unit, nothing, open_unit


class Container(containers.DeclarativeContainer):
    """Three singletons, and a resource that only one request at a time can use."""

    a = providers.ThreadSafeSingleton(A)
    b = providers.ThreadSafeSingleton(B)
    c = providers.ThreadSafeSingleton(C)
    unit = providers.Resource(open_unit)


@inject
def one(a: Annotated[A, Provide[Container.a]]) -> str:
    return "done" if a else ""


@inject
def three(
    a: Annotated[A, Provide[Container.a]],
    b: Annotated[B, Provide[Container.b]],
    c: Annotated[C, Provide[Container.c]],
) -> str:
    return "done" if a and b and c else ""


@inject
def unit(made: Annotated[Unit, Closing[Provide[Container.unit]]]) -> str:
    return "done" if made else ""


def make() -> Flask:
    app = Flask("library")
    Container().wire(modules=[sys.modules[__name__]])
    for view in (nothing, one, three, unit):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    return app
