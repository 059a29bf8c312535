"""Markers in functions that the table of ``test_markers.py`` can't express."""

from functools import partial
from typing import Any

import pytest
from celery import Celery, Task
from dependency_injector.wiring import Provide
from dependency_injector.wiring import inject as library_inject
from flask import Flask
from flask.views import MethodView

from modern_flask.tasks import get_tasks
from modern_flask.wiring import inject
from modern_flask.wiring.checks import markers as marker_rules
from modern_flask.wiring.checks.markers import FIX_INSIDE, FIX_LIBRARY
from modern_flask.wiring.markers import OVER
from tests.wiring.checks.places.place import TypoDep, without_wraps
from tests.wiring.fault_table import Table, check_row, report
from tests.wiring.shop import NameDep, shop

TABLE = Table()
row = TABLE.row


@row(f"""
        View page (Page.get) has a marker that nothing fills: @inject is missing.
          in       test_marker_cases:N, parameter `name`
          fix      {OVER}
        """)
def inject_among_the_decorators_of_a_class(app: Flask) -> None:
    class Page(MethodView):
        decorators = [inject]  # noqa: RUF012

        def get(self, name: NameDep) -> str: ...

    app.add_url_rule("/", view_func=Page.as_view("page"))


@row(f"""
        View view has a marker that nothing fills: it is inside another annotation.
          in       test_marker_cases:N, parameter `names`
          fix      {FIX_INSIDE}
        """)
def marker_in_a_list_beside_one_that_is_read(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(name: NameDep, names: list[NameDep]) -> str: ...


@row(f"""
        View view has a marker that nothing fills: the library's @inject does not \\
            read annotations that are text.
          in       test_marker_cases:N, parameter `text`
          fix      {FIX_LIBRARY}
        """)
def text_beside_a_marker_that_the_library_reads(app: Flask) -> None:
    @app.get("/")
    @library_inject
    def view(text: "NameDep", name: str = Provide["name"]) -> str: ...


@row("""
        Template global greet asks for "nmae", which Shop does not provide.
          in       test_marker_cases:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_in_an_object_that_templates_call(app: Flask) -> None:
    class Greet:
        @inject
        def __call__(self, name: TypoDep) -> str: ...

    app.add_template_global(Greet(), "greet")


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The check reports exactly this text."""
    check_row(build, kind, values, expected)


def test_several_tasks() -> None:
    """Each task with a mistake is reported, however Celery makes it."""
    celery = Celery("orders", set_as_current=False)

    class ByClass(Task):  # type: ignore[misc]
        name = "by_class"

        def run(self, number: int, name: NameDep) -> None: ...

    def index(number: int, name: NameDep) -> None: ...

    @inject
    def typo(self: Any, number: int, name: TypoDep) -> None: ...

    @inject
    def right(self: Any, number: int, name: NameDep) -> None: ...

    celery.register_task(ByClass())
    celery.task(index, name="retried", autoretry_for=(ValueError,))
    celery.task(typo, name="typo", bind=True, autoretry_for=(ValueError,))
    celery.task(right, name="right", bind=True)

    # Celery shares the tasks of all modules that are imported, other tests' too.
    own = ("by_class", "retried", "typo", "right")
    tasks = {name: task for name, task in get_tasks(celery).items() if name in own}
    texts = report(lambda app: tasks, shop())

    assert [text.partition("\n")[0] for text in texts] == [
        "Task by_class has a marker that nothing fills: @inject is missing.",
        "Task retried has a marker that nothing fills: @inject is missing.",
        'Task typo asks for "nmae", which Shop does not provide.',
    ]


def test_filled_by_another() -> None:
    """A parameter that a partial fills is correct, and so is a wrapper over @inject."""

    def build(app: Flask) -> None:
        def given(name: NameDep, number: int) -> str: ...

        @inject
        def injected(name: NameDep) -> str: ...

        app.add_url_rule("/1", "by_name", partial(given, name="own"))
        app.add_url_rule("/2", "by_position", partial(given, "own"))
        app.add_url_rule("/3", "wrapped", without_wraps(partial(injected)))
        app.add_url_rule("/4", "twice", inject(inject(injected)))
        app.jinja_env.globals["injected"] = injected
        app.template_filter("loud")(str.upper)

    assert report(build, shop()) == []


def test_package_for_async_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asgiref, Flask can't run an ``async`` function: each one is reported."""
    monkeypatch.setattr(marker_rules, "find_spec", lambda name: None)

    def build(app: Flask) -> None:
        @app.get("/")
        @inject
        async def view(name: NameDep) -> str: ...

        @app.before_request
        async def before() -> None: ...

    assert report(build, shop()) == [
        "View view is async, but the package asgiref is not installed.\n"
        "  in       test_marker_cases:N\n"
        "  fix      pip install 'flask[async]'",
        "Hook before_request before is async, but the package asgiref is not "
        "installed.\n"
        "  in       test_marker_cases:N\n"
        "  fix      pip install 'flask[async]'",
    ]


def test_package_for_async_is_installed() -> None:
    """With asgiref, an ``async`` view is correct."""

    def build(app: Flask) -> None:
        @app.get("/")
        @inject
        async def view(name: NameDep) -> str: ...

    assert report(build, shop()) == []
