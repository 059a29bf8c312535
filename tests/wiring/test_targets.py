"""What the functions and classes that providers call ask for by themselves."""

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
    """A class whose marker nothing fills."""

    def __init__(self, session: SessionDep) -> None: ...


class Half(Shop):
    """Its provider does not fill it either."""

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
def mistaken(session: Annotated[Any, Provide["sesion"]]) -> Any: ...


class Mistaken(Shop):
    """A target that asks for what there is not."""

    orders = providers.Factory(mistaken)


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
def circular(second: Annotated[Any, Provide["second"]]) -> Any: ...


class Circular(Shop):
    """A circle that is closed by a marker."""

    first = providers.Factory(circular)
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
def mailing(mailer: Annotated[Mailer, Provide["mailer"]]) -> Any: ...


class Mailing(Shop):
    """A target that needs what is not configured."""

    post = providers.Factory(mailing)


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
def limited(limit: Annotated[int, Provide["config.LIMIT"]]) -> Any: ...


class Limited(Shop):
    """A target that needs a key that is not set."""

    orders = providers.Factory(limited)


@row(
    f"""
        LIMIT is not set, and something injected requires it.
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
    """InjectedFunction for the provider, to call it when it is needed."""

    @inject
    def __init__(
        self, make: Annotated[Callable[[], Session], Provider["session"]]
    ) -> None: ...


class Asking:
    """InjectedFunction for a request's object, unless it is given one."""

    @inject
    def __init__(self, session: SessionDep) -> None: ...


class Filled(Shop):
    """Targets with markers that need nothing."""

    lazy = Once(Lazy)
    given = Once(Unfilled, providers.Object("own"))
    named = Once(Unfilled, session=providers.Object("own"))
    asking = Once(Asking, providers.Object("own"))
    asking_by_name = Once(Asking, session=providers.Object("own"))
    late = Opened("tests.wiring.test_targets.Lazy")


def test_nothing_is_wrong() -> None:
    """What the provider gives, or a target asks for to call it later, is no fault."""
    assert report(lambda app: None, shop(Filled)) == []
