"""Parameters that are filled from the container of the current app."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import click
import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide, Provider, required
from dependency_injector.wiring import inject as library_inject
from flask import Blueprint, Flask
from flask.views import MethodView
from typing_extensions import TypeAliasType
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from modern_flask.wiring import get_container, inject
from modern_flask.wiring.errors import NoApp, NotBound


class Shop(containers.DeclarativeContainer):
    """The container of the functions here."""

    config = providers.Configuration()
    name = providers.Object("shop")
    basket = providers.Factory(list)


NameDep = Annotated[str, Provide["name"]]


@pytest.fixture
def app(service: Callable[..., Flask]) -> Flask:
    container = Shop()
    container.config.from_dict({"CURRENCY": "EUR", "TAX": "19"})
    return service(container)


def test_view(app: Flask) -> None:
    """A view receives the object that its marker names."""

    @app.get("/<int:number>")
    @inject
    def view(number: int, name: NameDep) -> str:
        return f"{name} {number}"

    assert app.test_client().get("/7").text == "shop 7"


def test_late_view(app: Flask) -> None:
    """A view that is defined after the app was bound is injected like the others."""
    blueprint = Blueprint("late", __name__)

    @blueprint.get("/late")
    @inject
    def view(name: NameDep) -> str:
        return name

    app.register_blueprint(blueprint)

    assert app.test_client().get("/late").text == "shop"


@pytest.mark.parametrize("every", [True, False])
def test_method_view(app: Flask, every: bool) -> None:
    """Methods and the initializer of a view are injected, in both ways to make it."""

    class Page(MethodView):
        init_every_request = every

        def get(self) -> str:
            return self.answer()

        @inject
        def post(self, name: NameDep) -> str:
            return f"posted to {name}"

        @inject
        def answer(self, name: NameDep) -> str:
            return name

    app.add_url_rule("/", view_func=Page.as_view("page"))
    client = app.test_client()

    assert client.get("/").text == "shop"
    assert client.post("/").text == "posted to shop"


def test_hooks(app: Flask) -> None:
    """Hooks and error handlers are injected."""
    seen: list[str] = []

    @app.before_request
    @inject
    def before(name: NameDep) -> None:
        seen.append(f"before {name}")

    @app.after_request
    @inject
    def after(response: Any, name: NameDep) -> Any:
        seen.append(f"after {name}")
        return response

    @app.errorhandler(404)
    @inject
    def missing(error: Exception, name: NameDep) -> str:
        return f"nothing at {name}"

    @app.teardown_request
    @inject
    def end(error: BaseException | None, name: NameDep) -> None:
        seen.append(f"end {name}")

    assert app.test_client().get("/nowhere").text == "nothing at shop"
    assert seen == ["before shop", "after shop", "end shop"]


def test_command(app: Flask) -> None:
    """A command of the command line is injected."""

    @app.cli.command("greet")
    @click.argument("whom")
    @inject
    def greet(whom: str, name: NameDep) -> None:
        click.echo(f"{name} greets {whom}")

    assert app.test_cli_runner().invoke(args=["greet", "Ada"]).output == (
        "shop greets Ada\n"
    )


def test_coroutine(app: Flask) -> None:
    """A coroutine function stays a coroutine function, and is injected."""

    @inject
    async def answer(name: NameDep) -> str:
        return name

    with app.app_context():
        assert asyncio.run(answer()) == "shop"  # type: ignore[call-arg]


def test_generator(app: Flask) -> None:
    """A generator function is injected when it is called."""

    @inject
    def letters(name: NameDep) -> Any:
        yield from name

    with app.app_context():
        assert list(letters()) == ["s", "h", "o", "p"]


def test_passed_arguments_are_kept(app: Flask) -> None:
    """An argument that the caller passes, by position or by name, is not replaced."""

    @inject
    def both(first: str, name: NameDep, basket: Annotated[Any, Provide["basket"]]):  # type: ignore[no-untyped-def]
        return first, name, basket

    with app.app_context():
        assert both("a", "own") == ("a", "own", [])
        assert both("a", basket=None) == ("a", "shop", None)
        assert both("a", "own", None) == ("a", "own", None)


def test_all_passed_needs_no_app() -> None:
    """A call that passes every dependency needs no app."""

    @inject
    def both(first: str, name: NameDep, *, basket: Annotated[Any, Provide["basket"]]):  # type: ignore[no-untyped-def]
        return first, name, basket

    assert both("a", "own", basket=[]) == ("a", "own", [])
    assert both("a", name="own", basket=None) == ("a", "own", None)
    with pytest.raises(NoApp):
        both("a", "own")


def test_keyword_after_any_number_of_arguments(app: Flask) -> None:
    """A parameter after ``*args`` is filled, however many arguments come before it."""

    @inject
    def all_of(*numbers: int, name: NameDep, **more: int) -> tuple[Any, ...]:
        return (*numbers, name, more)

    with app.app_context():
        assert all_of() == ("shop", {})  # type: ignore[call-arg]
        assert all_of(1, 2, 3, four=4) == (1, 2, 3, "shop", {"four": 4})  # type: ignore[call-arg]
        assert all_of(1, 2, name="own") == (1, 2, "own", {})


def test_alias(app: Flask) -> None:
    """A marker behind ``type Name = ...`` (PEP 695) is filled."""
    name_dep = TypeAliasType("name_dep", NameDep)

    @inject
    def name(found: name_dep) -> str:  # type: ignore[valid-type]
        return str(found)

    with app.app_context():
        assert name() == "shop"  # type: ignore[call-arg]


def test_default_marker(app: Flask) -> None:
    """A marker may be the default, and may name the provider itself."""

    @inject
    def name(found: str = Provide[Shop.name]) -> str:  # type: ignore[valid-type]
        return found

    with app.app_context():
        assert name() == "shop"
        assert name("own") == "own"


def test_configuration(app: Flask) -> None:
    """One key of the configuration can be injected, with a type and as required."""

    @inject
    def tax(
        currency: Annotated[str, Provide["config.CURRENCY"]],
        number: Annotated[int, Provide[Shop.config.TAX.as_int()]],
        needed: Annotated[str, Provide["config.TAX", required()]],
    ) -> tuple[str, int, str]:
        return currency, number, needed

    with app.app_context():
        assert tax() == ("EUR", 19, "19")  # type: ignore[call-arg]


def test_provider_marker(app: Flask) -> None:
    """``Provider[...]`` injects the provider itself, to be called later."""

    @inject
    def baskets(make: Annotated[Any, Provider["basket"]]) -> list[Any]:
        return [make(), make([1])]

    with app.app_context():
        assert baskets() == [[], [1]]  # type: ignore[call-arg]


def test_override_is_seen(app: Flask) -> None:
    """An override takes effect at the next call, and ends with its block."""

    @inject
    def name(found: NameDep) -> str:
        return found

    with app.app_context():
        before = name()  # type: ignore[call-arg]
        with get_container(app).name.override("double"):
            within = name()  # type: ignore[call-arg]

        assert (before, within, name()) == ("shop", "double", "shop")  # type: ignore[call-arg]


def test_two_apps(service: Callable[..., Flask]) -> None:
    """Two apps in one process never receive each other's objects."""

    @inject
    def name(found: NameDep) -> str:
        return found

    apps = [service(Shop(name=providers.Object(word))) for word in ("one", "two")]
    for app in apps:
        app.add_url_rule("/", "name", name)
    served = DispatcherMiddleware(apps[0], {"/inner": apps[1]})

    client = Client(served)

    assert [client.get(path).text for path in ("/", "/inner/", "/")] == [
        "one",
        "two",
        "one",
    ]
    with apps[0].app_context(), apps[1].app_context():
        assert name() == "two"  # type: ignore[call-arg]


def test_subclass(service: Callable[..., Flask]) -> None:
    """A marker that names the base's provider finds the provider of a subclass."""

    class Corner(Shop):
        name = providers.Object("corner shop")

    @inject
    def name(
        by_text: NameDep, by_provider: Annotated[str, Provide[Shop.name]]
    ) -> tuple[str, str]:
        return by_text, by_provider

    with service(Corner()).app_context():
        assert name() == ("corner shop", "corner shop")  # type: ignore[call-arg]


def test_library_inject(app: Flask) -> None:
    """A function under the library's own ``@inject`` is injected without ``wire()``."""

    @library_inject
    def name(found: NameDep) -> str:
        return found

    other = Flask("other")
    with app.app_context():
        from modern_flask.wiring.injection import bind_library_functions

        bind_library_functions()
        assert name() == "shop"  # type: ignore[call-arg]
    with other.app_context(), pytest.raises(NotBound):
        name()  # type: ignore[call-arg]
