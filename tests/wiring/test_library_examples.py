"""Containers as the library's documentation has them, one for each of its chapters."""

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers, resources
from dependency_injector.wiring import Provide, Provider, as_int, inject, required

import modern_flask
from modern_flask.app import faults

Base: Any = modern_flask.Container
EXAMPLES: list[Any] = []


def example(make: Any) -> Any:
    """Add a chapter: its container, its view and its configuration."""
    EXAMPLES.append(pytest.param(make, id=make.__name__))
    return make


class Gateway:
    def __init__(self, key: str, timeout: int) -> None:
        self.key, self.timeout = key, timeout


class Shelf:
    def __init__(self, gateway: Gateway, *books: Any, **named: Any) -> None:
        self.gateway, self.books, self.named = gateway, books, named
        self.title = "shelf"

    def count(self, least: int = 0) -> int:
        return max(least, len(self.books))


@example
def factory_and_singleton() -> Any:
    class Library(Base):
        gateway = providers.Singleton(
            Gateway, key=Base.config.GATEWAY_KEY, timeout=Base.config.GATEWAY_TIMEOUT
        )
        shelf = providers.Factory(Shelf, gateway)

    @inject
    def view(shelf: Shelf = Provide[Library.shelf]) -> str:
        return shelf.gateway.key

    return Library, view, {"GATEWAY_KEY": "k", "GATEWAY_TIMEOUT": 3}


@example
def factory_provider_and_its_arguments() -> Any:
    class Library(Base):
        gateway = providers.Factory(Gateway, "k", 3)
        shelf = providers.Factory(Shelf, gateway, named=1)

    @inject
    def view(make: Any = Provider[Library.shelf]) -> str:
        return str(make("one", "two").count())

    return Library, view, {}


@example
def factories_in_an_aggregate() -> Any:
    class Library(Base):
        shapes = providers.FactoryAggregate(
            small=providers.Factory(dict, size=1), large=providers.Factory(dict, size=9)
        )

    @inject
    def view(make: Annotated[Any, Provider["shapes"]]) -> str:
        return str(make("large"))

    return Library, view, {}


@example
def attributes_of_a_factory() -> Any:
    class Library(Base):
        shelf = providers.Factory(Shelf, None)

    Library.shelf.add_attributes(title="added")

    @inject
    def view(shelf=Provide[Library.shelf]) -> str:
        return str(shelf.title)

    return Library, view, {}


@example
def callables_and_objects() -> Any:
    class Library(Base):
        greet = providers.Callable("{} {}".format, "hello")
        limit = providers.Object(5)
        everything = providers.Dict(
            limit=limit, words=providers.List("a", providers.Object("b"))
        )

    @inject
    def view(
        greet: Annotated[Any, Provider["greet"]],
        everything: Annotated[dict, Provide["everything"]],
    ) -> str:
        return greet("you") + str(everything)

    return Library, view, {}


@example
def resource_of_a_generator() -> Any:
    def open_pool(size: int) -> Iterator[list[int]]:
        yield list(range(size))

    class Library(Base):
        pool = providers.Resource(open_pool, size=Base.config.POOL.as_int())

    @inject
    def view(pool: list[int] = Provide[Library.pool]) -> str:
        return str(pool)

    return Library, view, {"POOL": "3"}


@example
def resource_of_a_class() -> Any:
    class Pool(resources.Resource):
        def init(self, size: int) -> list[int]:
            return list(range(size))

        def shutdown(self, resource: list[int]) -> None:
            resource.clear()

    class Library(Base):
        pool = providers.Resource(Pool, 2)
        logs = providers.Resource(logging.getLogger, "library")

    @inject
    def view(
        pool: list[int] = Provide[Library.pool], logs: Any = Provide[Library.logs]
    ) -> str:
        return f"{pool} {logs.name}"

    return Library, view, {}


