"""Markers as attributes: wrong where code reads them, right as a name for a default."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask

from modern_flask.wiring.checks.attributes import FIX_ATTRIBUTE, MarkerAttribute
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring.shop import shop

HEAD = """\
from dependency_injector.wiring import Provide, inject as library_inject
from modern_flask.wiring import inject
"""


@pytest.fixture
def report(
    service: Callable[..., Flask], tmp_path: Path, monkeypatch: Any
) -> Iterator[Callable[[str], list[Any]]]:
    """``report(code)``: the faults of a service whose only module has that code."""
    monkeypatch.syspath_prepend(tmp_path)

    def run(code: str) -> list[Any]:
        (tmp_path / "attribute_service.py").write_text(HEAD + dedent(code))
        __import__("attribute_service")
        app = service(shop(), "attribute_service")
        found = list(check_wiring(app, app.extensions["modern_flask"], {}))
        return [fault for fault in found if isinstance(fault, MarkerAttribute)]

    yield run
    sys.modules.pop("attribute_service", None)


def test_attribute_of_a_module(report: Any) -> None:
    """A function that reads a marker of its module gets the marker itself."""
    (fault,) = report("""
        name = Provide["name"]

        def view():
            return name.upper()
    """)

    assert str(fault) == (
        "attribute_service.view reads attribute_service.name, which is a marker that "
        f"nothing fills.\n  fix      {FIX_ATTRIBUTE}"
    )


def test_attribute_of_a_class(report: Any) -> None:
    """A method that reads a marker of its class gets the marker itself."""
    (fault,) = report("""
        class Page:
            name = Provide["name"]

            def get(self):
                return self.name
    """)

    assert fault.owner == "attribute_service.Page"
    assert fault.user == "attribute_service.Page.get"


@pytest.mark.parametrize(
    "code",
    [
        """
        NAME = Provide["name"]

        @inject
        def view(name=NAME): ...
        """,
        """
        NAME = Provide["name"]

        @library_inject
        def view(name=NAME): ...
        """,
        """
        NAME = Provide["name"]

        def create_app():
            @inject
            def view(name=NAME): ...
        """,
        """
        class Service:
            name = Provide["name"]

            @inject
            def __init__(self, name=name):
                self.name = name
        """,
        """
        UNUSED = Provide["name"]
        """,
    ],
    ids=["default", "library", "in_a_function", "in_a_class", "unused"],
)
def test_name_for_a_default(report: Any, code: str) -> None:
    """A marker that has a name in order to be a default is right."""
    assert report(code) == []


def test_wired_by_hand(report: Any, monkeypatch: Any) -> None:
    """The library's ``wire`` fills attributes: then they are no markers any more."""
    container = shop()

    def wire(*_: Any) -> None:
        container.wire(modules=["attribute_service"])

    monkeypatch.setattr("tests.wiring.checks.test_attributes.shop", lambda: container)
    code = """
        name = Provide["name"]

        def view():
            return name.upper()
    """
    assert len(report(code)) == 1
    wire()
    try:
        assert sys.modules["attribute_service"].view() == "SHOP"
    finally:
        container.unwire()
