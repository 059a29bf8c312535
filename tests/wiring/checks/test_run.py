"""The check as a whole: it reports all faults at once, and no false alarm."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from dependency_injector.wiring import Provide, Provider
from dependency_injector.wiring import inject as library_inject
from flask import Flask

from modern_flask.wiring import Once, inject
from tests.wiring import test_targets
from tests.wiring.checks import (
    test_declarations,
    test_lifetimes,
    test_marker_cases,
    test_markers,
    test_requirements,
)
from tests.wiring.fault_table import report
from tests.wiring.shop import Mailer, NameDep, SessionDep, Shop, shop


def test_correct_service() -> None:
    """A correct service has no faults, even if it is written in unusual ways."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call

    def build(app: Flask) -> None:
        @app.get("/<int:number>")
        @decorate
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

    assert report(build, shop(TAX=None)) == []


def test_all_at_once() -> None:
    """The faults of the graph and of the markers are reported together."""

    class Bad(test_lifetimes.Circle):
        keeper = Once(Mailer, Shop.session)

    def build(app: Flask) -> None:
        @app.get("/")
        @inject
        def view(name: Annotated[str, Provide["nmae"]]) -> str: ...

        @app.before_request
        def before(name: NameDep) -> None: ...

        @app.cli.command("seed")
        def seed(name: NameDep) -> None: ...

    assert [text.partition("\n")[0] for text in report(build, shop(Bad))] == [
        "first depends on itself.",
        "keeper lives as long as the process and keeps session, "
        "which lives as long as a request.",
        'View view asks for "nmae", which Bad does not provide.',
        "Hook before_request before has a marker that nothing fills: "
        "@inject is missing.",
        "Command seed has a marker that nothing fills: @inject is missing.",
    ]


TABLES = (
    test_declarations.TABLE,
    test_lifetimes.TABLE,
    test_marker_cases.TABLE,
    test_requirements.TABLE,
    test_targets.TABLE,
)


def test_number_of_faults() -> None:
    """The tables have at least 70 rows, with at least 45 different first lines."""
    rows = [row.values[3] for table in TABLES for row in table.rows]
    for case in test_markers.CASES:
        mistake, place = case.values
        rows.append(mistake.text.replace("TITLE", place.title))
    faults = {text.partition("\n")[0] for text in rows}

    assert len(rows) >= 70
    assert len(faults) >= 45


def test_rule_that_fails_is_logged(monkeypatch: Any, caplog: Any) -> None:
    """A rule with a mistake of its own finds no fault, and the others run."""

    def broken(checked: Any) -> Any:
        raise LookupError("a mistake of the kit's")

    def fine(checked: Any) -> Any:
        return [ValueError("found")]

    monkeypatch.undo()
    monkeypatch.setattr("modern_flask.wiring.checks.run._RULES", (broken, fine))

    assert report(lambda app: None, shop()) == ["found"]
    assert "The rule broken failed, so its faults are not reported." in caplog.text
    assert "a mistake of the kit's" in caplog.text
