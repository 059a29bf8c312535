"""Lines that are logged, counted by level."""

import logging
import sys

import pytest
from prometheus_client import REGISTRY

from modern_flask.observability.metrics.log_lines import count_log_lines


@pytest.fixture(autouse=True)
def counting() -> None:
    count_log_lines()
    count_log_lines()


def counted(level: str) -> float:
    return REGISTRY.get_sample_value("log_messages_total", {"level": level}) or 0.0


@pytest.mark.parametrize(
    ("number", "level"),
    [
        *[(50, "critical"), (40, "error"), (30, "warning"), (20, "info")],
        *[(10, "debug"), (35, "warning"), (99, "critical"), (5, "debug")],
    ],
)
def test_levels(number: int, level: str) -> None:
    """A line counts once, for the standard level at or below its own."""
    logger = logging.getLogger("test_levels")
    logger.setLevel(1)
    before = counted(level)

    logger.log(number, "x")

    assert counted(level) == before + 1


def test_handlers_make_no_difference() -> None:
    """A line that two loggers' handlers write, and copies of it, count once."""
    outer, inner = logging.getLogger("shop"), logging.getLogger("shop.stock")
    handlers = [logging.StreamHandler(sys.stderr) for _ in range(2)]
    outer.addHandler(handlers[0])
    inner.addHandler(handlers[1])
    before = counted("error")

    inner.error("x")
    logging.makeLogRecord({"levelno": logging.ERROR, "msg": "a copy"})

    outer.removeHandler(handlers[0])
    inner.removeHandler(handlers[1])
    assert counted("error") == before + 1


def test_line_that_no_logger_lets_through() -> None:
    """A line below its logger's level is not made, so it does not count."""
    logger = logging.getLogger("test_quiet")
    logger.setLevel("ERROR")
    before = counted("warning")

    logger.warning("x")

    assert counted("warning") == before


def test_other_factories() -> None:
    """Others may wrap the factory or replace it: a line counts once nevertheless."""
    inner = logging.getLogRecordFactory()
    try:
        logging.setLogRecordFactory(lambda *args, **options: inner(*args, **options))
        count_log_lines()
        before = counted("error")
        logging.getLogger("shop").error("x")
        assert counted("error") == before + 1

        logging.setLogRecordFactory(logging.LogRecord)
        count_log_lines()
        logging.getLogger("shop").error("x")
        assert counted("error") == before + 2
    finally:
        logging.setLogRecordFactory(inner)


def test_all_levels_are_exposed() -> None:
    """Every level is there from the start, for rate() misses a series' first event."""
    for level in ("critical", "error", "warning", "info", "debug"):
        labels = {"level": level}
        assert REGISTRY.get_sample_value("log_messages_total", labels) is not None
