"""Annotations that are text: evaluated one by one, with what is there."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args

import pytest
from flask import Flask

from modern_flask.wiring.annotations import MISSING, evaluate
from modern_flask.wiring.checks.markers import (
    FIX_LIBRARY,
    UnfilledMarker,
    UnresolvedAnnotation,
)
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring import postponed_service as postponed
from tests.wiring.shop import shop

LIBRARY = """
from __future__ import annotations
from typing import Annotated
from dependency_injector.wiring import Provide, inject
@inject
def view(name: Annotated[str, Provide["name"]], other=Provide["name"]): ...
"""


@pytest.fixture
def app(service: Callable[..., Flask]) -> Flask:
    return service(shop(), __name__)


def faults(app: Flask) -> list[Exception]:
    return list(check_wiring(app, app.extensions["modern_flask"], {}))


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (lambda: postponed.greet(number=2), "shopshop"),
        (lambda: postponed.later(), "shop"),
        (lambda: postponed.typed_for_checkers(), "shop"),
        (lambda: postponed.optional(), "shop"),
        (lambda: postponed.hidden_beside(3), "3 shop"),
        (lambda: postponed.with_default(), "shop None"),
        (lambda: asyncio.run(postponed.awaited()), "shop"),
        (lambda: postponed.Page().get(), "shopshop"),
        (lambda: postponed.make_local()[0](), "shop"),
        (lambda: postponed.make_local()[1]().get(), "shopshop"),
    ],
    ids=[
        *("parameter", "name_defined_below", "type_for_checkers_only", "optional"),
        *("other_parameter_unknown", "default_of_unknown_type", "coroutine", "methods"),
        *("local_name", "local_class"),
    ],
)
def test_injected(app: Flask, call: Callable[[], Any], result: str) -> None:
    """A marker in an annotation that is text is filled like any other."""
    with app.app_context():
        assert call() == result


def test_signature_has_no_marker_once_it_is_read(app: Flask) -> None:
    """A marker found at the first call leaves the signature that callers see."""
    with app.app_context():
        postponed.later()

    assert list(inspect.signature(postponed.later).parameters) == []
    assert list(inspect.signature(postponed.greet).parameters) == ["number"]


def test_views_are_checked(app: Flask) -> None:
    """The check reads text as it reads annotations: these views have no fault."""
    app.add_url_rule("/greet", view_func=postponed.greet)
    app.add_url_rule("/later", view_func=postponed.later)
    app.add_url_rule("/typed", view_func=postponed.typed_for_checkers)
    app.add_url_rule("/<amount>", view_func=postponed.hidden_beside)

    assert faults(app) == []
    assert app.test_client().get("/3").text == "3 shop"


def test_name_that_is_not_defined_is_a_fault_without_another_value(app: Flask) -> None:
    """What gives the parameter its value is hidden: the fault names what is missing."""
    app.add_url_rule("/", view_func=postponed.hidden)

    (fault,) = faults(app)

    assert isinstance(fault, UnresolvedAnnotation)
    place = str(fault).splitlines()[1].replace("\\", "/")
    assert place.startswith("  in       tests/wiring/postponed_service.py, line ")
    assert place.endswith(", parameter `session`")
    assert str(fault).splitlines()[::2] == [
        "View hidden can't be injected: SessionDep is not defined.",
        "  fix      import it at run time, not under `if TYPE_CHECKING:`",
    ]


def test_name_that_is_not_defined_is_none_with_another_value(app: Flask) -> None:
    """A URL or a default gives the value: the annotation does not matter."""
    app.add_url_rule("/<session>", view_func=postponed.hidden)
    app.add_url_rule("/rate", view_func=postponed.with_default)

    assert faults(app) == []


def test_missing_inject(app: Flask) -> None:
    """A view without ``@inject`` has a marker that nothing fills, text or not."""
    app.add_url_rule("/", view_func=postponed.bare)

    (fault,) = faults(app)

    assert isinstance(fault, UnfilledMarker)
    assert fault.why == "@inject is missing"


def test_library_does_not_read_text(app: Flask) -> None:
    """The library's own ``@inject`` reads no text: the remedy is the kit's."""
    names: dict[str, Any] = {"__name__": __name__}
    exec(LIBRARY, names)
    app.add_url_rule("/", view_func=names["view"])

    (fault,) = faults(app)

    assert isinstance(fault, UnfilledMarker)
    assert fault.lines[-1] == ("fix", FIX_LIBRARY)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("int", ()),
        ("Gone", ("Gone",)),
        ("Gone[int, Other]", ("Gone", "Other")),
        ("Annotated[Gone | None, 5]", ("Gone",)),
        ("Gone.Inner", ("Gone",)),
        ("Gone(1)", ("Gone",)),
        ("1 /", ("1 /",)),
        ("1 / 0", ("1 / 0",)),
    ],
)
def test_missing_names(text: str, missing: tuple[str, ...]) -> None:
    """Every name that is not defined is known; the rest has its value."""
    found, names = evaluate(text, test_missing_names, {})

    assert names == missing
    if text.startswith("Annotated"):
        assert get_args(found)[1:] == (5,)
    elif missing:
        assert found is MISSING


def test_names_are_looked_up_as_python_does() -> None:
    """Local names hide those of the closure, the module and the builtins."""
    inner = "closure"

    def function() -> str:
        return inner

    assert evaluate("inner", function, {"inner": "local"}) == ("local", ())
    assert evaluate("inner", function, {}) == ("closure", ())
    assert evaluate("Annotated", function, {}) == (Annotated, ())
    assert evaluate("len", function, {}) == (len, ())