@example
def selector_by_a_key() -> Any:
    class Library(Base):
        store = providers.Selector(
            Base.config.STORE.KIND,
            one=providers.Factory(dict, one=1),
            other=providers.Factory(dict, other=2),
        )

    @inject
    def view(store: Annotated[dict, Provide["store"]]) -> str:
        return str(store)

    return Library, view, {"STORE": {"KIND": "other"}}


@example
def what_an_object_provides() -> Any:
    class Library(Base):
        gateway = providers.Singleton(Gateway, "k", 3)
        shelf = providers.Singleton(Shelf, gateway, 1, 2)
        count = providers.Factory(
            dict,
            key=gateway.provided.key,
            first=shelf.provided.books[0],
            count=shelf.provided.count.call(least=5),
        )

    @inject
    def view(
        count: Annotated[dict, Provide["count"]],
        key: str = Provide[Library.gateway.provided.key],
    ) -> str:
        return f"{count} {key}"

    return Library, view, {}


@example
def options_with_modifiers() -> Any:
    @inject
    def view(
        limit: Annotated[int, Provide["config.LIMIT", as_int()]],
        name: Annotated[str, Provide["config.NAME", required()]],
        nested: str = Provide[Base.config.DEEP.WORD],
    ) -> str:
        return f"{limit} {name} {nested}"

    return Base, view, {"LIMIT": "3", "NAME": "n", "DEEP": {"WORD": "w"}}


@example
def dependencies_and_sub_containers() -> Any:
    class Gateways(containers.DeclarativeContainer):
        config = providers.Configuration(strict=True)
        gateway = providers.Singleton(Gateway, config.KEY, config.TIMEOUT.as_int())

    class Shelves(containers.DeclarativeContainer):
        gateways = providers.DependenciesContainer()
        size = providers.Dependency(instance_of=int)
        shelf = providers.Factory(Shelf, gateways.gateway, size)

    class Library(Base):
        gateways = providers.Container(Gateways, config=Base.config.GATEWAY)
        shelves = providers.Container(Shelves, gateways=gateways, size=3)

    @inject
    def view(shelf: Shelf = Provide["shelves.shelf"]) -> str:
        return f"{shelf.gateway.timeout} {shelf.books}"

    return Library, view, {"GATEWAY": {"KEY": "k", "TIMEOUT": "4"}}


@example
def the_container_itself() -> Any:
    class Library(Base):
        __self__ = providers.Self()
        registry = providers.Singleton(list, providers.List(__self__))

    @inject
    def view(registry: Annotated[list, Provide["registry"]]) -> str:
        return str(len(registry))

    return Library, view, {}


@example
def methods_and_static_methods() -> Any:
    class Library(Base):
        word = providers.Object("word")

    class Page:
        @inject
        def __init__(self, word: str = Provide[Library.word]) -> None:
            self.word = word

        @staticmethod
        @inject
        def say(word: str = Provide[Library.word]) -> str:
            return word

        @classmethod
        @inject
        def make(cls, word: str = Provide[Library.word]) -> str:
            return cls().word + word

    def view() -> str:
        return Page().word + Page.say() + Page.make()

    return Library, view, {}


@example
def overridden_when_it_is_made() -> Any:
    class Library(Base):
        word = providers.Factory(str, "real")

    @inject
    def view(word: str = Provide[Library.word]) -> str:
        assert word == "double"
        return word

    return Library(word=providers.Object("double")), view, {}


@pytest.mark.parametrize("make", EXAMPLES)
@pytest.mark.parametrize("by_hand", [False, True])
def test_example(make: Any, by_hand: bool, tmp_path: Any, monkeypatch: Any) -> None:
    """Each is accepted and served, through the app and wired by hand."""
    monkeypatch.chdir(tmp_path)
    kind, view, config = make()
    container = kind() if isinstance(kind, type) else kind
    app = modern_flask.create_app("examples", container, config=config)
    app.add_url_rule("/", "view", view)
    if by_hand:
        container.wire(modules=[__name__])

    try:
        assert [str(fault) for fault in faults(app)] == []
        assert app.test_client().get("/").status_code == 200
    finally:
        container.unwire()
        app.lifecycle.close()
