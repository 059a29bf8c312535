"""Markers in what templates, URLs, signals and the shell call."""

from typing import Annotated, Any

import pytest
from blinker import Signal
from dependency_injector.wiring import Provide
from flask import Flask, request_started

from modern_flask.wiring import inject
from tests.wiring.fault_table import Table, check_row, told
from tests.wiring.shop import NameDep, shop

TABLE = Table()
row = TABLE.row
TypoDep = Annotated[str, Provide["nmae"]]


@row("""
        Template filter loud has a marker that nothing fills: @inject is missing.
          in       test_late_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_template_filter(app: Flask) -> None:
    @app.template_filter()
    def loud(word: str, name: NameDep) -> str: ...


@row("""
        Template global greet asks for "nmae", which Shop does not provide.
          in       test_late_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_in_a_template_global(app: Flask) -> None:
    @app.template_global()
    @inject
    def greet(name: TypoDep) -> str: ...


@row("""
        Template test own has a marker that nothing fills: @inject is missing.
          in       test_late_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_template_test(app: Flask) -> None:
    @app.template_test()
    def own(word: str, name: NameDep) -> bool: ...


@row("""
        URL defaults add has a marker that nothing fills: @inject is missing.
          in       test_late_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_url_defaults(app: Flask) -> None:
    @app.url_defaults
    def add(endpoint: str, values: Any, name: NameDep) -> None: ...


@row("""
        URL value preprocessor take has a marker that nothing fills: @inject is \\
            missing.
          in       test_late_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_url_value_preprocessor(app: Flask) -> None:
    @app.url_value_preprocessor
    def take(endpoint: str | None, values: Any, name: NameDep) -> None: ...


@row("""
        Shell context processor names has a marker that nothing fills: @inject is \\
            missing.
          in       test_late_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_shell_context_processor(app: Flask) -> None:
    @app.shell_context_processor
    def names(name: NameDep) -> dict[str, Any]: ...


@row("""
        Hook teardown_request end has a marker that nothing fills: @inject is missing.
          in       test_late_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_request_teardown(app: Flask) -> None:
    @app.teardown_request
    def end(error: BaseException | None, name: NameDep) -> None: ...


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The fault is told once, in these words, and nothing else is."""
    check_row(build, kind, values, expected)


def test_receiver_of_a_signal() -> None:
    """What one of Flask's signals calls for this app is looked at, and only that."""
    other = Flask("other")

    def started(sender: Flask, name: Any = Provide["name"], **_: Any) -> None: ...

    def build(app: Flask) -> None:
        request_started.connect(started, app)

    assert isinstance(request_started, Signal)
    request_started.connect(started, other)
    try:
        assert told(lambda app: None, shop()) == []
        assert told(build, shop()) == [
            "Signal request-started started has a marker that nothing fills: "
            "@inject is missing.\n"
            "  in       test_late_markers:N, parameter `name`\n"
            "  fix      put @inject directly over the function, under what "
            "registers it"
        ]
    finally:
        request_started.disconnect(started)


def test_no_environment_is_made() -> None:
    """Of an app without templates the check makes no environment for them."""
    made: list[Flask] = []

    def build(app: Flask) -> None:
        made.append(app)

    told(build, shop())

    assert "jinja_env" not in vars(made[0])
