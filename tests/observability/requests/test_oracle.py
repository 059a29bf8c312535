"""OpenTelemetry's own Flask instrumentor, given the same requests."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

# A process of its own: the instrumentor patches Flask, and reads its variables when it
# is imported.
PROGRAM = """
import json, sys
from flask import Flask, abort
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)


def shop(name):
    app = Flask(name)
    app.add_url_rule("/orders/<int:number>", "order", lambda number: "x")
    app.add_url_rule("/refused", "refused", lambda: abort(409))
    app.add_url_rule("/failing", "failing", lambda: ("no", 503))
    app.add_url_rule("/broken", "broken", lambda: 1 / 0)
    return app


def ask(app, question):
    kept.clear()
    environ = {"SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "10.1.1.1",
               "RAW_URI": question["path"]}
    headers = {"User-Agent": "browser/1", **question.get("headers", {})}
    app.test_client().open(question["path"], method=question.get("method", "GET"),
        headers=headers, environ_overrides=environ, buffered=True)
    return [{
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "parent": span.parent and span.parent.span_id,
        "attributes": dict(span.attributes),
        "events": [event.name for event in span.events],
    } for span in kept.get_finished_spans()]


questions = json.load(sys.stdin)
from modern_flask.observability.metrics.registry import Metrics
from modern_flask.observability.requests.middleware import RequestTelemetry
ours = shop("ours")
ours.wsgi_app = RequestTelemetry(ours, Metrics, lambda: None)
mine = [ask(ours, question) for question in questions]

from opentelemetry.instrumentation.flask import FlaskInstrumentor
theirs = shop("theirs")
FlaskInstrumentor().instrument_app(theirs)
print(json.dumps({"ours": mine, "theirs": [ask(theirs, q) for q in questions]}))
"""

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUESTIONS: dict[str, dict[str, Any]] = {
    "plain": {"path": "/orders/7"},
    "query": {"path": "/orders/7?page=2"},
    "host": {"path": "/orders/7", "headers": {"Host": "shop.example"}},
    "parent": {"path": "/orders/7", "headers": {"traceparent": PARENT}},
    "head": {"path": "/orders/7", "method": "HEAD"},
    "unknown method": {"path": "/orders/7", "method": "BREW"},
    "unmatched": {"path": "/nowhere"},
    "refused": {"path": "/refused"},
    "failing": {"path": "/failing"},
    "broken": {"path": "/broken"},
    "excluded": {"path": "/orders/7?excluded=1"},
}

# What we leave out, say more of, or say otherwise, each with its reason.
ABSENT = {
    # The client's port is another with each connection: nobody looks for it.
    "client.port",
}
MORE = {
    # The conventions recommend them, and behind a proxy they differ from the client's.
    "network.peer.address",
    "network.peer.port",
}


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[list[Any], list[Any]]]:
    """For each request the kit's spans and the instrumentor's."""
    environ = {
        **os.environ,
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "OTEL_PYTHON_FLASK_EXCLUDED_URLS": "excluded=1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(list(QUESTIONS.values())),
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(ran.stdout)
    return dict(
        zip(QUESTIONS, zip(found["ours"], found["theirs"], strict=True), strict=True)
    )


@pytest.mark.parametrize("question", sorted(QUESTIONS.keys() - {"broken", "unmatched"}))
def test_same_span(answers: Any, question: str) -> None:
    """The same request makes the same span, except for the listed differences."""
    ours, theirs = answers[question]

    for spans in (ours, theirs):
        for span in spans:
            for name in ABSENT | MORE:
                span["attributes"].pop(name, None)
    assert ours == theirs


def test_unmatched(answers: Any) -> None:
    """The instrumentor names an unmatched request after its unbounded path."""
    (ours,), (theirs,) = answers["unmatched"]

    assert theirs.pop("name") == "GET /nowhere"
    assert ours.pop("name") == "GET"
    ours["attributes"].pop("network.peer.address")
    assert ours == theirs


def test_broken(answers: Any) -> None:
    """The instrumentor's error.type is the status; the kit's is the class."""
    (ours,), (theirs,) = answers["broken"]

    assert theirs["attributes"].pop("error.type") == "500"
    assert ours["attributes"].pop("error.type") == "ZeroDivisionError"
    assert ours["events"] == ["exception"]
    ours["attributes"].pop("network.peer.address")
    assert ours == theirs
