"""A provider, processors and instrumentors of the service, beside the kit's spans."""

from collections import Counter
from pathlib import Path

import pytest

from tests.observability.test_tracing import run
from tests.servers.collectors import ZipkinCollector

OWN = """
import os
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import text

memory = InMemorySpanExporter()
early = trace.get_tracer("early")

def make(**config):
    app = service(DATABASE_ENGINE_URL="sqlite+pysqlite:///:memory:",
        STORAGE_VENDOR="memory", **config)

    @app.get("/all/<int:number>")
    def everything(number):
        with app.container.engine().connect() as connection:
            connection.execute(text("select 1"))
        app.container.storage().put("a.txt", b"x")
        with early.start_as_current_span("early"):
            return "x"

    return app

def report(app):
    client = app.test_client()
    answers = [client.get("/all/7", buffered=True) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    print("ANSWER", answers[1].headers.get("traceresponse"))
    for span in memory.get_finished_spans():
        print(
            "SPAN", span.kind.name, span.name, span.resource.attributes["service.name"],
            f"{span.context.trace_id:032x}", span.instrumentation_scope.name,
        )
"""


def read_spans(said: str) -> list[list[str]]:
    """The spans that a program has reported, as words."""
    lines = [line.split(" ") for line in said.splitlines()]
    return [line[1:] for line in lines if line[0] == "SPAN"]


def test_own_provider(tmp_path: Path) -> None:
    """A provider of the service gets every span of the kit, without an exporter."""
    said = run(
        OWN
        + """
provider = TracerProvider(resource=Resource.create({"service.name": "mine"}))
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
report(make())
""",
        tmp_path,
        OTEL_EXPORTER="none",
    )

    names = Counter(span[1] for span in read_spans(said))
    assert names == {"GET": 2, "SELECT": 2, "storage": 2, "early": 2}
    assert " mine " in said
    assert " orders " not in said
    assert (
        "Other code has set up OpenTelemetry: its TracerProvider gets all spans. The "
        "kit sends none itself." in said
    )


def test_own_provider_without_a_processor(
    tmp_path: Path, zipkin: ZipkinCollector
) -> None:
    """A provider that sends nothing gets the kit's back end, and its sampler counts."""
    program = """
sampler = sampling.ALWAYS_OFF if os.environ["OFF"] else sampling.ALWAYS_ON
trace.set_tracer_provider(TracerProvider(sampler=sampler))
with (app := make()).running():
    report(app)
"""
    for off in ("", "off"):
        zipkin.clear()
        run(OWN + program, tmp_path, OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url, OFF=off)
        assert len(zipkin.spans) == (0 if off else 8)


def test_provider_that_comes_late(tmp_path: Path) -> None:
    """A provider that the service sets after create_app is used, too."""
    said = run(
        OWN
        + """
app = make()
provider = TracerProvider(resource=Resource.create({"service.name": "late"}))
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
report(app)
""",
        tmp_path,
    )

    names = Counter(span[1] for span in read_spans(said))
    assert names == {"GET": 2, "SELECT": 2, "storage": 2, "early": 2}
    assert "Overriding" not in said


def test_processor_after_create_app(tmp_path: Path) -> None:
    """After create_app the global provider takes processors, without an exporter."""
    said = run(
        OWN
        + """
app = make()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
report(app)
""",
        tmp_path,
    )

    names = Counter(span[1] for span in read_spans(said))
    assert names == {"GET": 2, "SELECT": 2, "storage": 2, "early": 2}
    assert {span[-3] for span in read_spans(said)} == {"orders"}
    assert "Traces are given to the processors that were added to the provider." in said


def test_processor_after_the_first_request(tmp_path: Path) -> None:
    """A processor that comes after the first requests gets the spans from then on."""
    said = run(
        OWN
        + """
app = make()
assert "traceresponse" not in app.test_client().get("/all/7", buffered=True).headers
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
report(app)
""",
        tmp_path,
    )

    names = Counter(span[1] for span in read_spans(said))
    assert names == {"GET": 2, "SELECT": 2, "storage": 2, "early": 2}


SERVER_SPANS = {
    "instrument_app": """
from opentelemetry.instrumentation.flask import FlaskInstrumentor
FlaskInstrumentor().instrument_app(app)
""",
    "a WSGI middleware": """
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
app.wsgi_app = OpenTelemetryMiddleware(app.wsgi_app)
""",
    "both instrumentors of data": """
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
SQLAlchemyInstrumentor().instrument(skip_dep_check=True)
""",
}


@pytest.mark.parametrize("other", SERVER_SPANS)
def test_others_in_the_service(tmp_path: Path, other: str) -> None:
    """What the service instruments itself has one span, with the answer's ids."""
    said = run(
        OWN
        + """
app = make()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))
"""
        + SERVER_SPANS[other]
        + "report(app)",
        tmp_path,
    )

    spans = read_spans(said)
    kinds = Counter(span[0] for span in spans if span[1] != "connect")
    assert kinds == {"SERVER": 2, "CLIENT": 4, "INTERNAL": 2}
    (answer,) = [line for line in said.splitlines() if line.startswith("ANSWER")]
    last = [span for span in spans if span[0] == "SERVER"][-1]
    assert last[-2] in answer
    scopes = {span[-1] for span in spans}
    assert any(scope.startswith("opentelemetry.") for scope in scopes)
