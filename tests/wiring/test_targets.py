"""Markers in the functions and classes that providers call."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide, Provider
from flask import Flask

from modern_flask.errors import set_key
from modern_flask.wiring import Once, Opened, inject
from modern_flask.wiring.markers import OVER
from tests.wiring.fault_table import Table, check_row, report
from tests.wiring.shop import Mailer, Session, SessionDep, Shop, shop

TABLE = Table()
row = TABLE.row


class Unfilled:
    """A class with a marker and without ``@inject``."""

    def __init__(self, session: SessionDep) -> None: ...


class Half(Shop):
    """A provider that does not pass the argument either."""

    orders = providers.Factory(Unfilled)


@row(
    f"""
        Provider orders has a marker that nothing fills: @inject is missing.
          in       test_targets:N, parameter `session`
          fix      {OVER}
        """,
    Half,
)
def missing_inject_on_a_target(app: Flask) -> None: ...


@inject
def make_mistaken(session: Annotated[Any, Provide["sesion"]]) -> Any: ...


class Mistaken(Shop):
    """A target whose marker names no provider."""

    orders = providers.Factory(make_mistaken)


@row(
    """
        Provider orders asks for "sesion", which Mistaken does not provide.
          in       test_targets:N, parameter `session`
          did you mean  session
        """,
    Mistaken,
)
def typo_in_a_target(app: Flask) -> None: ...


@inject
def make_first(second: Annotated[Any, Provide["second"]]) -> Any: ...


class Circular(Shop):
    """A cycle that is closed by a marker."""

    first = providers.Factory(make_first)
    second = providers.Factory(list, first)


@row(
    """
        first depends on itself.
          path     first -> second -> first
          fix      give one of them `NAME.provider`, to call when it is needed
        """,
    Circular,
)
def cycle_by_a_marker(app: Flask) -> None: ...


@inject
def make_post(mailer: Annotated[Mailer, Provide["mailer"]]) -> Any: ...


class Mailing(Shop):
    """A target whose marker names a component that is not configured."""

    post = providers.Factory(make_post)


@row(
    f"""
        mail is not configured: MAIL_HOST is not set.
          in       View view (`post`)
          path     post -> mailer
          looked in  config.py and FLASK_*
          fix      {set_key("MAIL_HOST")}
        """,
    Mailing,
)
def target_that_needs_what_is_not_configured(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(post: Annotated[Any, Provide["post"]]) -> str: ...


@inject
def make_limited(limit: Annotated[int, Provide["config.LIMIT"]]) -> Any: ...


class Limited(Shop):
    """A target whose marker names a key that is not set."""

    orders = providers.Factory(make_limited)


@row(
    f"""
        LIMIT is not set, but an injected object requires it.
          in       View view (`orders`)
          looked in  config.py and FLASK_*
          fix      {set_key("LIMIT")}
        """,
    Limited,
)
def target_that_needs_a_key_that_is_not_set(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(orders: Annotated[Any, Provide["orders"]]) -> str: ...


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The check reports exactly this text."""
    check_row(build, kind, values, expected)


class Lazy:
    """A class that is injected with a provider, to call it later."""

    @inject
    def __init__(
        self, make: Annotated[Callable[[], Session], Provider["session"]]
    ) -> None: ...


class Injected:
    """A class that is injected with an object of a request."""

    @inject
    def __init__(self, session: SessionDep) -> None: ...


class Filled(Shop):
    """Providers of targets whose markers are correct."""

    lazy = Once(Lazy)
    given = Once(Unfilled, providers.Object("own"))
    named = Once(Unfilled, session=providers.Object("own"))
    injected = Once(Injected, providers.Object("own"))
    injected_by_name = Once(Injected, session=providers.Object("own"))
    late = Opened("tests.wiring.test_targets.Lazy")


def test_correct_targets() -> None:
    """A parameter that the provider fills, or that receives a provider, is correct."""
    assert report(lambda app: None, shop(Filled)) == []
