"""Containers that can't work, whoever asks for what."""

from typing import Any

import pytest
from dependency_injector import providers
from flask import Flask

from modern_flask.wiring import Once, Opened
from tests.wiring.fault_table import Table, check_row, report
from tests.wiring.shop import Mailer, Shop, shop

TABLE = Table()
row = TABLE.row


class Anew(Shop):
    """Declares ``mailer`` anew; ``letters`` stands on the old one."""

    mailer = Once(Mailer)


@row(
    """
        Anew redeclares mailer, but letters still uses Shop's.
          fix      put @containers.copy(Shop) over class Anew(Shop)
        """,
    Anew,
)
def redeclared(app: Flask) -> None: ...


class Lost(Shop):
    """A target whose module is there, and whose name is not."""

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
    """A target whose module is not there."""

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
    """A provider that wraps the one it replaces is no fault."""

    class Wrapped(Shop):
        name = providers.Factory(str, Shop.name)

    assert report(lambda app: None, shop(Wrapped)) == []
