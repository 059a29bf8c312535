"""Components and keys that are injected but not configured."""

from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask.errors import set_key
from modern_flask.wiring import Opened, inject, is_configured, section
from tests.wiring.fault_table import Table, check_row, report
from tests.wiring.shop import Shop, shop

TABLE = Table()
row = TABLE.row


@row(
    """
        VENDOR = "s3" names no vendor.
          set in   config.py, line 7
          fix      use disk or memory
        """,
    VENDOR="s3",
)
def choice_without_a_branch(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(storage: Annotated[Any, Provide["storage"]]) -> str: ...


LACK = (
    'mail is not configured: BRANCH["MAIL_HOST"] is not set, but BRANCH["MAIL_PORT"] '
    "(config.py, line 7) is."
)


class Branch(containers.DeclarativeContainer):
    """A container inside another one, with settings of its own."""

    config = providers.Configuration()
    till = providers.Singleton(int, config.TILL.as_int())
    mailer = Opened(dict, section(config, "MAIL_", "HOST"))


class Chain(Shop):
    """A container whose branch gets an item of the configuration."""

    branch = providers.Container(Branch, config=Shop.config.BRANCH)


@row(
    f"""
        BRANCH["TILL"] is not set, but an injected object requires it.
          in       View view (`till`)
          looked in  config.py and FLASK_*
          did you mean  BRANCH["TIL"]
          fix      {set_key('BRANCH["TILL"]')}
        """,
    Chain,
    BRANCH={"TIL": 1},
)
def key_of_an_inner_container(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(till: Annotated[int, Provide["branch.till"]]) -> str: ...


@row(
    """
        BRANCH["TILL"] is read as an int, but its value can't be converted.
          in       View view (`till`)
          set in   config.py, line 7
          fix      set BRANCH["TILL"] to a number
        """,
    Chain,
    BRANCH={"TILL": "x"},
)
def wrong_value_of_an_inner_container(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(till: Annotated[int, Provide["branch.till"]]) -> str: ...


@row(
    f"""
        {LACK}
          in       View view (`mailer`)
          looked in  config.py and FLASK_*
          fix      {set_key('BRANCH["MAIL_HOST"]')}
        """,
    Chain,
    BRANCH={"MAIL_PORT": 25},
)
def section_of_an_inner_container(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(mailer: Annotated[Any, Provide["branch.mailer"]]) -> str: ...


class Library(Shop):
    """The library's own selector, with a branch that is not configured."""

    post = providers.Selector(Shop.config.POST, letter=Shop.mailer, word=Shop.name)


@row(
    """
        POST = "pigeon" names no post.
          set in   config.py, line 7
          fix      use letter or word
        """,
    Library,
    POST="pigeon",
)
def selector_without_a_branch(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(post: Annotated[Any, Provide["post"]]) -> str: ...


@row(
    f"""
        POST is not set, but an injected object requires it.
          in       View view (`post`)
          looked in  config.py and FLASK_*
          fix      {set_key("POST")}
        """,
    Library,
)
def selector_without_its_key(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(post: Annotated[Any, Provide["post"]]) -> str: ...


@row(f"""
        vendor is not configured: VENDOR is not set.
          in       View view (`storage`)
          looked in  config.py and FLASK_*
          fix      {set_key("VENDOR")}
        """)
def choice_without_its_key(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(storage: Annotated[Any, Provide["storage"]]) -> str: ...


@row(f"""
        mail is not configured: MAIL_HOST is not set.
          in       View view (`letters`) and Command send (`mailer`)
          path     letters -> mailer
          looked in  config.py and FLASK_*
          fix      {set_key("MAIL_HOST")}
        """)
def component_that_is_not_configured(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(letters: Annotated[Any, Provide["letters"]]) -> str: ...

    @app.cli.command("send")
    @inject
    def send(mailer: Annotated[Any, Provide["mailer"]]) -> None: ...


class Rate:
    """A class whose annotation requires a number."""

    def __init__(self, tax: float) -> None: ...


class Rated(Shop):
    rate = providers.Factory(Rate, Shop.config.TAX)


@row(
    f"""
        TAX is not set, but an injected object requires it.
          in       View view (`rate`)
          looked in  config.py and FLASK_*
          did you mean  TAXI
          fix      {set_key("TAX")}
        """,
    Rated,
    TAXI=1,
)
def key_that_is_not_set(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(rate: Annotated[Any, Provide["rate"]]) -> str: ...


@row(
    f"""
        LIMIT is not set, but an injected object requires it.
          in       View view (`limit`), View view1 (`limit`), View view2 (`limit`) \\
            and 1 more
          looked in  config.py and FLASK_*
          fix      {set_key("LIMIT")}
        """
)
def key_that_views_inject(app: Flask) -> None:
    for number in ("", 1, 2, 3):

        @app.get(f"/{number}", endpoint=f"view{number}")
        @inject
        def view(limit: Annotated[int, Provide["config.LIMIT"]]) -> str: ...


@row("""
        customer is a Dependency without a provider.
          in       View view (`basket`)
          path     basket -> customer
          fix      give the container one: Container(customer=...)
        """)
def dependency_that_was_not_given(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(basket: Annotated[Any, Provide["basket"]]) -> str: ...


def test_branch_that_is_not_chosen() -> None:
    """A selector's branch that is not chosen requires no key."""

    def build(app: Flask) -> None:
        @app.get("/")
        @inject
        def view(post: Annotated[str, Provide["post"]]) -> str: ...

    container = shop(Library, POST="word")

    assert report(build, container) == []
    assert is_configured(container.post)


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The check reports exactly this text."""
    check_row(build, kind, values, expected)
