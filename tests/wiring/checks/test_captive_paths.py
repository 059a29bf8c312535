"""The paths from a keeper to the object that it keeps, and those that keep nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from dependency_injector import containers, providers

from modern_flask.wiring import Choice, Once, Opened, Scoped
from tests.wiring.fault_table import report
from tests.wiring.shop import Mailer, Shop, open_session, shop

session = Shop.session


PATHS: dict[str, Callable[[Any], Any]] = {
    "argument": lambda s: s,
    "provided": lambda s: s.provided,
    "Callable": lambda s: providers.Callable(Mailer, s),
    "Coroutine": lambda s: providers.Coroutine(coroutine, s),
    "List": lambda s: providers.List(1, s),
    "Dict": lambda s: providers.Dict({"a": providers.List(s)}),
    "Selector": lambda s: providers.Selector(Shop.config.VENDOR, disk=s),
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
    """Providers that are passed on without being called, and parts of unknown life."""

    attribute = Once(Mailer, session.provided.bind)
    item = Once(Mailer, session.provided["engine"])
    result = Once(Mailer, session.provided.get_bind.call())
    argument = Once(Mailer, Once(dict).provided.get.call(session))
    key = Once(Mailer, providers.Selector(session, disk=Once(dict)))

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
