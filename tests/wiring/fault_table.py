"""A table of faults: what is built, and what the check tells of it, to the letter."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from modern_flask.wiring import bind
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring.shop import Shop, shop

Build = Callable[[Flask], dict[str, Any] | None]


class Table:
    """Rows, added with :meth:`row` as a decorator of what builds the service."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def row(self, text: str, kind: Any = Shop, **values: Any) -> Callable[[Any], Any]:
        """Args:
        text: What is told; a line that ends with a backslash goes on in the next.
        kind: The container's class.
        values: Its configuration.
        """
        text = re.sub(r" \\\n\s+", " ", text)
        expected = re.sub(r"\n {8}", "\n", text).strip()

        def note(build: Build) -> Build:
            case = (build, kind, values, expected)
            self.rows.append(pytest.param(*case, id=build.__name__))
            return build

        return note


def told(build: Build, container: Any) -> list[str]:
    """What the check says; a place is the file's name and ``:N``."""
    app = Flask(__name__)
    bound = bind(app, container)
    tasks = build(app) or {}
    texts = [str(fault) for fault in check_wiring(app, bound, tasks)]
    return [re.sub(r"\S*tests/wiring/(\w+)\.py, line \d+", r"\1:N", t) for t in texts]


def check_row(build: Build, kind: Any, values: dict[str, Any], expected: str) -> None:
    assert told(build, shop(kind, **values)) == [expected]
