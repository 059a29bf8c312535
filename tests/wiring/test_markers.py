"""How ``@inject`` reads the markers of a function, and what it refuses."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import click
import pytest
from dependency_injector.wiring import Closing, Provide
from flask.views import MethodView

from modern_flask.wiring import inject
from modern_flask.wiring.errors import ClosingMarker, MisplacedInject
from modern_flask.wiring.markers import OVER
from tests.wiring.shop import NameDep


def test_closing() -> None:
    """``@inject`` refuses ``Closing`` where the function is defined."""
    with pytest.raises(ClosingMarker, match=r"uses Closing\[\.\.\.\]"):

        @inject
        def view(found: Annotated[str, Closing[Provide["name"]]]) -> None: ...


def test_no_markers() -> None:
    """A function without markers stays as it is."""

    def view(number: int) -> int:
        return number

    assert inject(view) is view


def _class() -> Any:
    class Page:
        def __init__(self, found: NameDep) -> None: ...

    return Page


def _method() -> Any:
    def view(found: NameDep) -> None: ...

    return staticmethod(view)


def _command() -> Any:
    @click.command()
    def view(found: NameDep) -> None: ...

    return view


def _positional() -> Any:
    def view(found: NameDep, /) -> None: ...

    return view


def _partial() -> Any:
    def view(number: int, found: NameDep) -> None: ...

    return partial(view, 7)


def _view_of_a_class() -> Any:
    class Page(MethodView):
        def get(self, found: NameDep) -> None: ...

    return Page.as_view("page")


def _object() -> Any:
    class Page:
        def __call__(self, found: NameDep) -> None: ...

    return Page()


MISPLACED = {
    _partial: ("it is a partial already", "put @inject over its function"),
    _view_of_a_class: (
        "it is a class-based view already",
        "put @inject over the method that has the markers",
    ),
    _object: ("it is a Page", "put @inject over its method __call__"),
    _class: ("it is a class", "put @inject over the method that has the markers"),
    _method: ("it is not a function yet", "put @inject under @staticmethod"),
    _command: (
        "it is a task or a command already",
        OVER,
    ),
}


@pytest.mark.parametrize("make", MISPLACED, ids=lambda make: make.__name__)
def test_misplaced(make: Callable[[], Any]) -> None:
    """``@inject`` over an object that it can't fill says where it belongs."""
    why, remedy = MISPLACED[make]

    with pytest.raises(MisplacedInject) as fault:
        inject(make())

    assert fault.value.what.endswith(f": {why}.")
    assert "test_markers.py, line " in dict(fault.value.lines)["in"]
    assert fault.value.lines[-1] == ("fix", remedy)


def test_positional_only() -> None:
    """A positional-only parameter can't be filled."""
    with pytest.raises(MisplacedInject, match="can't be passed by name"):
        inject(_positional())


def test_signature_shows_what_callers_pass() -> None:
    """The signature has only the parameters that a caller, such as Celery, passes."""

    @inject
    def view(number: int, name: NameDep) -> None: ...

    assert list(inspect.signature(view).parameters) == ["number"]
