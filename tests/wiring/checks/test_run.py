"""The check as a whole: all faults at once, and no false alarm."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from dependency_injector import providers
from dependency_injector.wiring import Provide, Provider
from dependency_injector.wiring import inject as library_inject
from flask import Flask

from modern_flask.wiring import Once, inject
from tests.wiring import test_captives as captives
from tests.wiring import test_graph_faults as graphs
from tests.wiring import test_hidden_markers as hidden
from tests.wiring import test_late_markers as late
from tests.wiring import test_need_faults as needs
from tests.wiring import test_target_markers as targets
from tests.wiring import test_unfilled_markers as unfilled
from tests.wiring import test_wrong_markers as wrong
from tests.wiring.fault_table import told
from tests.wiring.shop import Mailer, NameDep, SessionDep, Shop, shop


def test_nothing_is_wrong() -> None:
    """A service without a fault is told nothing, with the odd things that are right."""

    def through(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call

    def build(app: Flask) -> None:
        @app.get("/<int:number>")
        @through
        @inject
        def view(number: int, name: NameDep, session: SessionDep) -> str: ...

        @app.get("/base")
        @inject
        def base(session: Annotated[object, Provide["session"]]) -> str: ...

        @app.get("/late")
        @inject
        def late(make: Annotated[Callable[[], Any], Provider["session"]]) -> str: ...

        @app.get("/whole")
        @inject
        def whole(tax: Annotated[float, Provide["config.TAX"]]) -> str: ...

        @app.get("/library")
        @library_inject
        def library(name: NameDep) -> str: ...

    assert told(build, shop(TAX=None)) == []


def test_lazy_request_object_is_no_captive() -> None:
    """A singleton that is given the provider keeps no request's object."""

    class Lazy(Shop):
        keeper = Once(Mailer, Shop.session.provider)

    assert told(lambda app: None, shop(Lazy)) == []


def test_decorated_redeclaration() -> None:
    """A provider that wraps the one it replaces is no fault."""

    class Wrapped(Shop):
        name = providers.Factory(str, Shop.name)

    assert told(lambda app: None, shop(Wrapped)) == []


def test_tasks_of_another_service() -> None:
    """A task of another package, which Celery shares, is not this app's to fill."""

    def build(app: Flask) -> dict[str, Any]:
        def index(name: NameDep) -> None: ...

        index.__module__ = "other_service.tasks"
        return {"other_service.tasks.index": index}

    assert told(build, shop()) == []


def test_all_at_once() -> None:
    """All faults are told together: of the graph, of markers, of configuration."""

    class Bad(graphs.Circle):
        keeper = Once(Mailer, Shop.session)

    def build(app: Flask) -> None:
        wrong.typo_in_a_view(app)
        unfilled.missing_inject_on_a_hook(app)
        unfilled.missing_inject_on_a_command(app)

    assert [text.partition("\n")[0] for text in told(build, shop(Bad))] == [
        "first depends on itself.",
        "keeper lives as long as the process and keeps session, "
        "which lives as long as a request.",
        'View view asks for "nmae", which Bad does not provide.',
        "Hook before_request before has a marker that nothing fills: "
        "@inject is missing.",
        "Command seed has a marker that nothing fills: @inject is missing.",
    ]


TABLES = (
    captives.TABLE,
    graphs.TABLE,
    hidden.TABLE,
    late.TABLE,
    needs.TABLE,
    targets.TABLE,
    unfilled.TABLE,
    wrong.TABLE,
)


def test_number_of_kinds() -> None:
    """The tables have seventy rows and more, of forty-five faults and more.

    A fault is another one when its first line is: what, and of whom.
    """
    rows = [row.values[3] for table in TABLES for row in table.rows]
    faults = {text.partition("\n")[0] for text in rows}

    assert len(rows) >= 70
    assert len(faults) >= 45
