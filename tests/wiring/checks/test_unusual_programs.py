"""Correct programs that look wrong: each is accepted, and nothing of theirs is run.

They are unusual decorators, proxies, providers of their own classes, and objects that
get their attributes from elsewhere. What is not certain is no fault.
"""

import functools
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any
from unittest.mock import Mock

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide
from dependency_injector.wiring import inject as library_inject
from flask import Flask, Response, current_app, stream_with_context
from flask.views import MethodView, View
from werkzeug.local import LocalProxy

import modern_flask
from modern_flask import Container, Once, Opened, Scoped, cached, inject
from modern_flask.app import faults
from modern_flask.wiring.checks import markers

Base: Any = Container
Program = tuple[Any, Callable[[Flask], Any], dict[str, Any]]


class Thing:
    def __init__(self, value: Any = "thing") -> None:
        self.value = value


class Shop(Base):
    svc = providers.Factory(Thing)


class Remote:
    """It has every attribute, as the client of a remote service may."""

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return Remote()

    def __call__(self, *args: Any) -> None: ...


CASES: list[Any] = []
RAN: list[str] = []


def case(make: Callable[[], Program]) -> Callable[[], Program]:
    """Add a program: its container, what is done with the app, its configuration."""
    CASES.append(pytest.param(make, id=make.__name__))
    return make


@inject
def show(svc: Annotated[Any, Provide["svc"]]) -> str:
    return str(getattr(svc, "value", svc))


def serve_at_root(view: Any) -> Callable[[Flask], Any]:
    return lambda app: app.add_url_rule("/", "view", view)


def provide(provider: Any, **more: Any) -> Any:
    return type("Own", (Base,), {"svc": provider, **more})


def note(text: str) -> str:
    RAN.append(text)
    return text


@case
def view_without_a_hash() -> Program:
    @dataclass
    class Greeting:
        text: str

        def __call__(self) -> str:
            return self.text

    return Base, serve_at_root(Greeting("hello")), {}


@case
def view_that_is_a_mock() -> Program:
    def build(app: Flask) -> None:
        app.add_url_rule("/", "view", show)
        app.view_functions["view"] = Mock(return_value="mock")

    return Shop, build, {}


@case
def hook_that_has_every_attribute() -> Program:
    def build(app: Flask) -> None:
        app.before_request(Remote().audit)
        app.add_url_rule("/", "view", show)

    return Shop, build, {}


@case
def class_with_properties_of_its_own() -> Program:
    class Setting:
        def __get__(self, instance: Any, owner: type) -> str:
            note("class property")
            return current_app.extensions["nothing"]  # type: ignore[no-any-return]

    class Repository:
        session = Setting()
        value = "repository"

    return provide(providers.Factory(Repository)), serve_at_root(show), {}


@case
def proxy_among_the_templates() -> Program:
    def build(app: Flask) -> None:
        app.jinja_env.globals["tenant"] = LocalProxy(lambda: note("global"))
        app.add_url_rule("/", "view", show)

    return Shop, build, {}


@case
def argument_from_a_helper_of_a_decorator() -> Program:
    def complete(given: dict[str, Any]) -> dict[str, Any]:
        return {"svc": Thing("own"), **given}

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **complete(kwargs))

        return call

    @decorate
    def view(svc: Annotated[Any, Provide["svc"]]) -> str:
        return str(svc.value)

    return Shop, serve_at_root(view), {}


@case
def argument_of_as_view() -> Program:
    class Page(View):
        def __init__(self, svc: Annotated[Any, Provide["svc"]]) -> None:
            self.svc = svc

        def dispatch_request(self) -> str:
            return str(self.svc.value)

    return Shop, serve_at_root(Page.as_view("page", svc=Thing("own"))), {}


@case
def url_that_replaces_a_default() -> Program:
    @inject
    def report(tenant: Annotated[str, Provide["config.TENANT"]]) -> str:
        return tenant

    def build(app: Flask) -> None:
        app.add_url_rule("/", "report", report)
        app.add_url_rule("/of/<tenant>", "report", report)

    return Base, build, {"TENANT": "main"}


@case
def function_with_and_without_a_decorator() -> Program:
    def save() -> str:
        return "saved"

    def build(app: Flask) -> None:
        app.add_url_rule("/", "plain", save)
        app.add_url_rule("/cached", "cached", cached(10)(save))

    return Base, build, {"REDIS_URL": "redis://localhost"}


def make_thing() -> Iterator[Thing]:
    yield Thing("made")


