"""Containers that can't work, whoever asks for what."""

from typing import Any

import pytest
from dependency_injector import providers
from flask import Flask

from modern_flask.wiring import Once, Opened
from tests.wiring.fault_table import Table, check_row
from tests.wiring.shop import Mailer, Shop

TABLE = Table()
row = TABLE.row


class Circle(Shop):
    """``first`` needs ``second``, which needs ``first``."""

    first = providers.Factory(list)
    second = providers.Factory(list, first)
    first.add_args(second)


@row(
    """
        first depends on itself.
          path     first -> second -> first
          fix      give one of them `NAME.provider`, to call when it is needed
        """,
    Circle,
)
def cycle(app: Flask) -> None: ...


class Selfish(Shop):
    """``first`` needs itself, behind an attribute."""

    first = Opened(Mailer)
    first.add_kwargs(own=first.provided.arguments)


@row(
    """
        first depends on itself.
          path     first -> first
          fix      give one of them `NAME.provider`, to call when it is needed
        """,
    Selfish,
)
def cycle_of_one(app: Flask) -> None: ...


class Keeping(Shop):
    """An object of the process that keeps a request's."""

    keeper = Once(Mailer, Shop.session)


@row(
    """
        keeper lives as long as the process and keeps session, which lives as long \\
            as a request.
          path     keeper (Once) -> session (Scoped)
          fix      declare keeper as Scoped, or give it `session.provider`
        """,
    Keeping,
)
def captive(app: Flask) -> None: ...


class Hoarding(Shop):
    """A resource that keeps a request's object through two others."""

    reader = providers.Factory(Mailer, Shop.catalog.provided.copy.call())
    keeper = providers.Resource(Mailer, by=reader)


@row(
    """
        keeper lives as long as the process and keeps session, which lives as long \\
            as a request.
          path     keeper (Resource) -> reader (Factory) -> catalog (Factory) -> \\
            List (List) -> session (Scoped)
          fix      declare keeper as Scoped, or give it `session.provider`
        """,
    Hoarding,
)
def captive_on_a_long_way(app: Flask) -> None: ...


class Single(Shop):
    """The library's own singleton as the keeper."""

    keeper = providers.Singleton(Mailer, Shop.session)


@row(
    """
        keeper lives as long as the process and keeps session, which lives as long \\
            as a request.
          path     keeper (Singleton) -> session (Scoped)
          fix      declare keeper as Scoped, or give it `session.provider`
        """,
    Single,
)
def captive_of_a_singleton(app: Flask) -> None: ...


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
    """The fault is told once, in these words, and nothing else is."""
    check_row(build, kind, values, expected)
