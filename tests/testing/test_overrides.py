"""Overrides that reach what was already built, and are undone."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask.config.values import Values
from modern_flask.testing import overriding
from modern_flask.testing.errors import NoSuchProvider
from modern_flask.wiring import (
    Once,
    Opened,
    Scoped,
    bind,
    find,
    guard,
    inject,
    section,
)

closed: list[str] = []


def open_pool(engine: str) -> Iterator[str]:
    yield f"pool of {engine}"
    closed.append(f"pool of {engine}")


class Service:
    """Injects the engine by itself."""

    @inject
    def __init__(self, engine: Annotated[str, Provide["engine"]]) -> None:
        self.engine = engine


class Container(containers.DeclarativeContainer):
    """An engine, and everything that can depend on it."""

    config = providers.Configuration()
    engine = Once(lambda: "engine")
    pool = Opened(open_pool, engine)
    repository = providers.Singleton(lambda pool: [pool], pool)
    session = Scoped(lambda pool: {"pool": pool}, pool)
    mail = Once(dict, section(config, "MAIL_"))
    clock = Once(object)
    shelf = providers.Factory(list, providers.List(repository))
    service = Once(Service)


@pytest.fixture
def container() -> Any:
    closed.clear()
    container = Container()
    container.config.override(Values({"MAIL_HOST": "mx"}))
    return container


def test_reaches_what_was_built(container: Any) -> None:
    """What depends on the provider is built from the double, and put back after."""
    pool, clock, repository = (
        container.pool(),
        container.clock(),
        container.repository(),
    )

    with overriding(container, engine="double"):
        assert container.pool() == "pool of double"
        assert container.repository() == ["pool of double"]
        assert container.clock() is clock

    assert container.pool() is pool
    assert container.repository() is repository
    assert container.shelf()[0] is repository
    assert closed == ["pool of double"]


SINGLETONS = (
    providers.Singleton,
    providers.ThreadSafeSingleton,
    providers.ThreadLocalSingleton,
    providers.ContextLocalSingleton,
    providers.DelegatedSingleton,
)


@pytest.mark.parametrize("kind", SINGLETONS)
def test_singletons_are_put_back(kind: Any) -> None:
    """Each of the library's singletons has its former object back, made as before."""

    class Library(containers.DeclarativeContainer):
        engine = providers.Object("engine")
        service = kind(Mutable, engine, pool=providers.List(engine))
        service.add_attributes(note=engine)

    container = Library()
    with overriding(container, engine="unused"):
        pass
    service = container.service()
    with overriding(container, engine="double"):
        assert vars(container.service()) == mutable("double")
        with overriding(container, engine="inner"):
            assert vars(container.service()) == mutable("inner")
        assert vars(container.service()) == mutable("double")

    assert container.service() is service
    assert vars(service) == mutable("engine")
    container.service.reset()
    assert vars(container.service()) == mutable("engine")


class Mutable:
    """Has what it is given by position, by name and as an attribute."""

    def __init__(self, engine: str, pool: list[str]) -> None:
        self.engine, self.pool = engine, pool


def mutable(engine: str) -> dict[str, Any]:
    return {"engine": engine, "pool": [engine], "note": engine}


def test_singleton_that_is_overridden_itself(container: Any) -> None:
    """A block over a singleton's double keeps the double, and then the singleton."""
    repository = container.repository()

    with overriding(container, repository="double"):
        with overriding(container, engine="other"):
            assert container.repository() == "double"
        assert container.repository() == "double"

    assert container.repository() is repository


def test_abstract_singleton() -> None:
    """The override of an abstract singleton is put aside in its place."""

    class Abstract(containers.DeclarativeContainer):
        engine = providers.Object("engine")
        service = providers.AbstractSingleton(list)

    container = Abstract()
    container.service.override(providers.Singleton(list, container.engine))
    service = container.service()

    with overriding(container, engine="double"):
        assert container.service() == list("double")

    assert container.service() is service


def test_marker_of_a_target(container: Any) -> None:
    """An object that a class injects by itself is replaced, too."""
    app = Flask("shop")
    bind(app, container)

    with app.app_context():
        service = container.service()
        with overriding(container, engine="double"):
            assert container.service().engine == "double"

        assert container.service() is service


