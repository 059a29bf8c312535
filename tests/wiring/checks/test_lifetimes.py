"""Cycles, and objects of a request that an object with a longer life keeps."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask
from flask.views import View

from modern_flask.wiring import Choice, Once, Opened, Scoped, guard, inject
from modern_flask.wiring.checks.lifetimes import FIX_IN_METHOD
from tests.wiring.fault_table import Table, check_row, report
from tests.wiring.shop import Mailer, SessionDep, Shop, open_session, shop

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


PATHS: dict[str, Callable[[Any], Any]] = {
    "argument": lambda s: s,
    "provided": lambda s: s.provided.items["a"].copy.call(),
    "argument of a method": lambda s: Once(dict).provided.get.call(s),
    "Callable": lambda s: providers.Callable(Mailer, s),
    "Coroutine": lambda s: providers.Coroutine(coroutine, s),
    "List": lambda s: providers.List(1, s),
    "Dict": lambda s: providers.Dict({"a": providers.List(s)}),
    "Selector": lambda s: providers.Selector(Shop.config.VENDOR, disk=s),
    "key of a selector": lambda s: providers.Selector(s, disk=Once(dict)),
    "Choice": lambda s: Choice(Shop.config.VENDOR, disk=s),
    "default": lambda s: providers.Dependency(default=s),
    "behind two factories": lambda s: providers.Factory(
        list, providers.Factory(list, s)
    ),
}
KEEPERS: list[Any] = [
    Once,
    Opened,
    providers.Singleton,
    providers.ThreadSafeSingleton,
    providers.Resource,
]


async def coroutine(value: Any) -> Any:
    return value


@pytest.mark.parametrize("keeper", KEEPERS)
@pytest.mark.parametrize("path", PATHS)
def test_every_path(keeper: Any, path: str) -> None:
    """A captive object is reported once, for each kind of keeper and each path."""

    class Keeping(Shop):
        kept = keeper(Mailer, PATHS[path](session))

    (text,) = report(lambda app: None, shop(Keeping, VENDOR="disk"))

    assert text.startswith("kept lives as long as the process and keeps session,")


def test_keeper_behind_a_keeper() -> None:
    """A keeper is reported only for what it keeps without another keeper between."""

    class Chain(Shop):
        first = Once(Mailer, session)
        second = Once(Mailer, first)
        third = Once(Mailer, first, providers.Factory(list, providers.List(session)))

    texts = report(lambda app: None, shop(Chain))

    assert [text.partition(" ")[0] for text in texts] == ["first", "third"]


def test_override_of_another_kind() -> None:
    """An override by a provider with a shorter life is reported as a captive."""

    class Keeping(Shop):
        engine = Once(Mailer)
        keeper = Once(Mailer, engine)

    container = shop(Keeping)
    with container.engine.override(Scoped(open_session)):
        (text,) = report(lambda app: None, container)
    with container.engine.override(providers.Factory(Mailer)):
        assert report(lambda app: None, container) == []

    assert text.splitlines()[1] == (
        "  path     keeper (Once) -> engine (Once) -> engine (Scoped)"
    )


class Scoping(containers.DeclarativeContainer):
    """A container with an object of a request."""

    session = Scoped(open_session)


class Correct(Shop):
    """Providers that are passed on without being called."""

    delegate = Once(Mailer, session.provider)
    delegated = providers.Singleton(Mailer, providers.DelegatedFactory(Mailer, session))
    aggregate = providers.Singleton(
        Mailer, providers.Aggregate(a=providers.Factory(list, session))
    )
    object = Once(Mailer, providers.Object(session))
    inner = providers.Container(Scoping)
    whole = Once(Mailer, inner)
    choice = Once(Mailer, Choice(Shop.config.VENDOR, disk=session, memory=Once(dict)))


def test_nothing_is_kept() -> None:
    """A provider that is passed on, to be called later, is not a captive."""
    assert report(lambda app: None, shop(Correct, VENDOR="memory")) == []


def test_lazy_request_object_is_no_captive() -> None:
    """A singleton that receives the provider keeps no object of a request."""

    class Lazy(Shop):
        keeper = Once(Mailer, Shop.session.provider)

    assert report(lambda app: None, shop(Lazy)) == []
