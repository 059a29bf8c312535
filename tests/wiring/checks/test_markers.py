"""Markers where a function's own signature does not show them."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import pytest
from celery import Celery, Task
from dependency_injector.wiring import Provide
from flask import Flask
from flask.views import MethodView
from typing_extensions import TypeAliasType

from modern_flask.tasks import get_tasks
from modern_flask.wiring import inject
from tests.wiring.fault_table import Table, check_row, told
from tests.wiring.shop import NameDep, shop

TABLE = Table()
row = TABLE.row
TypoDep = Annotated[str, Provide["nmae"]]
# As `type Named = ...` makes it from Python 3.12 on.
Named = TypeAliasType("Named", NameDep)
Numbered = TypeAliasType("Numbered", Annotated[int, Provide["name"]])


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that forgets ``functools.wraps``."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_hidden_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_under_a_partial(app: Flask) -> None:
    def view(number: int, name: NameDep) -> str: ...

    app.add_url_rule("/", "view", partial(view, 7))


@row("""
        View view asks for "nmae", which Shop does not provide.
          in       test_hidden_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_under_a_partial(app: Flask) -> None:
    @inject
    def view(number: int, name: TypoDep) -> str: ...

    app.add_url_rule("/", "view", partial(view, 7))


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_hidden_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_under_a_decorator_without_wraps(app: Flask) -> None:
    @app.get("/", endpoint="view")
    @unwrapped
    def view(name: Any = Provide["name"]) -> str: ...


@row("""
        View view asks for "nmae", which Shop does not provide.
          in       test_hidden_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_under_a_decorator_without_wraps(app: Flask) -> None:
    @app.get("/", endpoint="view")
    @unwrapped
    @inject
    def view(name: TypoDep) -> str: ...


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_hidden_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def inject_above_a_decorator_without_wraps(app: Flask) -> None:
    @app.get("/", endpoint="view")
    @inject
    @unwrapped
    def view(name: NameDep) -> str: ...


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_hidden_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def missing_inject_on_a_callable_object(app: Flask) -> None:
    class View:
        def __call__(self, name: NameDep) -> str: ...

    app.add_url_rule("/", "view", View())


@row("""
        View view asks for "nmae", which Shop does not provide.
          in       test_hidden_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_in_a_callable_object(app: Flask) -> None:
    class View:
        @inject
        def __call__(self, name: TypoDep) -> str: ...

    app.add_url_rule("/", "view", View())


@row("""
        View view asks for "nmae", which Shop does not provide.
          in       test_hidden_markers:N, parameter `name`
          did you mean  name or mailer
        """)
def typo_under_a_decorator_that_is_a_class(app: Flask) -> None:
    class Logged:
        def __init__(self, function: Callable[..., Any]) -> None:
            self.function = function

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return self.function(*args, **kwargs)

    @inject
    def view(name: TypoDep) -> str: ...

    app.add_url_rule("/", "view", Logged(view))


@row("""
        View page (Page.get) has a marker that nothing fills: @inject is missing.
          in       test_hidden_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def inject_among_the_decorators_of_a_class(app: Flask) -> None:
    class Page(MethodView):
        decorators = [inject]  # noqa: RUF012

        def get(self, name: NameDep) -> str: ...

    app.add_url_rule("/", view_func=Page.as_view("page"))


@row("""
        View view has a marker that nothing fills: it stands inside another annotation.
          in       test_hidden_markers:N, parameter `name`
          fix      write Annotated[... | None, Provide[...]]: the whole type first
        """)
def marker_in_a_union(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(name: NameDep | None = None) -> str: ...


@row("""
        View view has a marker that nothing fills: it stands inside another annotation.
          in       test_hidden_markers:N, parameter `names`
          fix      write Annotated[... | None, Provide[...]]: the whole type first
        """)
def marker_in_a_list_beside_one_that_is_read(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(name: NameDep, names: list[NameDep]) -> str: ...


@row("""
        View view has a marker that nothing fills: @inject is missing.
          in       test_hidden_markers:N, parameter `name`
          fix      put @inject directly over the function, under what registers it
        """)
def marker_in_an_alias(app: Flask) -> None:
    @app.get("/")
    def view(name: Named) -> str: ...  # type: ignore[valid-type]


@row("""
        View view expects int from name, which provides str.
          in       test_hidden_markers:N, parameter `number`
          fix      ask for another provider, or correct the annotation
        """)
def alias_of_a_wrong_type(app: Flask) -> None:
    @app.get("/")
    @inject
    def view(number: Numbered) -> str: ...  # type: ignore[valid-type]


@pytest.mark.parametrize(("build", "kind", "values", "expected"), TABLE.rows)
def test_fault(build: Any, kind: Any, values: dict[str, Any], expected: str) -> None:
    """The fault is told once, in these words, and nothing else is."""
    check_row(build, kind, values, expected)


def test_tasks_of_celery() -> None:
    """Celery's own ways to make a task hide no marker: bound, retried, as a class."""
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
    texts = told(lambda app: tasks, shop())

    assert [text.partition("\n")[0] for text in texts] == [
        "Task by_class has a marker that nothing fills: @inject is missing.",
        "Task retried has a marker that nothing fills: @inject is missing.",
        'Task typo asks for "nmae", which Shop does not provide.',
    ]


def test_nothing_is_wrong() -> None:
    """What a partial gives is no marker's to fill; wrappers over @inject are right."""

    def build(app: Flask) -> None:
        def given(name: NameDep, number: int) -> str: ...

        @inject
        def asking(name: NameDep) -> str: ...

        app.add_url_rule("/1", "by_name", partial(given, name="own"))
        app.add_url_rule("/2", "by_position", partial(given, "own"))
        app.add_url_rule("/3", "wrapped", unwrapped(partial(asking)))
        app.add_url_rule("/4", "twice", inject(inject(asking)))
        app.jinja_env.globals["asking"] = asking
        app.template_filter("loud")(str.upper)

    assert told(build, shop()) == []