def test_nested(container: Any) -> None:
    """Each block has its own, and leaves the outer one's as it was."""
    with overriding(container, engine="outer"):
        outer = container.pool()
        with overriding(container, engine="inner"):
            assert container.pool() == "pool of inner"
        assert container.pool() is outer

    assert closed == ["pool of inner", "pool of outer"]
    assert container.pool() == "pool of engine"


def test_undone_after_an_error(container: Any) -> None:
    """A block that raises is undone as well."""

    def fail() -> None:
        with overriding(container, engine="double"):
            container.pool()
            raise ValueError

    with pytest.raises(ValueError):
        fail()

    assert container.pool() == "pool of engine"
    assert closed == ["pool of double"]


def test_provider_as_a_double(container: Any) -> None:
    """A double may be a provider; what it opened is closed with the block."""
    double = Opened(open_pool, "double")

    with overriding(container, pool=double):
        assert container.repository() == ["pool of double"]

    assert closed == ["pool of double"]
    assert container.repository() == ["pool of engine"]


def open_thing(name: str, *_: str, fails: bool = False) -> Iterator[str]:
    yield name
    closed.append(name)
    if fails:
        raise OSError(name)


def test_closes_in_order() -> None:
    """What a block opened is closed at its end, the last opened first."""

    class Shop(containers.DeclarativeContainer):
        engine = Once(lambda: "engine")
        pool = Opened(open_thing, "pool", engine)
        user = Opened(open_thing, "user", pool)

    closed.clear()
    shop = Shop()
    with overriding(shop, engine=Opened(open_thing, "double")):
        shop.user()

    assert closed == ["user", "pool", "double"]


def test_every_closer_runs() -> None:
    """A closer that fails at the end does not stop the others; all are raised."""

    class Shop(containers.DeclarativeContainer):
        engine = Once(lambda: "engine")
        pool = Opened(open_thing, "pool", engine, fails=True)
        user = Opened(open_thing, "user", pool, fails=True)

    def work() -> None:
        with overriding(shop, engine="double"):
            shop.user()

    closed.clear()
    shop = Shop()
    with pytest.raises(ExceptionGroup) as failures:
        work()

    assert closed == ["user", "pool"]
    assert failures.value.message == "Closing the objects of an override failed."
    assert [str(e) for e in failures.value.exceptions] == ["user", "pool"]
    assert shop.engine() == "engine"


def test_providers_that_know_each_other() -> None:
    """Two of which one is handed the other's provider are reached as any."""

    class Shop(containers.DeclarativeContainer):
        engine = Once(lambda: "engine")
        handler = providers.Factory(dict)
        service = providers.Singleton(dict, handlers=handler.provider)
        handler.add_kwargs(service=service, engine=engine)

    shop = Shop()
    service = shop.service()

    with overriding(shop, engine="double"):
        assert shop.handler()["engine"] == "double"
        assert shop.service() is not service

    assert shop.handler() == {"service": service, "engine": "engine"}
    assert shop.service() is service


def test_in_a_scope(container: Any) -> None:
    """What the current request had built is put aside and back, too."""
    app = Flask("shop")
    bind(app, container)
    guard(app)

    with app.app_context():
        session = find("session")
        with overriding(container, engine="double"):
            assert find("session") == {"pool": "pool of double"}
        assert find("session") is session


def test_configuration(container: Any) -> None:
    """Keys may be overridden; only what is made with them is built anew."""
    mail, pool = container.mail(), container.pool()

    with overriding(container, config={"MAIL_HOST": "other", "MAIL_PORT": 25}):
        assert container.mail() == {"host": "other", "port": 25}
        assert container.pool() is pool
        assert container.config.MAIL_HOST() == "other"

    assert container.mail() is mail
    assert container.config.MAIL_HOST() == "mx"


def test_unknown_name(container: Any) -> None:
    """A name that the container does not have is an error with the nearest names."""
    with pytest.raises(NoSuchProvider) as fault, overriding(container, engin="x"):
        pass

    assert str(fault.value) == (
        "engin can't be overridden: the container does not provide it.\n"
        "  did you mean  engine"
    )


def test_library_override(container: Any) -> None:
    """The library's own ``override`` and ``override_providers`` work as they did."""
    with container.engine.override("double"):
        assert container.engine() == "double"
    with container.override_providers(engine=providers.Object("other")):
        assert container.engine() == "other"

    assert container.engine() == "engine"
