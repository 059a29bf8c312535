"""Which functions belong to an app, and which do not."""

from typing import Any

from blinker import Signal
from dependency_injector.wiring import Provide
from flask import Flask, request_started

from modern_flask.wiring.markers import OVER
from tests.wiring.fault_table import report
from tests.wiring.shop import NameDep, shop


def test_receiver_of_a_signal() -> None:
    """A receiver is checked only if it is connected to this app."""
    other = Flask("other")

    def started(sender: Flask, name: Any = Provide["name"], **_: Any) -> None: ...

    def build(app: Flask) -> None:
        request_started.connect(started, app)

    assert isinstance(request_started, Signal)
    request_started.connect(started, other)
    try:
        assert report(lambda app: None, shop()) == []
        assert report(build, shop()) == [
            "Signal request-started started has a marker that nothing fills: "
            "@inject is missing.\n"
            "  in       test_functions:N, parameter `name`\n"
            f"  fix      {OVER}"
        ]
    finally:
        request_started.disconnect(started)


def test_no_environment_is_made() -> None:
    """The check makes no Jinja environment for an app that has none."""
    made: list[Flask] = []

    def build(app: Flask) -> None:
        made.append(app)

    report(build, shop())

    assert "jinja_env" not in vars(made[0])


def test_tasks_of_another_service() -> None:
    """A task of another package, which Celery shares, is not checked."""

    def build(app: Flask) -> dict[str, Any]:
        def index(name: NameDep) -> None: ...

        index.__module__ = "other_service.tasks"
        return {"other_service.tasks.index": index}

    assert report(build, shop()) == []
