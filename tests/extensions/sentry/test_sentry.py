"""Sentry's SDK: it gets the errors, and may trace beside the kit."""

from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from flask import Flask
from sqlalchemy import select

from tests.extensions.contract import (  # noqa: F401
    check_observed,
    test_check_accepts_the_service,
    test_no_warnings,
    test_pages_answer,
)
from tests.extensions.sentry import service
from tests.extensions.sentry.service import Order, choose_rate

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


@pytest.fixture(params=["errors", "tracing"], autouse=True)
def sentry(request: Any, sink: Any) -> Iterator[bool]:
    """Sentry with and without tracing of its own; whether it traces."""
    traces = request.param == "tracing"
    options = {"traces_sampler": choose_rate} if traces else {}
    service.start_sentry(f"http://key@{sink.address}/1", **options)
    yield traces
    sentry_sdk.get_client().close()


def test_unexpected_error(
    app: Flask, client: Any, spans: Any, sink: Any, committed: Any
) -> None:
    """An unexpected error is one event with the kit's trace id; the rest is the kit's.

    The kit answers, rolls back, traces and measures as it does without Sentry.
    """
    response = client.post("/orders/broken", headers=CALLER)

    assert (response.status_code, response.json["trace_id"]) == (500, TRACE)
    assert committed(select(Order.id)) == []
    check_observed(app, spans, "POST", "/orders/<product>", 500, "LookupError")
    (event,) = sink.read("event")
    (found,) = event["exception"]["values"]
    assert (found["type"], found["value"]) == ("LookupError", "out of stock")
    assert event["tags"]["trace_id"] == TRACE
    assert event["transaction"] == "shop.order"


@pytest.mark.parametrize(
    ("path", "status"), [("tea", 201), ("gone", 409), ("halted", 410)]
)
def test_answers_are_no_events(client: Any, sink: Any, path: str, status: int) -> None:
    """An answer, an ``abort`` or a ``halt`` is no error of the service."""
    assert client.post(f"/orders/{path}").status_code == status

    assert sink.read("event") == []


def test_logged_error(client: Any, sink: Any) -> None:
    """A line with the level ERROR is an event, with the trace id of its request."""
    client.get("/logged", headers=CALLER)

    (event,) = sink.read("event")
    assert event["logentry"]["formatted"] == "The price of tea is wrong."
    assert event["tags"]["trace_id"] == TRACE


def test_failed_task(client: Any, sink: Any) -> None:
    """The error of a task, which runs in the app's context, is one event."""
    assert client.post("/tasks").status_code == 202

    (event,) = sink.read("event")
    assert event["exception"]["values"][-1]["value"] == "no car for 0 orders"


def test_both_trace(
    app: Flask, client: Any, spans: Any, sink: Any, sentry: bool
) -> None:
    """The kit's spans are the same, and Sentry has a transaction if it traces."""
    client.post("/orders/tea", headers=CALLER)

    check_observed(app, spans, "POST", "/orders/<product>", 201)
    found = spans.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in found} == {TRACE}
    assert sum(span.name.startswith("INSERT") for span in found) == 1
    names = [found["transaction"] for found in sink.read("transaction")]
    assert names == (["shop.order"] if sentry else [])


def test_outgoing_call(client: Any, sink: Any) -> None:
    """An outgoing call carries the headers of both."""
    headers = client.get(f"/call?url={sink.url}", headers=CALLER).json

    assert TRACE in headers["traceparent"]
    assert headers["x-b3-traceid"] == TRACE
    assert "sentry-trace" in headers


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_are_no_transactions(client: Any, sink: Any, path: str) -> None:
    """``choose_rate`` leaves probes and scrapes out."""
    client.get(path)

    assert sink.read("transaction") == []
