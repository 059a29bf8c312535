"""structlog and loguru write through logging, with ids and fields."""

import json
import logging
from collections.abc import Iterator

import loguru
import pytest
import structlog

from tests.observability.logs.conftest import Write, inside_a_span

SAID = "password=pa55"


@pytest.fixture
def structured() -> Iterator[None]:
    """structlog as the documentation configures it."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("structured")
def test_structlog(write: Write) -> None:
    """structlog's pairs are members of the line, beside the ids of the trace."""

    def log_lines() -> None:
        log = structlog.get_logger("shop.orders").bind(order_id=17)
        log.info("sold", time="noon")
        try:
            raise ValueError(SAID)
        except ValueError:
            log.exception("failed")
        log.debug("below the level")

    ids: list[str] = []
    lines = write(lambda: ids.extend(inside_a_span(log_lines)), format="json")

    sold, failed = map(json.loads, lines)
    assert [sold["trace_id"], sold["span_id"]] == ids
    assert (sold["logger"], sold["message"]) == ("shop.orders", "sold")
    assert (sold["order_id"], sold["extra_time"]) == (17, "noon")
    assert failed["exception"].endswith("ValueError: password=******")


@pytest.fixture
def forwarded() -> Iterator[None]:
    """loguru as the documentation configures it."""

    class ToLogging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)

    loguru.logger.remove()
    # A function as the format: loguru would add the traceback, with its variables.
    loguru.logger.add(ToLogging(), format=lambda record: "{message}", level=0)
    yield
    loguru.logger.remove()


@pytest.mark.usefixtures("forwarded")
def test_loguru(write: Write) -> None:
    """loguru's lines have the ids, and what is bound is the member ``extra``."""

    def log_lines() -> None:
        log = loguru.logger.bind(order_id=17)
        log.info("sold {}", 3)
        try:
            raise ValueError(SAID)
        except ValueError:
            log.exception("failed")
        log.debug("below the level")

    ids: list[str] = []
    lines = write(lambda: ids.extend(inside_a_span(log_lines)), format="json")

    sold, failed = map(json.loads, lines)
    assert [sold["trace_id"], sold["span_id"]] == ids
    assert (sold["logger"], sold["message"]) == (__name__, "sold 3")
    assert sold["extra"] == {"order_id": 17}
    assert failed["message"] == "failed"
    assert failed["exception"].endswith("ValueError: password=******")
    assert "pa55" not in "".join(lines)
