"""Markers that nothing fills, wherever the app calls a function."""

from typing import Any

import click
import pytest
from dependency_injector.wiring import Provide
from flask import Blueprint, Flask
from flask.views import MethodView

from modern_flask.database.transactional import transactional
from modern_flask.wiring import inject
from tests.wiring.fault_table import Table, check_row
from tests.wiring.shop import NameDep, SessionDep

TABLE = Table()
row = TABLE.row


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_view(app: Flask) -> None:
    @app.get("/")
    def view(name: NameDep) -> str:
        return name


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_with_a_default_marker(app: Flask) -> None:
    @app.get("/")
    def view(name: Any = Provide["name"]) -> str:
        return str(name)


@row("""
        View page (Page.get) has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_method(app: Flask) -> None:
    class Page(MethodView):
        def get(self, name: NameDep) -> str:
            return name

    app.add_url_rule("/", view_func=Page.as_view("page"))


@row("""
        View page (Page.__init__) has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_an_initializer(app: Flask) -> None:
    class Page(MethodView):
        def __init__(self, name: NameDep) -> None: ...

        def get(self) -> str:
            return ""

    app.add_url_rule("/", view_func=Page.as_view("page"))


@row("""
        View orders.view has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_in_a_blueprint(app: Flask) -> None:
    blueprint = Blueprint("orders", __name__)

    @blueprint.get("/")
    def view(name: NameDep) -> str:
        return name

    app.register_blueprint(blueprint)


@row("""
        Hook before_request before has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_hook(app: Flask) -> None:
    @app.before_request
    def before(name: NameDep) -> None: ...


@row("""
        Hook after_request after has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_blueprint_hook(app: Flask) -> None:
    blueprint = Blueprint("orders", __name__)

    @blueprint.after_request
    def after(response: Any, name: NameDep) -> Any: ...

    app.register_blueprint(blueprint)


@row("""
        Hook teardown_appcontext end has a marker that nothing fills: @inject is \\
            missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_teardown(app: Flask) -> None:
    @app.teardown_appcontext
    def end(error: Any, name: NameDep) -> None: ...


@row("""
        Error handler missing has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_an_error_handler(app: Flask) -> None:
    @app.errorhandler(404)
    def missing(error: Exception, name: NameDep) -> str: ...


@row("""
        Context processor words has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_context_processor(app: Flask) -> None:
    @app.context_processor
    def words(name: NameDep) -> dict[str, Any]: ...


@row("""
        Command seed has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_command(app: Flask) -> None:
    @app.cli.command("seed")
    def seed(name: NameDep) -> None: ...


@row("""
        Command data seed has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_command_in_a_group(app: Flask) -> None:
    @app.cli.group()
    def data() -> None: ...

    @data.command()
    @click.argument("number")
    def seed(number: str, name: NameDep) -> None: ...


@row("""
        Task orders.index has a marker that nothing fills: @inject is missing.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_task(app: Flask) -> dict[str, Any]:
    def index(name: NameDep) -> None: ...

    return {"orders.index": index}


@row("""
        View view has a marker that nothing fills: @inject stands above what \\
            registers the function.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def inject_above_the_route(app: Flask) -> None:
    @inject
    @app.get("/")
    def view(name: NameDep) -> str:
        return name


@row("""
        Hook before_request before has a marker that nothing fills: @inject stands \\
            above what registers the function.
          in       test_unfilled_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def inject_above_a_hook(app: Flask) -> None:
    @inject
    @app.before_request
    def before(name: NameDep) -> None: ...


@row("""
        View view was registered before a decorator above it was applied.
          in       test_unfilled_markers:N
          fix      put the decorator that registers the function first, at the top
        """)
def transactional_above_the_route(app: Flask) -> None:
    @transactional
    @app.get("/")
    @inject
    def view(session: SessionDep) -> str: ...


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The fault is told once, in these words, and nothing else is."""
    check_row(build, kind, values, expected)
