"""Correct programs: each is accepted by the check, and serves its request."""

import abc
import asyncio
import contextlib
import datetime
import functools
import threading
from collections import namedtuple
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    Protocol,
    TypedDict,
    TypeVar,
)

import pytest
from dependency_injector import containers, providers, resources
from dependency_injector.wiring import Provide, Provider, as_int, required
from dependency_injector.wiring import inject as library_inject
from flask import Flask

import modern_flask
from modern_flask import Container, Opened, Scoped, inject
from modern_flask.app import faults

Base: Any = Container
T = TypeVar("T")


class Thing:
    def __init__(self, value: Any = None, **more: Any) -> None:
        self.value, self.more = value, more

    def name(self, prefix: str = "") -> str:
        return f"{prefix}{self.value}"


class Reader(abc.ABC):  # noqa: B024
    ...


class Writer(abc.ABC):  # noqa: B024
    ...


class Store(Reader, Writer): ...


class PlainReader: ...


class PlainWriter: ...


class PlainStore(PlainReader, PlainWriter): ...


def make_writer() -> Writer:
    return Store()


def make_plain_writer() -> PlainWriter:
    return PlainStore()


def iterate_things() -> Iterator[Thing]:
    yield Thing("made")


@contextlib.contextmanager
def enter_thing() -> Iterator[Thing]:
    yield Thing("entered")


async def load_thing() -> Thing:
    return Thing("loaded")


def make_untyped():
    return Thing("untyped")


class Entered:
    """A context manager that gives an object of another class."""

    def __enter__(self) -> Thing:
        return Thing("entered")

    def __exit__(self, *_: object) -> None: ...


class ThingResource(resources.Resource):
    def init(self, value: str = "resource") -> Thing:
        return Thing(value)

    def shutdown(self, resource: Any) -> None: ...


class MadeByNew:
    def __new__(cls) -> Any:
        return Thing("new")


class Meta(type):
    def __call__(cls) -> Any:
        return Thing("meta")


class MadeByMeta(metaclass=Meta): ...


class Repository(Generic[T]): ...


class Speaks(Protocol):
    def name(self) -> str: ...


class Row(TypedDict):
    a: int


UserId = NewType("UserId", int)
Point = namedtuple("Point", "x y")


