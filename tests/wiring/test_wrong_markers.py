"""Markers that ask for what there is not, or for the wrong thing."""

from typing import Annotated, Any

import pytest
from dependency_injector import containers
from dependency_injector.wiring import Closing, Provide
from dependency_injector.wiring import inject as library_inject
from flask import Flask
from flask.views import MethodView

from modern_flask.wiring import Opened, inject
from tests.wiring.fault_table import Table, check_row
from tests.wiring.shop import Mailer, NameDep, Session

TABLE = Table()
row = TABLE.row


@row("""
        View view asks for "nmae", which Shop does not provide.
          in       test_wrong_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_in_a_view(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(name: Annotated[str, Provide["nmae"]]) -> str: ...


@row("""
        View page (Page.post) asks for "sesion", which Shop does not provide.
          in       test_wrong_markers:N, parameter `session`
          did you mean  session
        """)
def typo_in_a_method(app: Flask) -> None:
    class Page(MethodView):
        @inject
        def post(self, session: Annotated[Any, Provide["sesion"]]) -> str: ...

    app.add_url_rule("/", view_func=Page.as_view("page"))


@row("""
        Hook before_request before asks for "xyz", which Shop does not provide.
          in       test_wrong_markers:N, parameter `name`
        """)
def unknown_in_a_hook(app: Flask) -> None:
    @app.before_request
    @inject
    def before(name: Annotated[Any, Provide["xyz"]]) -> None: ...


@row("""
        Command seed asks for "storage.discs", which Shop does not provide.
          in       test_wrong_markers:N, parameter `disk`
          did you mean  storage.disk or storage
        """)
def unknown_branch_in_a_command(app: Flask) -> None:
    @app.cli.command("seed")
    @inject
    def seed(disk: Annotated[Any, Provide["storage.discs"]]) -> None: ...


@row("""
        Task orders.index asks for "nmae", which Shop does not provide.
          in       test_wrong_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_in_a_task(app: Flask) -> dict[str, Any]:
    @inject
    def index(name: Annotated[str, Provide["nmae"]]) -> None: ...

    return {"orders.index": index}


@row("""
        View view asks for "nowhere.engine", which Shop does not provide.
          in       test_wrong_markers:N, parameter `engine`
        """)
def provider_of_another_container(app: Flask) -> None:
    class Other(containers.DeclarativeContainer):
        engine = Opened("nowhere.engine")

    @app.get("/")
    @inject
    def view(engine: Annotated[Any, Provide[Other.engine]]) -> str: ...


@row("""
        View view asks for "wire", which Shop does not provide.
          in       test_wrong_markers:N, parameter `wire`
        """)
def method_of_the_container(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(wire: Annotated[Any, Provide["wire"]]) -> str: ...


@row("""
        View view asks for "nmae", which Shop does not provide.
          in       test_wrong_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_under_the_library_inject(app: Flask) -> None:
    @app.get("/")
    @library_inject
    def view(name: Annotated[str, Provide["nmae"]]) -> str: ...


@row("""
        View view asks for Closing[...], which closes an object that is shared.
          in       test_wrong_markers:N, parameter `session`
          fix      declare the provider as Scoped and ask for Provide[...]
        """)
def closing_under_the_library_inject(app: Flask) -> None:
    @app.get("/")
    @library_inject
    def view(session: Annotated[Any, Closing[Provide["session"]]]) -> str: ...


@row("""
        View view gets `name` from its URL /shops/<name>, not from the marker.
          in       test_wrong_markers:N, parameter `name`
          fix      rename the URL argument or the parameter
        """)
def url_argument_with_the_name_of_a_marker(app: Flask) -> None:
    @app.get("/shops/<name>")
    @inject
    def view(name: NameDep) -> str: ...


@row("""
        View view expects int from name, which provides str.
          in       test_wrong_markers:N, parameter `name`
          fix      ask for another provider, or correct the annotation
        """)
def annotation_against_a_value(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(name: Annotated[int, Provide["name"]]) -> str: ...


@row("""
        View view expects Mailer from session, which provides Session.
          in       test_wrong_markers:N, parameter `session`
          fix      ask for another provider, or correct the annotation
        """)
def annotation_against_a_generator_function(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(session: Annotated[Mailer, Provide["session"]]) -> str: ...


@row(
    """
        Task index expects Session from mailer, which provides Mailer.
          in       test_wrong_markers:N, parameter `mailer`
          fix      ask for another provider, or correct the annotation
        """,
    MAIL_HOST="mx",
)
def annotation_against_a_class(app: Flask) -> dict[str, Any]:
    @inject
    def index(mailer: Annotated[Session, Provide["mailer"]]) -> None: ...

    return {"index": index}


@row(
    """
        View view expects dict from storage, which provides list.
          in       test_wrong_markers:N, parameter `storage`
          fix      ask for another provider, or correct the annotation
        """,
    VENDOR="memory",
)
def annotation_against_the_branch_in_force(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(storage: Annotated[dict, Provide["storage"]]) -> str: ...


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The fault is told once, in these words, and nothing else is."""
    check_row(build, kind, values, expected)
