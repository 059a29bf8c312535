"""The lean span of a request equals the SDK's in every public respect."""

import json
from collections.abc import Callable
from time import time_ns
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    ReadableSpan,
    Span,
    SpanLimits,
    TracerProvider,
    sampling,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    TraceFlags,
    TraceState,
)
from opentelemetry.trace import StatusCode as Code
from werkzeug.test import EnvironBuilder

from modern_flask.observability.requests.conventions import describe
from modern_flask.observability.requests.server_span import make_starter
from modern_flask.observability.sdk import ServerSpan

END = 4 * 10**18  # nanoseconds since the epoch, later than every start
ENVIRON = EnvironBuilder("/orders?a=1").get_environ()


class Watching:
    """A processor that keeps what it gets at each step."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ending: list[Any] = []
        self.ended: list[Any] = []

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        span.set_attribute("from.processor", True)
        self.started.append((span, parent_context))

    def _on_ending(self, span: Span) -> None:
        self.ending.append(span.is_recording())

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


def pair(
    act: Callable[[Any], None], parent: Any = None, **options: Any
) -> tuple[ReadableSpan, ReadableSpan]:
    """What a processor sees of the kit's span and the SDK's, after the same calls."""
    found = []
    parent = parent or Context()
    for lean in (True, False):
        watching: Any = Watching()
        provider = TracerProvider(shutdown_on_exit=False, **options)
        provider.add_span_processor(watching)
        tracer = provider.get_tracer("shop", "1.5")
        if lean:
            span = make_starter(tracer)("GET", parent, ENVIRON)
            assert isinstance(span, ServerSpan)
        else:
            span = tracer.start_span("GET", parent, SpanKind.SERVER, describe(ENVIRON))
        assert watching.started == [(span, parent)]
        act(span)
        span.end(END)
        assert not span.is_recording()
        found.append(watching.ended[0])
    return found[0], found[1]


def describe_span(span: ReadableSpan) -> dict[str, Any]:
    """All of a span except its ids and times."""
    whole: dict[str, Any] = json.loads(span.to_json())
    for name in ("span_id", "trace_id"):
        whole["context"].pop(name)
    for event in whole["events"]:
        event["timestamp"] = 0
    whole["start_time"] = 0
    return {
        **whole,
        "dropped": (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "scope": span.instrumentation_scope,
        "resource": None,
    }


def fail(span: Any) -> None:
    try:
        raise LookupError("gone")
    except LookupError as error:
        span.record_exception(error)
    span.set_status(Status(Code.ERROR, "gone"))
    span.set_status(Code.UNSET)


def link(span: Any) -> None:
    span.add_link(SpanContext(5, 6, True), {"why": "batch"})


def overflow(span: Any) -> None:
    for number in range(200):
        span.set_attribute(f"a{number}", number)
        span.add_event(f"e{number}")


def mistype(span: Any) -> None:
    span.set_attributes({"ok": 1, "": "empty", "list": [1, 2], "none": None})
    span.set_attribute("object", object)


def raise_inside(span: Any) -> None:
    with pytest.raises(KeyError), trace.use_span(span):
        raise KeyError("x")


ACTS: dict[str, Callable[[Any], None]] = {
    "nothing": lambda span: None,
    "attributes": lambda span: span.set_attribute("user", "ann"),
    "events": lambda span: span.add_event("cached", {"hit": True}),
    "name": lambda span: span.update_name("GET /orders"),
    "failure": fail,
    "link": link,
    "too much": overflow,
    "wrong types": mistype,
    "an exception": raise_inside,
}


@pytest.mark.parametrize("act", ACTS)
def test_same_span(act: str) -> None:
    """A processor sees what it sees of the SDK's span, whatever is called on it."""
    ours, theirs = pair(ACTS[act])

    mine, others = describe_span(ours), describe_span(theirs)
    if act in ("failure", "an exception"):
        for span in (mine, others):
            del span["events"][0]["attributes"]["exception.stacktrace"]
    mine["attributes"].pop("object", None)
    others["attributes"].pop("object", None)
    assert mine == others


def test_ended_span_stays(caplog: pytest.LogCaptureFixture) -> None:
    """An ended span can't be changed, and an attempt is logged as by the SDK."""
    provider = TracerProvider(shutdown_on_exit=False)
    span: Any = make_starter(provider.get_tracer("shop"))("GET", Context(), ENVIRON)
    span.end()
    before = (dict(span.attributes), span.end_time)

    span.set_attribute("late", 1)
    span.add_event("late")
    span.update_name("late")
    span.end()

    assert (dict(span.attributes), span.end_time) == before
    assert (span.name, span.events) == ("GET", ())
    assert len(caplog.messages) == 4


@pytest.mark.parametrize("attributes", [{}, {"user": "ann"}])
@pytest.mark.parametrize("step", [-3600, 3600])
def test_clock_that_is_set(
    monkeypatch: pytest.MonkeyPatch, step: int, attributes: dict[str, str]
) -> None:
    """A clock that is set during a request does not change the span's duration."""
    provider = TracerProvider(shutdown_on_exit=False)
    span: Any = make_starter(provider.get_tracer("shop"))("GET", Context(), ENVIRON)
    if attributes:
        span.set_attributes(attributes)

    now = time_ns()
    for module in ("modern_flask.observability.sdk.spans", "opentelemetry.sdk.trace"):
        monkeypatch.setattr(f"{module}.time_ns", lambda: now + step * 10**9)
    span.end()

    assert 0 < span.end_time - span.start_time < 60 * 10**9


def remote(flags: int) -> Any:
    state = TraceState([("vendor", "x")])
    context = SpanContext(0xABC, 0xDEF, True, TraceFlags(flags), state)
    return trace.set_span_in_context(NonRecordingSpan(context))


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "sampler",
    [
        sampling.ALWAYS_ON,
        sampling.ALWAYS_OFF,
        sampling.DEFAULT_ON,
        sampling.DEFAULT_OFF,
        sampling.ParentBasedTraceIdRatio(1.0),
        sampling.ParentBasedTraceIdRatio(0.0),
        sampling.ParentBased(
            sampling.ALWAYS_OFF, remote_parent_not_sampled=sampling.ALWAYS_ON
        ),
        sampling.TraceIdRatioBased(0.5),
    ],
    ids=lambda sampler: sampler.get_description()[:30],
)
@pytest.mark.parametrize("known", [True, False])
def test_same_decision(sampler: Any, flags: int, known: bool) -> None:
    """Each sampler decides as in the SDK, for callers of every kind."""
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    tracer = provider.get_tracer("shop")
    ids: Any = tracer
    ids.id_generator = Counting()
    parent = remote(flags) if known else Context()

    ours = make_starter(tracer)("GET", parent, ENVIRON)
    ids.id_generator = Counting()
    theirs = tracer.start_span("GET", parent, SpanKind.SERVER)

    mine, others = ours.get_span_context(), theirs.get_span_context()
    assert mine == others
    assert mine.trace_state == others.trace_state
    assert ours.is_recording() == theirs.is_recording()


class Counting:
    """Ids that are known beforehand."""

    def generate_trace_id(self) -> int:
        return 0x1234

    def generate_span_id(self) -> int:
        return 0x5678

    def is_trace_id_random(self) -> bool:
        return True


def test_limits_of_the_user() -> None:
    """With configured limits of attributes, the SDK's own span is made."""
    limits = SpanLimits(max_span_attribute_length=3)
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)

    span: Any = make_starter(provider.get_tracer("shop"))("GET", Context(), ENVIRON)

    assert not isinstance(span, ServerSpan)
    assert span.attributes["url.path"] == "/or"
