"""Small services: a Flask app and a container, without the rest of the kit."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dependency_injector import containers, providers
from flask import Flask

from modern_flask.wiring import Bound, Once, Opened, Scoped, bind, guard


class Journal:
    """Records what was opened and closed, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def service() -> Iterator[Callable[..., Flask]]:
    """``service(container)``: a Flask app that is bound to it and closed at the end."""
    bounds: list[Bound] = []

    def make(container: Any, name: str = "service") -> Flask:
        app = Flask(name)
        bounds.append(bind(app, container))
        guard(app)
        return app

    yield make
    for bound in bounds:
        bound.lifecycle.close()


class Unit:
    """An object of a request that records how it was closed."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.open = True


@pytest.fixture
def container(journal: Journal) -> Any:
    """``engine`` of the process, ``unit`` of a request, ``service`` of a call."""

    def open_engine() -> Iterator[str]:
        journal("open engine")
        yield "engine"
        journal("close engine")

    def open_unit(engine: str) -> Iterator[Unit]:
        unit = Unit(journal)
        journal("open unit")
        try:
            yield unit
        except BaseException as error:
            journal(f"roll back for {type(error).__name__}")
            raise
        else:
            journal("return")
        finally:
            unit.open = False
            journal("close unit")

    class Container(containers.DeclarativeContainer):
        config = providers.Configuration()
        engine = Opened(open_engine)
        clock = Once(object)
        unit = Scoped(open_unit, engine)
        service = providers.Factory(list, providers.List(unit, unit))

    return Container()