@case
def stream_by_the_decorators_of_a_class() -> Program:
    class Rows(MethodView):
        decorators = [stream_with_context]  # noqa: RUF012

        @inject
        def get(self, svc: Annotated[Thing, Provide["svc"]]) -> Iterator[str]:
            yield svc.value

    return provide(Scoped(make_thing)), serve_at_root(Rows.as_view("rows")), {}


@case
def stream_that_dispatch_collects() -> Program:
    class Rows(MethodView):
        def dispatch_request(self, **values: Any) -> Any:
            rows: Any = super().dispatch_request(**values)
            return Response("".join(rows))

        @inject
        def get(self, svc: Annotated[Thing, Provide["svc"]]) -> Iterator[str]:
            yield svc.value

    return provide(Scoped(make_thing)), serve_at_root(Rows.as_view("rows")), {}


def collect(function: Any) -> Any:
    @functools.wraps(function)
    def call() -> list[Any]:
        return list(function())

    return call


@collect
def list_names() -> Iterator[str]:
    yield "first"


@case
def generator_that_a_decorator_collects() -> Program:
    @inject
    def view(names: Annotated[list, Provide["svc"]]) -> str:  # type: ignore[type-arg]
        return str(names[0])

    return provide(Once(list_names)), serve_at_root(view), {}


@case
def coroutine_that_the_library_awaits() -> Program:
    async def load() -> Thing:
        return Thing("loaded")

    @library_inject
    async def view(svc: Thing = Provide["svc"]) -> str:
        return str(svc.value)

    return provide(providers.Coroutine(load)), serve_at_root(view), {}


@case
def resource_that_an_async_view_awaits() -> Program:
    async def open_thing() -> Thing:
        return Thing("opened")

    @inject
    async def view(svc: Annotated[Any, Provide["svc"]]) -> str:
        return str((await svc).value)

    return provide(providers.Resource(open_thing)), serve_at_root(view), {}


@case
def factory_that_adds_arguments() -> Program:
    class TenantFactory(providers.Factory):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__("tenant", *args, **kwargs)

    class Needy:
        def __init__(self, tenant: str) -> None:
            self.value = tenant

    return provide(TenantFactory(Needy)), serve_at_root(show), {}


@case
def selector_of_a_class_of_its_own() -> Program:
    class Flag(providers.Selector):
        def _provide(self, args: Any, kwargs: Any) -> Any:
            return self.providers["new"](*args, **kwargs)

    class Needy:
        def __init__(self, missing: str) -> None: ...

    old, new = providers.Factory(Needy), providers.Factory(Thing)
    return provide(Flag(None, old=old, new=new)), serve_at_root(show), {}


@case
def selector_whose_other_branch_opens() -> Program:
    branches = {"a": Opened(note, "opened"), "b": providers.Factory(Thing)}
    selector = providers.Selector(lambda: "b", **branches)
    return provide(selector), serve_at_root(show), {}


@case
def selector_whose_other_branch_is_a_cycle() -> Program:
    plain = providers.Factory(Thing)
    kind = provide(providers.Selector(lambda: "plain", plain=plain))
    kind.svc.set_providers(plain=plain, cached=providers.Factory(Thing, kind.svc))
    return kind, serve_at_root(show), {}


@case
def target_in_a_module_without_a_file() -> Program:
    module: Any = types.ModuleType("plugin_without_a_file")
    module.open_thing = Thing
    sys.modules["plugin_without_a_file"] = module
    kind = provide(Opened("plugin_without_a_file.open_thing"))
    return kind, serve_at_root(show), {}


@case
def provider_that_is_overridden_in_its_class() -> Program:
    class Parent(Base):
        client = providers.Factory(Thing, "old")
        svc = providers.Factory(Thing, client.provided.value)

    class Own(Parent):
        client = providers.Factory(Thing, "new")

    Parent.client.override(Own.client)
    return Own, serve_at_root(show), {}


@case
def target_that_is_a_method_of_c() -> Program:
    kind = provide(Once(str.split, Base.config.HOSTS, ","))
    return kind, serve_at_root(show), {"HOSTS": "a,b"}


@case
def attribute_of_the_provider() -> Program:
    made = providers.Factory(Thing).add_attributes(color="red")
    kind = provide(providers.Callable(str, made.provided.color), made=made)
    return kind, serve_at_root(show), {}


class FilledByFunction:
    def __init__(self) -> None:
        set_channel(self)


def set_channel(client: Any) -> None:
    client.channel = "channel"


class FilledInside:
    def __init__(self) -> None:
        def connect() -> None:
            self.channel = "channel"

        connect()


