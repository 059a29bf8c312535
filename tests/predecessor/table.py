"""The two tables of README's section for services of 202207b1."""

from collections.abc import Callable
from typing import Any, TypeVar

from tests.readme import README

__all__ = ["BEHAVIOURS", "NAMES", "SHOWN", "shows"]

F = TypeVar("F", bound=Callable[..., Any])

HEADING = "## Coming from modern-flask 202207b1"


def read_tables() -> list[dict[str, str]]:
    """Each table as the right column by the left one, without its head."""
    section = README.read_text().partition(HEADING)[2].partition("\n## ")[0]
    tables: list[dict[str, str]] = []
    for lines in section.split("\n\n"):
        rows = [line for line in lines.splitlines() if line.startswith("| ")]
        if rows:
            cells = [row.strip("| ").split(" | ", 1) for row in rows[1:]]
            tables.append(dict(cells))
    return tables


NAMES, BEHAVIOURS = read_tables()

SHOWN: set[str] = set()
"""The rows of the second table that a test shows."""


def shows(*rows: str) -> Callable[[F], F]:
    """Mark a test: it shows these rows of the second table."""
    SHOWN.update(rows)
    return lambda test: test
