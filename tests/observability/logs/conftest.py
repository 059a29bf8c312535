"""Lines that a test has logged, and a root logger like that of a fresh process."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from modern_flask.config.values import Origin, Section
from modern_flask.observability.logs.root_logger import open_logging
from tests.observability.conftest import open_resource

Write = Callable[..., list[str]]


def section(**settings: Any) -> Section:
    values = {"LOGGING_" + name.upper(): value for name, value in settings.items()}
    return Section(
        "LOGGING_", values, dict.fromkeys(values, Origin("config.py", 4)), ["config.py"]
    )


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root logger of a fresh process; pytest's handlers return afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch) -> Write:
    """``write(act, format=...)``: the lines that ``act`` logs."""

    def lines(act: Callable[[], Any], **settings: Any) -> list[str]:
        stream = io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        with bare_root(), open_resource(open_logging(section(**settings))):
            act()
        return stream.getvalue().splitlines()

    return lines


def inside_a_span(act: Callable[[], Any]) -> tuple[str, str]:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("work")
    with trace.use_span(span):
        act()
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"
