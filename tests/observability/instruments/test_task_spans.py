"""Spans of tasks have the names and attributes of OpenTelemetry's instrumentor."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, _state
from kombu.exceptions import EncodeError
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from modern_flask.observability.telemetry import Telemetry
from tests.observability.test_telemetry import TRACED

Spans = list[ReadableSpan]


def sell(number: int) -> float:
    return 12 / number


@pytest.fixture
def make_celery(spans: Spans) -> Iterator[Callable[[str], Celery]]:
    """``make_celery(broker)``: a traced app that is the current one."""
    before, made = _state._tls.current_app, []
    instrumentor: Any = CeleryInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        # It makes spans for the provider of another test.
        instrumentor.uninstrument()

    def make(broker: str) -> Celery:
        app = Celery("shop", broker=broker)
        app.conf.task_publish_retry = False
        app.task(name="sell")(sell)
        Telemetry(TRACED, None).celery(app)
        made.append(app)
        return app

    yield make
    instrumentor.uninstrument()
    _state._tls.current_app = before
    for app in made:
        app.close()


def test_task_that_is_sent(make_celery: Any, spans: Spans) -> None:
    """Sending is a span ``apply_async/NAME``, which is a producer."""
    sent = make_celery("memory://").tasks["sell"].delay(7)

    (span,) = spans
    assert (span.name, span.kind) == ("apply_async/sell", SpanKind.PRODUCER)
    assert dict(span.attributes or {}) == {
        "celery.action": "apply_async",
        "celery.task_name": "sell",
        "messaging.message.id": sent.id,
        "messaging.destination": "celery",
        "messaging.destination_kind": "queue",
    }


@pytest.mark.parametrize(
    ("number", "state", "status"),
    [(4, "SUCCESS", StatusCode.UNSET), (0, "FAILURE", StatusCode.ERROR)],
)
def test_task_that_runs(
    make_celery: Any, spans: Spans, number: int, state: str, status: StatusCode
) -> None:
    """A run is a span ``run/NAME``, which is a consumer; a failure is an error."""
    make_celery("memory://").tasks["sell"].apply((number,))

    (span,) = spans
    found = span.attributes or {}
    assert (span.name, span.kind) == ("run/sell", SpanKind.CONSUMER)
    assert (found["celery.action"], found["celery.state"]) == ("run", state)
    assert found["celery.task_name"] == "sell"
    assert span.status.status_code is status
    assert len(span.events) == (status is StatusCode.ERROR)


@pytest.mark.parametrize("sampled", [True, False])
def test_task_that_is_not_sent(make_celery: Any, spans: Spans, sampled: bool) -> None:
    """If sending fails, the span ends as an error, and is not the current one."""
    app, unsendable = make_celery("memory://"), object()
    context = trace.SpanContext(1, 2, True, trace.TraceFlags(sampled))
    caller = trace.NonRecordingSpan(context)

    sends: list[Callable[[], Any]] = [
        lambda: app.tasks["sell"].delay(unsendable),
        lambda: app.send_task("sell", (unsendable,), task_id="7"),
    ]

    with trace.use_span(caller):
        for send in sends:
            with pytest.raises(EncodeError):
                send()
            assert trace.get_current_span() is caller
    assert [span.name for span in spans] == ["apply_async/sell"] * 2 * sampled
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)
    assert all(span.events[0].name == "exception" for span in spans)