def plainly(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


class FilledUnderDecorator:
    @plainly
    def __init__(self) -> None:
        self.channel = "channel"


class Frozen:
    def __init__(self) -> None:
        object.__setattr__(self, "channel", "channel")


for _kind in (FilledByFunction, FilledInside, FilledUnderDecorator, Frozen):

    def _make(kind: type = _kind) -> Program:
        made = providers.Factory(kind)
        own = provide(providers.Callable(str, made.provided.channel), made=made)
        return own, serve_at_root(show), {}

    CASES.append(pytest.param(_make, id=f"attribute_of_{_kind.__name__}"))


@case
def method_that_an_attribute_hides() -> Program:
    class Client:
        def __init__(self) -> None:
            self.get = functools.partial(self.get, "http")  # type: ignore[method-assign]

        def get(self, scheme: str, path: str) -> str:
            return scheme + path

    client = providers.Singleton(Client)
    kind = provide(client.provided.get.call("/"), client=client)
    return kind, serve_at_root(show), {}


@pytest.mark.parametrize("make", CASES)
@pytest.mark.filterwarnings("ignore:@inject is not required here")
def test_accepted(make: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """The check finds no fault and runs nothing, and the request is served."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"{__name__}.RAN", [])
    kind, build, config = make()
    app = modern_flask.create_app("unusual", kind(), config=config)
    build(app)

    assert [str(fault) for fault in faults(app)] == []
    response = app.test_client().get("/")
    assert response.data
    assert response.status_code == 200
    assert RAN == []
    sys.modules.pop("plugin_without_a_file", None)


def test_async_by_the_app_itself(monkeypatch: Any) -> None:
    """An app that runs coroutines in its own way needs no other package."""
    monkeypatch.setattr(markers, "find_spec", lambda name: None)

    class Own(Flask):
        def async_to_sync(self, func: Any) -> Any:
            return func

    async def view() -> str:
        return "async"

    found = []
    for kind in (Flask, Own):
        app = kind("unusual")
        modern_flask.init_app(app, Shop(), config={})
        app.add_url_rule("/", "view", view)
        found.append([type(fault).__name__ for fault in faults(app)])

    assert found == [["NoAsync"], []]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: Any) -> Iterator[Callable[..., Any]]:
    """``package(views=..., helpers=...)``: import these modules of one service."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "unusual_service"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def write(**modules: str) -> Any:
        for name, code in modules.items():
            (folder / f"{name}.py").write_text(dedent(code))
        importlib.invalidate_caches()
        return importlib.import_module("unusual_service.views")

    yield write
    for name in [each for each in sys.modules if each.startswith("unusual_service")]:
        del sys.modules[name]


HEAD = """
from typing import Annotated, Any
from modern_flask import Provide, inject
"""


def check_package(view: Any, **config: Any) -> list[str]:
    app = modern_flask.create_app("unusual_service", Shop(), config=config)
    app.before_request(Remote().audit)
    app.add_url_rule("/", "view", view)
    return [str(fault) for fault in faults(app)]


def test_method_with_the_name_of_a_helper(package: Any) -> None:
    """A helper is reached by its own name, not by the name of a method elsewhere."""
    helpers = f"""{HEAD}
@inject
def get(auditor: Annotated[Any, Provide["auditor"]]): ...

def title(): return "title"
"""
    views = """
from flask import request
from . import helpers
from .helpers import get

def view():
    get = request.args.get
    return helpers.title() + get("page", "") + request.args.get("size", "")

def broken():
    return helpers.get()
"""
    module = package(helpers=helpers, views=views)

    assert check_package(module.view) == []
    (fault,) = check_package(module.broken)
    assert "auditor" in fault


def test_module_that_is_loaded_later(package: Any, monkeypatch: Any) -> None:
    """The check does not load a module that waits for its first use."""
    monkeypatch.setattr("builtins.loaded_too_early", [], raising=False)
    module = package(views="def view(): return ''", heavy="loaded_too_early.append(1)")
    spec: Any = importlib.util.find_spec("unusual_service.heavy")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    sys.modules["unusual_service.heavy"] = lazy
    spec.loader.exec_module(lazy)

    assert check_package(module.view) == []
    assert vars(__import__("builtins"))["loaded_too_early"] == []
    assert lazy.__doc__ is None
    assert vars(__import__("builtins"))["loaded_too_early"] == [1]


def test_marker_with_a_name_in_an_annotation(package: Any) -> None:
    """A marker in a variable may be a part of an annotation, and a name for others."""
    views = f"""{HEAD}
STORAGE = Provide["storage"]
SvcDep = Annotated[Any, STORAGE]

@inject
def view(svc: SvcDep): return svc.value

def other():
    STORAGE = "a name of its own"
    return STORAGE
"""
    module = package(views=views)

    assert check_package(module.view, STORAGE_VENDOR="memory") == []
