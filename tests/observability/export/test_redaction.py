"""A span is sent without its secrets, and otherwise complete."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from modern_flask.observability.export.redaction import redact_span
from tests.observability.requests.test_server_span import ACTS, describe_span, pair

Made = Callable[..., ReadableSpan]

URL = "http://ann:hunter2@shop/x?page=hunter3"
SHOWN = "http://******@shop/x?page=******"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (URL, SHOWN),
        (["a", URL], ("a", SHOWN)),
        ("key = 1", "key = 1"),
        (7, 7),
    ],
)
def test_attributes(made: Made, value: Any, shown: Any) -> None:
    """An attribute with a URL is masked; any other stays."""
    span = made(attributes={"what": value, "other": "x"})

    assert redact_span(span).attributes == {"what": shown, "other": "x"}


def test_status(made: Made) -> None:
    """A status keeps its code; its description is masked."""
    said = "Max retries exceeded with url: /x?page=hunter2 (Caused by it)"
    span = made(act=lambda span: span.set_status(Status(StatusCode.ERROR, said)))

    status = redact_span(span).status

    assert status.status_code is StatusCode.ERROR
    assert status.description == (
        "Max retries exceeded with url: /x?****** (Caused by it)"
    )


def test_exception(made: Made) -> None:
    """An exception's lines are masked one by one: the line after a URL stays."""

    def fail(span: Any) -> None:
        try:
            raise OSError(f"{URL}\npassword=hunter4\nIt is gone.")
        except OSError as error:
            span.record_exception(error)

    span = made(act=fail)

    (event,) = redact_span(span).events
    attributes = dict(event.attributes or {})
    assert (event.name, event.timestamp) == ("exception", span.events[0].timestamp)
    assert attributes["exception.type"] == "OSError"
    assert attributes["exception.message"] == f"{SHOWN}\npassword=******\nIt is gone."
    assert "hunter" not in str(attributes["exception.stacktrace"])
    assert "in fail" in str(attributes["exception.stacktrace"])


def test_what_is_no_text(made: Made) -> None:
    """A surrogate in an exception, as in a file's name, does not lose its span."""

    def fail(span: Any) -> None:
        span.record_exception(OSError("\udc80 is gone"))
        span.set_status(Status(StatusCode.ERROR, "\udc80 is gone"))

    shown = redact_span(made(act=fail))

    message = (shown.events[0].attributes or {})["exception.message"]
    assert message == shown.status.description == "? is gone"


def test_the_span_itself_stays(made: Made) -> None:
    """Other processors still see the original; a harmless span is not copied."""
    suspect, plain = made(attributes={"url.full": URL}), made(attributes={"a": 1})

    redact_span(suspect)

    assert dict(suspect.attributes or {}) == {"url.full": URL}
    assert redact_span(plain) is plain


@pytest.mark.parametrize("act", ACTS)
def test_all_the_rest_is_kept(act: str) -> None:
    """All else of a span stays, the numbers of dropped fields too."""

    def also_call(span: Any) -> None:
        ACTS[act](span)
        span.set_attribute("url.full", "http://shop/x")
        span.add_event("asked", {"number": 7})

    for span in pair(also_call):
        assert describe_span(redact_span(span)) == describe_span(span)


@pytest.mark.parametrize("attributes", [{}, {"url.full": URL}])
def test_span_that_ends_before_it_begins(made: Made, attributes: Any) -> None:
    """A span gets no negative duration if the clock was set back."""
    span = made(attributes=attributes, start_time=5_000, end_time=3_000)

    sent = redact_span(span)

    assert (sent.start_time, sent.end_time) == (5_000, 5_000)
    assert sent.get_span_context() == span.get_span_context()
    assert span.end_time == 3_000
    assert dict(sent.attributes or {}) == dict.fromkeys(attributes, SHOWN)
