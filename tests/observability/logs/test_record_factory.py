"""Every record has the ids of its trace, the service's name and the route."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from modern_flask.observability.logs.fields import FIELDS
from modern_flask.observability.logs.formats import JsonFormatter
from modern_flask.observability.logs.record_factory import add_fields
from tests.observability.logs.conftest import Write, inside_a_span

log = logging.getLogger("shop.orders")


def make_record() -> logging.LogRecord:
    return log.makeRecord("shop", logging.INFO, "f.py", 1, "x", (), None)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's provider belongs to the service ``shop``."""
    provider = TracerProvider(
        resource=Resource({"service.name": "shop"}), shutdown_on_exit=False
    )
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)


@pytest.mark.usefixtures("shop")
def test_fields() -> None:
    """The fields are those of OpenTelemetry's instrumentor, with its types."""
    found: list[Any] = []

    with add_fields():
        outside = make_record()
        ids = inside_a_span(lambda: found.append(make_record()))

    inside = vars(found[0])
    assert {name: vars(outside)[name] for name in FIELDS} == {
        **FIELDS,
        "otelServiceName": "shop",
    }
    assert (inside["otelTraceID"], inside["otelSpanID"]) == ids
    assert inside["otelTraceSampled"] is True


@pytest.mark.usefixtures("shop")
def test_same_as_the_instrumentor() -> None:
    """OpenTelemetry's own instrumentor sets the same fields to the same values."""
    instrumentor = LoggingInstrumentor()
    records: list[Any] = []

    def make_both() -> None:
        records.append(make_record())
        with add_fields():
            records.append(make_record())

    instrumentor.instrument(
        inject_trace_context=True,
        enable_log_auto_instrumentation=False,
        tracer_provider=trace.get_tracer_provider(),
    )
    inside_a_span(make_both)
    instrumentor.uninstrument()

    theirs, ours = ({name: vars(each)[name] for name in FIELDS} for each in records)
    assert theirs == ours


def test_two_apps() -> None:
    """Two apps share one factory, and the last one that closes puts back the first."""
    before = logging.getLogRecordFactory()
    one, two = add_fields(), add_fields()

    one.__enter__()
    first = logging.getLogRecordFactory()
    two.__enter__()
    assert logging.getLogRecordFactory() is first
    one.__exit__(None, None, None)
    assert "otelTraceID" in vars(make_record())
    two.__exit__(None, None, None)

    assert logging.getLogRecordFactory() is before
    assert "otelTraceID" not in vars(make_record())


@contextmanager
def factory_on_top() -> Iterator[None]:
    """A factory of other code, which calls the one that it found."""
    before = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.tenant = "acme"
        return record

    logging.setLogRecordFactory(make)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)


def test_factory_on_top_of_ours() -> None:
    """A factory that other code has set over the kit's stays when the app closes."""
    before = logging.getLogRecordFactory()
    block = add_fields()
    block.__enter__()

    with factory_on_top():
        block.__exit__(None, None, None)
        closed = vars(make_record())
        with add_fields():
            opened = vars(make_record())
        again = vars(make_record())
    logging.setLogRecordFactory(before)

    assert [fields["tenant"] for fields in (closed, opened, again)] == ["acme"] * 3
    assert "otelTraceID" not in closed
    assert "otelTraceID" in opened
    assert "otelTraceID" not in again


def test_factory_that_forgets_ours() -> None:
    """After another factory has replaced the kit's, the next app adds its own."""
    before = logging.getLogRecordFactory()
    with add_fields():
        logging.setLogRecordFactory(logging.LogRecord)
    with add_fields():
        assert "otelTraceID" in vars(make_record())
    logging.setLogRecordFactory(before)


def test_no_correlation(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_LOG_CORRELATION=false leaves records as they are."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_CORRELATION", "false")
    found: list[Any] = []

    write(lambda: found.append(vars(make_record())))

    assert "otelTraceID" not in found[0]


@pytest.mark.usefixtures("shop")
def test_service_and_route() -> None:
    """A JSON line names the service, and in a request the rule that matched."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    app = Flask("orders")
    app.add_url_rule("/orders/<int:number>", view_func=sell, endpoint="sell")
    log.addHandler(handler)
    try:
        with add_fields():
            app.test_client().get("/orders/7")
            app.test_client().get("/nothing")
            with app.test_request_context("/unknown"):
                log.warning("no route")
            log.warning("outside")
    finally:
        log.removeHandler(handler)

    sold, unknown, outside = map(json.loads, stream.getvalue().splitlines())
    assert (sold["service"], sold["route"]) == ("shop", "/orders/<int:number>")
    assert outside["service"] == "shop"
    assert "route" not in unknown
    assert "route" not in outside


def sell(number: int) -> str:
    # A field called "route" is the caller's own: logging must not refuse it.
    log.warning("sold", extra={"route": "north"})
    return "x"
