"""A table of faults: how a service is built, and the text that the check reports."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from modern_flask.wiring import bind
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring.shop import Shop, shop

Build = Callable[[Flask], dict[str, Any] | None]
_FILE = re.compile(r"\S*tests/wiring/(?:\w+/)*(\w+)\.py, line \d+")


class Table:
    """Rows; :meth:`row` is a decorator of the function that builds a service."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def row(self, text: str, kind: Any = Shop, **values: Any) -> Callable[[Any], Any]:
        """Add a row.

        Args:
            text: The report; a line that ends with a backslash continues in the next.
            kind: The container's class.
            values: The container's configuration.
        """
        expected = read_text(text)

        def note(build: Build) -> Build:
            case = (build, kind, values, expected)
            self.rows.append(pytest.param(*case, id=build.__name__))
            return build

        return note


def read_text(text: str) -> str:
    """The text of a fault, as it is written in a table: indented by 8 spaces."""
    text = re.sub(r" \\\n\s+", " ", text)
    return re.sub(r"\n {8}", "\n", text).strip()


def find_faults(
    build: Build, container: Any, module: str = __name__
) -> list[Exception]:
    """The faults that the check finds in a service, with this main module."""
    app = Flask(module)
    bound = bind(app, container)
    tasks = build(app) or {}
    return list(check_wiring(app, bound, tasks))


def write(fault: Exception) -> str:
    """The text of a fault; a place is the file's name and ``:N``."""
    return _FILE.sub(r"\1:N", str(fault))


def report(build: Build, container: Any) -> list[str]:
    """The texts of the faults that the check finds in a service."""
    return [write(fault) for fault in find_faults(build, container)]


def check_row(build: Build, kind: Any, values: dict[str, Any], expected: str) -> None:
    """Assert that the check reports the text of a row, and nothing else."""
    assert report(build, shop(kind, **values)) == [expected]