class Proxy:
    """An object that says it is of another class, as a proxy does."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Thing


CASES: list[Any] = []


def case(make: Callable[[], tuple[Any, Any, dict[str, Any]]]) -> Any:
    """Add a program: its container, its view and its configuration."""
    CASES.append(pytest.param(make, id=make.__name__))
    return make


def view_of(annotation: Any, name: str = "svc") -> Any:
    @inject
    def view(found: Annotated[annotation, Provide[name]]) -> str:  # type: ignore[valid-type]
        return type(found).__name__

    return view


@case
def marker_without_annotation() -> Any:
    class Own(Base):
        svc = providers.Factory(Thing)

    @inject
    def view(svc=Provide[Own.svc]):
        return type(svc).__name__

    return Own, view, {}


@case
def marker_without_annotation_under_the_library() -> Any:
    class Own(Base):
        svc = providers.Factory(Thing)

    @library_inject
    def view(svc=Provide[Own.svc]):
        return type(svc).__name__

    return Own, view, {}


@case
def marker_without_annotation_in_an_initializer() -> Any:
    class Service:
        @inject
        def __init__(self, thing=Provide["thing"]) -> None:
            assert isinstance(thing, Thing)

    class Own(Base):
        thing = providers.Factory(Thing)
        svc = providers.Factory(Service)

    return Own, view_of(Service), {}


@case
def marker_of_an_option_without_annotation() -> Any:
    @inject
    def view(number=Provide[Base.config.LIMIT]):
        return str(number)

    return Base, view, {"LIMIT": 3}


@case
def class_of_the_library_s_resources() -> Any:
    class Own(Base):
        svc = providers.Resource(ThingResource, "given")

    return Own, view_of(Thing), {}


@case
def resource_over_what_is_entered() -> Any:
    class Own(Base):
        svc = providers.Resource(Entered)

    return Own, view_of(Thing), {}


@case
def resource_over_a_context_manager_function() -> Any:
    class Own(Base):
        svc = providers.Resource(enter_thing)

    return Own, view_of(Thing), {}


@case
def factory_of_a_context_manager() -> Any:
    class Own(Base):
        svc = providers.Factory(enter_thing)

    @inject
    def view(
        svc: Annotated[contextlib.AbstractContextManager[Thing], Provide["svc"]],
    ) -> str:
        with svc as thing:
            return str(thing.value)

    return Own, view, {}


@case
def factory_of_a_generator() -> Any:
    class Own(Base):
        svc = providers.Factory(iterate_things)

    @inject
    def view(svc: Annotated[Iterator[Thing], Provide["svc"]]) -> str:
        return str([thing.value for thing in svc])

    return Own, view, {}


@case
def coroutine_in_an_async_view() -> Any:
    class Own(Base):
        svc = providers.Callable(load_thing)

    @inject
    async def view(svc: Annotated[Awaitable[Thing], Provide["svc"]]) -> str:
        return str((await svc).value)

    return Own, view, {}


@case
def coroutine_that_a_view_runs_itself() -> Any:
    class Own(Base):
        svc = providers.Callable(load_thing)

    @inject
    def view(svc=Provide[Own.svc]):
        return str(asyncio.run(svc).value)

    return Own, view, {}


@case
def one_class_behind_two_abstract_ones() -> Any:
    class Own(Base):
        svc = providers.Singleton(make_writer)

    return Own, view_of(Reader), {}


@case
def one_class_behind_two_plain_ones() -> Any:
    class Own(Base):
        svc = providers.Singleton(make_plain_writer)

    return Own, view_of(PlainReader), {}


@case
def class_that_new_replaces() -> Any:
    class Own(Base):
        svc = providers.Factory(MadeByNew)

    return Own, view_of(Thing), {}


@case
def class_that_a_metaclass_replaces() -> Any:
    class Own(Base):
        svc = providers.Factory(MadeByMeta)

    return Own, view_of(Thing), {}


@case
def object_that_says_it_is_another() -> Any:
    class Own(Base):
        svc = providers.Object(Proxy())

    return Own, view_of(Thing), {}


@case
def untyped_target() -> Any:
    class Own(Base):
        svc = providers.Callable(make_untyped)

    return Own, view_of(Thing), {}


@case
def decoration_through_a_step() -> Any:
    class First(Base):
        svc = providers.Factory(Thing, "old")

    class Own(First):
        raw = providers.Factory(Thing, First.svc)
        svc = providers.Factory(Thing, raw)

    return Own, view_of(Thing), {}


@case
def decoration_and_another_user_declared_with_it() -> Any:
    class First(Base):
        svc = providers.Factory(Thing, "old")

    class Own(First):
        svc = providers.Factory(Thing, First.svc)
        legacy = providers.Factory(Thing, First.svc)

    return Own, view_of(Thing), {}


@case
def argument_from_an_outer_decorator() -> Any:
    def with_thing(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, svc=Thing("passed"), **kwargs)

        return call

    @with_thing
    def view(svc: Annotated[Thing, Provide["svc"]]) -> str:
        return str(svc.value)

    class Own(Base):
        svc = providers.Factory(Thing)

    return Own, view, {}


@case
def positional_argument_from_an_outer_decorator() -> Any:
    def with_thing(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(Thing("passed"), *args, **kwargs)

        return call

    @with_thing
    def view(svc: Annotated[Thing, Provide["svc"]]) -> str:
        return str(svc.value)

    return Base, view, {}


@case
def arguments_from_a_mapping_of_a_decorator() -> Any:
    def passing(**extra: Any) -> Any:
        def decorate(function: Any) -> Any:
            @functools.wraps(function)
            def call(**kwargs: Any) -> Any:
                return function(**extra, **kwargs)

            return call

        return decorate

    @passing(svc=Thing("passed"))
    def view(svc: Annotated[Thing, Provide["svc"]]) -> str:
        return str(svc.value)

    return Base, view, {}


@case
def own_defaults_of_the_configuration() -> Any:
    class Own(Base):
        config = providers.Configuration(default={"CLIENT_TIMEOUT": 5})
        svc = providers.Factory(Thing, config.CLIENT_TIMEOUT)

    @inject
    def view(
        svc: Annotated[Thing, Provide["svc"]],
        storage: Annotated[Any, Provide["storage"]],
    ) -> str:
        return f"{svc.value} {storage.vendor}"

    return Own, view, {"STORAGE_VENDOR": "memory"}


@case
def configuration_of_a_mixin() -> Any:
    class Mixin(containers.DeclarativeContainer):
        config = providers.Configuration()
        svc = providers.Factory(Thing, config.HOST.required())

    class Own(Base, Mixin): ...

    return Own, view_of(Thing), {"HOST": "h"}


@case
def optional_key_of_an_argument() -> Any:
    class Client:
        def __init__(self, timeout=None) -> None:
            self.timeout = timeout or 5

    class Own(Base):
        svc = providers.Factory(Client, timeout=Base.config.CLIENT_TIMEOUT)

    return Own, view_of(Client), {}


@case
def optional_key_that_a_function_converts() -> Any:
    class Own(Base):
        svc = providers.Factory(Thing, Base.config.NUMBER.as_(lambda n: n or 5))

    return Own, view_of(Thing), {}


@case
def optional_key_of_a_view() -> Any:
    @inject
    def view(
        one: Annotated[int | None, Provide["config.ONE"]],
        two: Annotated[int, Provide["config.TWO"]] = 2,
        three=Provide[Base.config.THREE],
    ) -> str:
        return f"{one} {two} {three}"

    return Base, view, {}


@case
def converted_keys() -> Any:
    @inject
    def view(
        one: Annotated[int, Provide["config.ONE", as_int()]],
        two: Annotated[str, Provide["config.TWO", required()]],
        three: int = Provide[Base.config.ONE.as_int()],
        four: float = Provide[Base.config.ONE.as_float()],
    ) -> str:
        return f"{one} {two} {three} {four}"

    return Base, view, {"ONE": "1", "TWO": "two"}


@case
def values_that_are_set_to_nothing() -> Any:
    @inject
    def view(
        none: Annotated[object, Provide["config.NONE"]],
        zero: Annotated[object, Provide["config.ZERO"]],
        empty: Annotated[str, Provide["config.EMPTY"]],
    ) -> str:
        return repr((none, zero, empty))

    return Base, view, {"NONE": None, "ZERO": 0, "EMPTY": ""}


@case
def arguments_given_at_the_call() -> Any:
    class Needy:
        def __init__(self, number: int, *, unit: str) -> None: ...

    class Own(Base):
        svc = providers.Factory(Needy, unit="m")
        user = providers.Factory(Thing, svc.provider)
        many = providers.FactoryAggregate(a=svc)

    @inject
    def view(
        make: Annotated[Callable[..., Needy], Provider["svc"]],
        user: Annotated[Thing, Provide["user"]],
        many: Annotated[Any, Provider["many"]],
    ) -> str:
        made = [make(1), user.value(2), many("a", 3)]
        return str({type(each).__name__ for each in made})

    return Own, view, {}


@case
def providers_that_are_only_called_by_hand() -> Any:
    class Needy:
        def __init__(self, number: int) -> None: ...

    class Own(Base):
        abstract = providers.AbstractSingleton(Thing)
        needy = providers.Factory(Needy)
        empty = providers.Factory()
        svc = providers.Factory(Thing)

    return Own, view_of(Thing), {}


@case
def abstract_providers_that_are_overridden() -> Any:
    class Own(Base):
        factory = providers.AbstractFactory(Thing)
        single = providers.AbstractSingleton(Thing)

    @inject
    def view(
        one: Annotated[Thing, Provide["factory"]],
        two: Annotated[Thing, Provide["single"]],
    ) -> str:
        return f"{one.value}{two.value}"

    made = Own(
        factory=providers.Factory(Thing, 1), single=providers.Singleton(Thing, 2)
    )
    return made, view, {}


@case
def selector_that_a_function_decides() -> Any:
    class Needy:
        def __init__(self, number: int) -> None: ...

    class Own(Base):
        svc = providers.Selector(
            lambda: "b",
            a=providers.Factory(Needy),
            b=providers.Factory(Thing),
            c=providers.Factory(Thing, Base.config.GONE.required()),
        )

    return Own, view_of(Thing), {}


@case
def library_s_own_kinds() -> Any:
    class Own(Base):
        now = providers.Callable(datetime.datetime.now)
        settings = providers.Factory(dict, a=1)
        number = providers.Callable(int, "3")
        point = providers.Factory(Point, 1, y=2)
        items = providers.List(providers.Factory(Thing), 2)
        table = providers.Dict(a=providers.Factory(Thing))
        lock = providers.Singleton(threading.Lock)
        part = providers.Callable(functools.partial(max, 1), 2)
        method = providers.Factory(Thing, "x").provided.name.call("say ")

    @inject
    def view(
        now: Annotated[datetime.datetime, Provide["now"]],
        settings: Annotated[dict, Provide["settings"]],
        number: Annotated[int, Provide["number"]],
        point: Annotated[tuple, Provide["point"]],
        items: Annotated[list, Provide["items"]],
        table: Annotated[dict, Provide["table"]],
        lock: Annotated[Any, Provide["lock"]],
        part: Annotated[int, Provide["part"]],
        method: Annotated[str, Provide["method"]],
    ) -> str:
        return f"{number} {point.x} {len(items)} {part} {method}"

    return Own, view, {}


@case
def annotations_that_are_no_plain_classes() -> Any:
    class Own(Base):
        repository = providers.Factory(Repository)
        thing = providers.Factory(Thing)
        row = providers.Factory(dict, a=1)
        user = providers.Object(3)
        word = providers.Object("lit")
        function = providers.Object(len)
        kind = providers.Object(Thing)
        things = providers.Factory(list)

    @inject
    def view(
        a: Annotated[Repository[int], Provide["repository"]],
        b: Annotated[Speaks, Provide["thing"]],
        c: Annotated[Row, Provide["row"]],
        d: Annotated[UserId, Provide["user"]],
        e: Annotated[Literal["lit"], Provide["word"]],
        f: Annotated[Callable[[Any], int], Provide["function"]],
        g: Annotated[type[Thing], Provide["kind"]],
        h: Annotated[Iterable[int], Provide["things"]],
        i: Annotated[Sequence, Provide["things"]],
        j: Annotated[Mapping[str, int], Provide["row"]],
        k: Annotated["Thing", Provide["thing"]],
        m: Annotated[T, Provide["thing"]],
        n: Annotated[float, Provide["user"]],
    ) -> str:
        return "served"

    return Own, view, {}


@case
def provider_that_is_set_later() -> Any:
    made = Base()
    made.set_provider("svc", providers.Singleton(Thing))
    return made, view_of(Thing), {}


@case
def generator_view_with_its_context() -> Any:
    from flask import stream_with_context

    class Own(Base):
        svc = Scoped(iterate_things)

    @stream_with_context
    @inject
    def view(svc: Annotated[Thing, Provide["svc"]]) -> Any:
        yield str(svc.value)

    return Own, view, {}


@case
def generator_view_with_an_object_that_stays_open() -> Any:
    class Own(Base):
        svc = providers.Factory(Thing, "stays")

    @inject
    def view(svc: Annotated[Thing, Provide["svc"]]) -> Any:
        yield str(svc.value)

    return Own, view, {}


@case
def attributes_that_only_an_initializer_sets() -> Any:
    class Own(Base):
        thing = providers.Factory(Thing, "set")
        svc = providers.Callable(str, thing.provided.value)

    return Own, view_of(str), {}


@case
def opener_that_is_a_class() -> Any:
    class Own(Base):
        svc = Opened(Thing, "opened")

    return Own, view_of(Thing), {}


@pytest.mark.parametrize("make", CASES)
@pytest.mark.filterwarnings("ignore:@inject is not required here")
def test_accepted(make: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """The check finds no fault, and the request is served."""
    monkeypatch.chdir(tmp_path)
    kind, view, config = make()
    container = kind() if isinstance(kind, type) else kind
    app = modern_flask.create_app("correct", container, config=config)
    app.add_url_rule("/", "view", view)

    assert [str(fault) for fault in faults(app)] == []
    assert serve(app) == 200


def serve(app: Flask) -> int:
    response = app.test_client().get("/")
    # To its end: a stream keeps its context until then.
    assert response.data
    return response.status_code
