"""Cycles, and objects of a request that an object with a longer life keeps."""

from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask
from flask.views import View

from modern_flask.wiring import Once, Opened, guard, inject
from modern_flask.wiring.checks.lifetimes import FIX_IN_METHOD
from tests.wiring.fault_table import Table, check_row
from tests.wiring.shop import Mailer, SessionDep, Shop

TABLE = Table()
row = TABLE.row
session = Shop.session


class Circle(Shop):
    """``first`` depends on ``second``, which depends on ``first``."""

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
    """``first`` depends on itself, through an attribute."""

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
    """An object of the process that keeps an object of a request."""

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
    """A resource that keeps an object of a request through two other providers."""

    reader = providers.Factory(Mailer, Shop.catalog.provided)
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
def captive_on_a_long_path(app: Flask) -> None: ...


class Single(Shop):
    """A singleton of the library that keeps an object of a request."""

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


class Local(Shop):
    """An object of each thread: it lives longer than the request."""

    keeper = providers.ThreadLocalSingleton(Mailer, session)


@row(
    """
        keeper lives as long as a thread and keeps session, which lives as long as a \\
            request.
          path     keeper (ThreadLocalSingleton) -> session (Scoped)
          fix      declare keeper as Scoped, or give it `session.provider`
        """,
    Local,
)
def captive_of_a_thread(app: Flask) -> None: ...


class OfThread(Shop):
    """An object of the process that keeps the object of the first thread."""

    local = providers.ThreadLocalSingleton(Mailer)
    keeper = Once(Mailer, local)


@row(
    """
        keeper lives as long as the process and keeps local, which lives as long as a \\
            thread.
          path     keeper (Once) -> local (ThreadLocalSingleton)
          fix      declare keeper as Scoped, or give it `local.provider`
        """,
    OfThread,
)
def captive_from_a_thread(app: Flask) -> None: ...


class Service:
    """A class whose initializer has a marker."""

    @inject
    def __init__(self, session: SessionDep) -> None: ...


class Marked(Shop):
    """The object of a request is injected by a marker, not passed as an argument."""

    keeper = Once(Service)


@row(
    """
        keeper lives as long as the process and keeps session, which lives as long \\
            as a request.
          path     keeper (Once) -> session (Scoped)
          fix      declare keeper as Scoped, or give it `session.provider`
        """,
    Marked,
)
def captive_by_a_marker(app: Flask) -> None: ...


class Inner(containers.DeclarativeContainer):
    """A container inside another one, which passes it a dependency."""

    given = providers.Dependency()
    keeper = Once(Mailer, given)


class Nested(Shop):
    """Passes the object of a request to the container inside."""

    inner = providers.Container(Inner, given=session)


@row(
    """
        inner.keeper lives as long as the process and keeps session, which lives as \\
            long as a request.
          path     inner.keeper (Once) -> inner.given (Dependency) -> session (Scoped)
          fix      declare inner.keeper as Scoped, or give it `session.provider`
        """,
    Nested,
)
def captive_in_a_nested_container(app: Flask) -> None: ...


@row(f"""
        View page (Page.__init__) lives as long as the process and keeps session, \\
            which lives as long as a request.
          path     View page (Page.__init__) -> catalog (Factory) -> List (List) -> \\
            session (Scoped)
          fix      {FIX_IN_METHOD}
        """)
def captive_of_a_view(app: Flask) -> None:
    class Page(View):
        init_every_request = False

        @inject
        def __init__(self, catalog: Annotated[Any, Provide["catalog"]]) -> None: ...

        def dispatch_request(self) -> str: ...

    guard(app)
    with app.app_context():
        app.add_url_rule("/", view_func=Page.as_view("page"))


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The check reports exactly this text."""
    check_row(build, kind, values, expected)
