"""Keys that may be missing: the parameter's default is their one spelling."""

from typing import Annotated, Any

import click
import dependency_injector.wiring
import pytest
from celery import shared_task
from dependency_injector import providers
from dependency_injector.wiring import as_int

import modern_flask
from modern_flask import Once, Provide, inject
from modern_flask.app import faults

LimitDep = Annotated[int, Provide["config.LIMIT"]]
DeepDep = Annotated[str, Provide["config.SHOP.NAME"]]
CountDep = Annotated[int, Provide["config.COUNT", as_int()]]

Values = tuple[int, str, int]


@inject
def find_values(
    limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1
) -> Values:
    return limit, deep, number


class Shop:
    @inject
    def __init__(
        self, *, limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1
    ) -> None:
        self.values = (limit, deep, number)


class LibraryShop:
    @dependency_injector.wiring.inject
    def __init__(
        self, limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1
    ) -> None:
        self.values = (limit, deep, number)


class Container(modern_flask.Container):
    made = providers.Factory(Shop)
    once = Once(Shop)
    single = providers.Singleton(Shop)
    of_library = providers.Factory(LibraryShop)


@shared_task(name="optional.task")
@inject
def task(
    order: int, limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1
) -> Values:
    return limit, deep, number


def serve(tmp_path: Any, monkeypatch: Any, **config: Any) -> dict[str, Any]:
    """What each place is injected with."""
    monkeypatch.chdir(tmp_path)
    keys = {"CELERY_BROKER_URL": "memory://", **config}
    app = modern_flask.create_app("optional", Container(), config=keys)

    @app.get("/")
    @inject
    def view(
        limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1
    ) -> dict[str, Any]:
        objects = {name: getattr(app.container, name)().values for name in MADE}
        own = {"view": (limit, deep, number), "function": find_values()}
        return {**objects, **own, "task": task.apply((7,)).get()}

    @app.get("/library")
    @dependency_injector.wiring.inject
    def library(
        limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1
    ) -> Any:
        return [limit, deep, number]

    @app.cli.command("show")
    @inject
    def show(limit: LimitDep = 5, deep: DeepDep = "tea", number: CountDep = 1) -> None:
        click.echo(f"{limit} {deep} {number}")

    client = app.test_client()
    found: dict[str, Any] = client.get("/").json or {}
    found["library"] = client.get("/library").json
    printed = app.test_cli_runner().invoke(args=["show"]).output.split()
    found["command"] = [int(printed[0]), printed[1], int(printed[2])]
    return found


MADE = ("made", "once", "single", "of_library")
PLACES = {*MADE, "view", "library", "function", "task", "command"}


@pytest.mark.parametrize(
    "config", [{}, {"SHOP": {}}, {"SHOP": None}, {"LIMIT": None, "COUNT": None}]
)
def test_default_stands_for_a_key_that_is_not_set(
    tmp_path: Any, monkeypatch: Any, config: dict[str, Any]
) -> None:
    """Without the key, or a key above it, the parameter keeps its default."""
    found = serve(tmp_path, monkeypatch, **config)

    assert found == {place: [5, "tea", 1] for place in PLACES}


@pytest.mark.parametrize(("limit", "deep"), [(7, "coffee"), (0, "-")])
def test_key_wins_over_the_default(
    tmp_path: Any, monkeypatch: Any, limit: int, deep: str
) -> None:
    """A key that is set wins, also with a value that is false; it is converted."""
    found = serve(tmp_path, monkeypatch, LIMIT=limit, COUNT="3", SHOP={"NAME": deep})

    assert found == {place: [limit, deep, 3] for place in PLACES}


def test_error_shows_the_spelling(tmp_path: Any, monkeypatch: Any) -> None:
    """A parameter whose default is the marker has no place for another default."""
    monkeypatch.chdir(tmp_path)
    keys = {"CELERY_BROKER_URL": "memory://"}
    app = modern_flask.create_app("optional", config=keys)

    @app.get("/")
    @inject
    def view(limit: int = Provide["config.LIMIT"]) -> str: ...

    (fault,) = faults(app)

    assert str(fault).splitlines()[-1] == (
        "  fix      set LIMIT in the configuration, or FLASK_LIMIT in the environment; "
        'for an optional key, write `limit: Annotated[int, Provide["config.LIMIT"]] '
        "= DEFAULT`"
    )
