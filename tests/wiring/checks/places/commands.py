"""Commands, tasks, and functions and classes that a provider calls."""

from typing import Any

import click
from celery import Celery, Task
from dependency_injector import providers
from flask import Blueprint, Flask

from modern_flask.tasks import get_tasks
from modern_flask.wiring import get_container
from tests.wiring.checks.places.place import Form, Places, TypoDep
from tests.wiring.shop import NameDep

# An annotation that is text names one of these.
ANNOTATIONS = (NameDep, TypoDep)

COMMANDS = Places()


# Commands and tasks. @inject refuses the object that Click and Celery make of a
# function (tests/wiring/test_markers.py).


@COMMANDS.add("Command seed")
def command(app: Flask, form: Form) -> None:
    @app.cli.command("seed")
    @form.below
    def seed(name: NameDep) -> None: ...


@COMMANDS.add("Command data seed")
def command_in_a_group(app: Flask, form: Form) -> None:
    @app.cli.group()
    def data() -> None: ...

    @data.command()
    @click.argument("number")
    @form.below
    def seed(number: str, name: NameDep) -> None: ...


@COMMANDS.add("Command orders seed")
def command_of_a_blueprint(app: Flask, form: Form) -> None:
    blueprint = Blueprint("orders", __name__)

    @blueprint.cli.command("seed")
    @form.below
    def seed(name: NameDep) -> None: ...

    app.register_blueprint(blueprint)


@COMMANDS.add("Task orders.index")
def task_that_is_a_function(app: Flask, form: Form) -> dict[str, Any]:
    @form.below
    def index(name: NameDep) -> None: ...

    return {"orders.index": index}


@COMMANDS.add("Task orders.index")
def task(app: Flask, form: Form) -> dict[str, Any]:
    @form.below
    def index(number: int, name: NameDep) -> None: ...

    return make_task(index)


@COMMANDS.add("Task orders.index")
def bound_task(app: Flask, form: Form) -> dict[str, Any]:
    @form.below
    def index(self: Any, number: int, name: NameDep) -> None: ...

    return make_task(index, bind=True)


@COMMANDS.add("Task orders.index")
def task_with_retries(app: Flask, form: Form) -> dict[str, Any]:
    @form.below
    def index(number: int, name: NameDep) -> None: ...

    return make_task(index, autoretry_for=(ValueError,))


@COMMANDS.add("Task orders.index")
def bound_task_with_retries(app: Flask, form: Form) -> dict[str, Any]:
    @form.below
    def index(self: Any, number: int, name: NameDep) -> None: ...

    return make_task(index, bind=True, autoretry_for=(ValueError,))


@COMMANDS.add("Task orders.index")
def task_that_is_a_class(app: Flask, form: Form) -> dict[str, Any]:
    class Index(Task):  # type: ignore[misc]
        name = "orders.index"

        @form.below
        def run(self, number: int, name: NameDep) -> None: ...

    celery = Celery("orders", set_as_current=False)
    celery.register_task(Index())
    return get_task(celery)


def make_task(function: Any, **options: Any) -> dict[str, Any]:
    celery = Celery("orders", set_as_current=False)
    celery.task(function, name="orders.index", shared=False, **options)
    return get_task(celery)


def get_task(celery: Celery) -> dict[str, Any]:
    """The task by name, without the tasks of other tests, which Celery shares."""
    return {"orders.index": get_tasks(celery)["orders.index"]}


# Functions and classes that a provider of the container calls.


@COMMANDS.add("Provider orders")
def function_of_a_provider(app: Flask, form: Form) -> None:
    @form.below
    def orders(number: int, name: NameDep) -> Any: ...

    get_container(app).set_provider("orders", providers.Factory(orders, 7))


@COMMANDS.add("Provider orders")
def class_of_a_provider(app: Flask, form: Form) -> None:
    class Orders:
        @form.below
        def __init__(self, number: int, name: NameDep) -> None: ...

    get_container(app).set_provider("orders", providers.Factory(Orders, 7))
