"""Log lines have the ids of their trace, and no secrets."""

import io
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.logging import default_handler
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from modern_flask.errors import UnknownChoice, UnknownSetting
from modern_flask.observability.logs.root_logger import open_logging
from tests.observability.conftest import open_resource
from tests.observability.logs.conftest import (
    Write,
    bare_root,
    inside_a_span,
    section,
)

log = logging.getLogger("shop.orders")


def test_text(write: Write) -> None:
    """A line is as the predecessor's: time, level, logger, place, ids, message."""
    ids: list[str] = []

    (line,) = write(lambda: ids.extend(inside_a_span(lambda: log.info("sold %d", 3))))

    trace_id, span_id = ids
    line = re.sub(r"\.py:\d+|name=[\w:.]*", lambda found: found[0][:4], line)
    assert line.endswith(
        " INFO [shop.orders] [test_root_logger.py:] "
        f"[trace_id={trace_id} span_id={span_id} resource.service.name] - sold 3"
    )


def test_text_outside_a_trace(write: Write) -> None:
    """Outside a trace the ids are 0."""
    (line,) = write(lambda: log.info("started"))

    assert "[trace_id=0 span_id=0 resource" in line
    assert line.endswith("] - started")


def test_json(write: Write) -> None:
    """With LOGGING_FORMAT=json each line is one object."""
    ids: list[str] = []

    (line,) = write(
        lambda: ids.extend(inside_a_span(lambda: log.warning("卖了\n%d", 3))),
        format="json",
    )

    found = json.loads(line)
    found.pop("service", None)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING",
        "logger": "shop.orders",
        "message": "卖了\n3",
        "trace_id": ids[0],
        "span_id": ids[1],
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_exception(write: Write, form: str) -> None:
    """An exception has its stack; in JSON all of it is in one line."""

    def fail() -> None:
        try:
            raise KeyError("id")
        except KeyError:
            log.exception("failed")

    lines = write(fail, format=form)

    whole = "\n".join(lines)
    if form == "json":
        (line,) = lines
        whole = json.loads(line)["exception"]
    assert "in fail" in whole
    assert whole.endswith("KeyError: 'id'")


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets(write: Write, form: str) -> None:
    """Passwords in URLs and pairs are in no line, nor in an exception's."""

    def log_lines() -> None:
        log.info("using postgresql://u:pa55@db/shop and token=pa55")
        log.info("%s", {"password": "pa55"})
        try:
            raise ValueError("can't reach redis://:pa55@cache:6379/0")
        except ValueError:
            log.exception("failed")

    text = "\n".join(write(log_lines, format=form))

    assert "pa55" not in text
    assert "postgresql://u:******@db/shop" in text
    assert "redis://:******@cache:6379/0" in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_arguments_that_do_not_fit(write: Write, form: str) -> None:
    """Arguments that do not fit cause one line with the place, without them."""
    (line,) = write(lambda: log.info("%d orders", "pa55"), format=form)

    assert "pa55" not in line
    assert "%d orders (its arguments do not fit, " in line
    assert "test_root_logger.py, line " in line
    if form == "json":
        assert json.loads(line)["level"] == "INFO"


def test_own_format(write: Write) -> None:
    """A format of logging is accepted; it may name OpenTelemetry's fields."""
    (line,) = write(lambda: log.info("x"), format="%(levelname)s|%(otelTraceID)s")

    assert line == "INFO|0"


