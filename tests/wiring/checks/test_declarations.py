"""Containers with declarations that can't work, whatever a service injects."""

from typing import Any

import pytest
from dependency_injector import providers
from flask import Flask

from modern_flask.wiring import Once, Opened
from tests.wiring.fault_table import Table, check_row, report
from tests.wiring.shop import Mailer, Shop, shop

TABLE = Table()
row = TABLE.row


class Redeclaring(Shop):
    """Redeclares ``mailer``; ``letters`` still uses the mailer of the base class."""

    mailer = Once(Mailer)


@row(
    """
        Redeclaring redeclares mailer, but letters still uses Shop's.
          fix      put @containers.copy(Shop) over class Redeclaring(Shop)
        """,
    Redeclaring,
)
def redeclared(app: Flask) -> None: ...


class Lost(Shop):
    """The path of a target: its module exists, its function does not."""

    engine = Opened("modern_flask.database.open_engnie")


@row(
    """
        engine is made by "modern_flask.database.open_engnie", which does not exist.
          did you mean  modern_flask.database.open_engine or \\
            modern_flask.database.open_session
        """,
    Lost,
)
def target_without_a_function(app: Flask) -> None: ...


class Homeless(Shop):
    """The path of a target: its module does not exist."""

    engine = Opened("nowhere.open_engine")


@row(
    """
        engine is made by "nowhere.open_engine", which does not exist.
        """,
    Homeless,
)
def target_without_a_module(app: Flask) -> None: ...


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The check reports exactly this text."""
    check_row(build, kind, values, expected)


def test_decorated_redeclaration() -> None:
    """A provider that wraps the provider it replaces is correct."""

    class Wrapped(Shop):
        name = providers.Factory(str, Shop.name)

    assert report(lambda app: None, shop(Wrapped)) == []
