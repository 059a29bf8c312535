"""What holds for a service with any extension; each test module imports these tests."""

from typing import Any

import pytest
from flask import Flask
from opentelemetry.trace import SpanKind

from modern_flask.app import faults, warnings

__all__ = [
    "check_observed",
    "test_check_accepts_the_service",
    "test_no_warnings",
    "test_pages_answer",
]


def test_check_accepts_the_service(app: Flask) -> None:
    """The check finds no fault in the service."""
    assert faults(app) == []


def test_no_warnings(app: Flask) -> None:
    """No key of the extension, and no function of the service, is called unused."""
    assert warnings(app) == []


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_pages_answer(app: Flask, path: str) -> None:
    """Probes and scrapes get their answer, whatever the extension hooks in."""
    client = app.test_client()

    answers = [client.get(path) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert "Set-Cookie" not in answers[0].headers


def check_observed(
    app: Flask, spans: Any, method: str, rule: str, status: int, error: str = ""
) -> None:
    """Assert that the last request is traced and measured under its rule.

    Args:
        error: The ``error.type`` of the span.
    """
    found = spans.get_finished_spans()
    span = next(span for span in reversed(found) if span.kind is SpanKind.SERVER)
    assert span.name == f"{method} {rule}"
    assert span.attributes["http.route"] == rule
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes.get("error.type", "") == error
    series = (
        f'http_request_duration_seconds_count{{handler="{rule}",method="{method}",'
        f'status="{status}"}}'
    )
    assert series in app.test_client().get("/metrics").text