def test_predecessors_variables(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_LOG_FORMAT and _LEVEL work; the kit's own keys win over them."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_FORMAT", "old %(message)s")
    monkeypatch.setenv("OTEL_PYTHON_LOG_LEVEL", "error")

    def log_lines() -> None:
        log.info("info")
        log.error("error")

    assert write(log_lines) == ["old error"]
    assert write(log_lines, level="info", format="new %(message)s") == [
        "new info",
        "new error",
    ]


def test_no_correlation(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_LOG_CORRELATION=false leaves the ids out of the line."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_CORRELATION", "False")

    assert write(lambda: log.info("x")) == ["INFO:shop.orders:x"]


@pytest.mark.parametrize("level", ["debug", "DEBUG", logging.DEBUG])
def test_level(write: Write, level: Any) -> None:
    """A level is a name in any case, or logging's number."""
    assert len(write(lambda: log.debug("x"), level=level)) == 1


def test_level_of_a_logger(write: Write) -> None:
    """LOGGING_LEVELS sets single loggers while the app is open."""

    def log_lines() -> None:
        log.debug("written")
        logging.getLogger("other").debug("untold")
        logging.getLogger("noisy").info("untold")

    lines = write(log_lines, levels={"shop": "DEBUG", "noisy": "ERROR"})

    assert len(lines) == 1
    assert lines[0].endswith("written")
    assert logging.getLogger("shop").level == logging.NOTSET


def test_headers_of_a_caller(write: Write) -> None:
    """Malformed headers cause no line, unless LOGGING_LEVELS says so."""
    headers = {
        "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
        "tracestate": "Hunter 2",
        "baggage": "hunter2",
    }
    both = CompositePropagator(
        [TraceContextTextMapPropagator(), W3CBaggagePropagator()]
    )
    asked = {"opentelemetry.baggage.propagation": "WARNING"}

    assert write(lambda: both.extract(headers)) == []
    assert len(write(lambda: both.extract(headers), levels=asked)) == 1


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"level": "LOUD"}, 'LOGGING_LEVEL = "LOUD"'),
        ({"level": None}, 'LOGGING_LEVEL = "None"'),
        ({"levels": {"shop": "LOUD"}}, 'LOGGING_LEVELS["shop"] = "LOUD"'),
    ],
)
def test_unknown_level(settings: dict[str, Any], wrong: str) -> None:
    """An unknown level is a fault that lists the choices."""
    with pytest.raises(UnknownChoice) as caught:
        next(open_logging(section(**settings)))

    assert str(caught.value) == (
        f"{wrong} names no level.\n"
        "  set in   config.py, line 4\n"
        "  fix      use DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )


def test_unknown_level_of_the_predecessor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault names the predecessor's variable when its level is wrong."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_LEVEL", "LOUD")

    with pytest.raises(UnknownChoice, match=r'^OTEL_PYTHON_LOG_LEVEL = "LOUD" names'):
        next(open_logging(section()))


@pytest.mark.parametrize("form", ["yaml", 5])
def test_unknown_format(form: Any) -> None:
    """A format that logging rejects is a fault that lists the choices."""
    with pytest.raises(UnknownChoice) as caught:
        next(open_logging(section(format=form)))

    assert str(caught.value) == (
        f'LOGGING_FORMAT = "{form}" names no format.\n'
        "  set in   config.py, line 4\n"
        "  fix      use text, json or a format of logging, such as "
        "%(levelname)s %(message)s"
    )


def test_unknown_format_of_the_predecessor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault names the predecessor's variable when its format is wrong."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_FORMAT", "yaml")

    with pytest.raises(UnknownChoice, match=r'^OTEL_PYTHON_LOG_FORMAT = "yaml" names'):
        next(open_logging(section()))


def test_unknown_key() -> None:
    """An unknown key is a fault that names the nearest one."""
    with pytest.raises(UnknownSetting) as caught:
        next(open_logging(section(fromat="json")))

    assert str(caught.value) == (
        "LOGGING_FROMAT is not a known setting.\n"
        "  set in   config.py, line 4\n"
        "  did you mean  LOGGING_FORMAT"
    )


def test_handlers_of_others_stay() -> None:
    """A root logger that has handlers keeps them, and records gain the ids."""
    stream = io.StringIO()
    mine = logging.StreamHandler(stream)
    mine.setFormatter(logging.Formatter("%(otelTraceID)s %(message)s"))
    with bare_root() as root:
        root.addHandler(mine)

        with open_resource(open_logging(section(level="INFO"))):
            assert root.handlers == [mine]
            log.info("x")

        assert stream.getvalue() == "0 x\n"
        assert root.level == logging.WARNING


def test_closing_takes_the_handler_away() -> None:
    """Two apps that are opened and closed in turn leave nothing behind."""
    with bare_root() as root:
        for _ in range(2):
            with open_resource(open_logging(section())):
                assert len(root.handlers) == 1
            assert root.handlers == []


def test_no_line_twice(write: Write) -> None:
    """An app whose logger was used before the start does not write each line twice."""
    app = Flask("early")
    app.logger.addHandler(default_handler)

    lines = write(lambda: app.logger.warning("once"))

    assert len(lines) == 1


SAID = """cannot connect
postgresql://u:pa55@db/shop
  tried: password=pa55 and
url: /x?token=pa55 "api_key": "pa55"
secret:
  pa55"""


class Unauthorised(Exception):
    """An error whose text is its argument."""


def chained() -> None:
    try:
        raise Unauthorised(SAID)
    except Unauthorised as cause:
        raise ValueError(SAID) from cause


def hidden() -> None:
    try:
        raise Unauthorised(SAID)
    except Unauthorised:
        raise ValueError(SAID)  # noqa: B904


def grouped() -> None:
    inner = ExceptionGroup(SAID, [Unauthorised(SAID), KeyError(SAID)])
    raise ExceptionGroup(SAID, [inner, OSError(5, SAID)])


def noted() -> None:
    error = ValueError("see the note below")
    error.add_note(SAID)
    raise error


@pytest.mark.parametrize("fail", [chained, hidden, grouped, noted])
@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_of_an_exception(
    write: Write, form: str, fail: Callable[[], None]
) -> None:
    """No line of an exception has a secret: of a cause, a group or a note."""

    def log_lines() -> None:
        try:
            fail()
        except Exception:
            log.exception("failed")

    text = "\n".join(write(log_lines, format=form))

    assert "cannot connect" in text
    assert "postgresql://u:******@db/shop" in text
    assert "pa55" not in text


def test_name_of_an_exception(write: Write) -> None:
    """An exception's name is never masked, whatever it sounds like."""

    class InvalidToken(Exception):
        pass

    def log_lines() -> None:
        try:
            raise InvalidToken("too old")
        except InvalidToken:
            log.exception("failed")

    assert write(log_lines)[-1].endswith("InvalidToken: too old")


@pytest.mark.parametrize("form", ["text", "json"])
def test_exception_that_another_has_formatted(write: Write, form: str) -> None:
    """A traceback that another handler left in the record is masked, too."""

    def log_lines() -> None:
        try:
            raise ValueError(SAID)
        except ValueError as error:
            info = (ValueError, error, error.__traceback__)
            record = log.makeRecord("x", logging.ERROR, "f", 1, "failed", (), info)
        logging.Formatter().format(record)
        assert "pa55" in (record.exc_text or "")
        log.handle(record)
        record.exc_info = None
        log.handle(record)

    text = "\n".join(write(log_lines, format=form))

    assert text.count("cannot connect") == 2
    assert "pa55" not in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_stack(write: Write, form: str) -> None:
    """A requested stack is in the line, its URLs without passwords."""

    def log_lines() -> None:
        log.info("here", stack_info=bool("redis://:pa55@cache/0"))

    text = "\n".join(write(log_lines, format=form))

    assert "in log_lines" in text
    assert "pa55" not in text


def test_handler_that_only_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's handler on the root logger does not keep lines from stderr."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with bare_root() as root:
        exporter = LoggingHandler()
        root.addHandler(exporter)

        with open_resource(open_logging(section())):
            log.info("written")
        assert root.handlers == [exporter]

    assert stream.getvalue().endswith("] - written\n")
