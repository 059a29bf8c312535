"""Each variable of OpenTelemetry's specification has its effect on a service."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modern_flask.config.values import Origin, Section
from modern_flask.errors import UnknownChoice
from modern_flask.observability.errors import FIX_LIMIT, BadLimit
from modern_flask.observability.export.uploader import Limits
from modern_flask.observability.variables import (
    LIMITS,
    check_limits,
    check_propagators,
    list_without_effect,
)
from tests.observability.test_tracing import run
from tests.servers.collectors import ZipkinCollector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
# Two requests: one begins a trace, one continues its caller's, who has not sampled it.
PROGRAM = """
import json, os
from flask import request
from opentelemetry import propagate, trace
app = service()

@app.get("/work")
def work():
    span = trace.get_current_span()
    span.set_attributes({"long": "x" * 40, "more": 1})
    for number in range(4):
        span.add_event("said", {"a": 1, "b": 2})
    carrier = {}
    propagate.inject(carrier)
    print("SENT", json.dumps(sorted(carrier)))
    return "x"

with app.running():
    client = app.test_client()
    client.get("/work", buffered=True)
    client.get("/work", buffered=True, headers=json.loads(os.environ["HEADERS"]))
"""
DENIED = {"b3": f"{TRACE}-{SPAN}-0"}

Result = tuple[list[Any], str]


@pytest.fixture
def trace_requests(tmp_path: Path, zipkin: ZipkinCollector) -> Callable[..., Result]:
    """``trace_requests(OTEL_...="...")``: the spans of two requests, and the output."""

    def run_service(headers: Any = DENIED, **environ: str) -> Result:
        environ.setdefault("OTEL_EXPORTER_ZIPKIN_ENDPOINT", zipkin.url)
        said = run(PROGRAM, tmp_path, HEADERS=json.dumps(headers), **environ)
        return zipkin.spans, said

    return run_service


@pytest.mark.parametrize(
    ("environ", "spans"),
    [
        ({}, 1),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, 2),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, 0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, 0),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, 1),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, 0),
        (
            {
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "1",
            },
            1,
        ),
        ({"OTEL_SDK_DISABLED": "true"}, 0),
        ({"OTEL_TRACES_EXPORTER": "none"}, 0),
        # OpenTelemetry logs a line for each, and uses its default.
        ({"OTEL_TRACES_SAMPLER": "foo"}, 1),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, 2),
        ({"OTEL_RESOURCE_ATTRIBUTES": "foo"}, 1),
    ],
)
def test_what_is_sent(
    trace_requests: Callable[..., Result], environ: dict[str, str], spans: int
) -> None:
    """Sampler, switch and exporter decide what is sent; a bad value is no error."""
    found, said = trace_requests(**environ)

    assert len(found) == spans
    assert "Traceback" not in said
    if {"foo", "2"} & set(environ.values()):
        assert re.search("sampler foo|SAMPLER_ARG|pair foo", said)


@pytest.mark.parametrize(
    ("environ", "tags"),
    [
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "1"}, {"otel.dropped_events_count": "3"}),
        ({"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5"}, {"long": "xxxxx"}),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "6"}, {"long": "xxxxxx"}),
        (
            {
                "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "6",
                "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4",
            },
            {"long": "xxxx"},
        ),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=a%20b"}, {"team": "a b"}),
    ],
)
def test_tags(
    trace_requests: Callable[..., Result], environ: dict[str, str], tags: dict[str, str]
) -> None:
    """Limits cut what a span holds; the resource's attributes are on each span."""
    ((span,), _) = trace_requests(**environ)

    assert span["tags"].items() >= tags.items()


@pytest.mark.parametrize("name", ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", LIMITS[0]])
def test_number_of_attributes(trace_requests: Callable[..., Result], name: str) -> None:
    """A limit for spans, or for everything, counts the attributes that are kept."""
    ((span,), _) = trace_requests(**{name: "3"})

    assert int(span["tags"]["otel.dropped_attributes_count"]) > 0


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "orders"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop"}, "shop"),
        (
            {
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop",
                "OTEL_SERVICE_NAME": "till",
            },
            "till",
        ),
    ],
)
def test_name(
    trace_requests: Callable[..., Result], environ: dict[str, str], name: str
) -> None:
    """OTEL_SERVICE_NAME beats OTEL_RESOURCE_ATTRIBUTES, and both the app's name."""
    ((span,), _) = trace_requests(**environ)

    assert span["localEndpoint"] == {"serviceName": name}


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("tracecontext", ["traceparent"]),
        ("b3", ["b3"]),
        ("b3multi,baggage", ["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"]),
        ("none", []),
    ],
)
def test_propagators(
    trace_requests: Callable[..., Result], value: str, sent: list[str]
) -> None:
    """OTEL_PROPAGATORS chooses which headers a call sends."""
    _, said = trace_requests(OTEL_PROPAGATORS=value)

    assert f"SENT {json.dumps(sent)}" in said


def section(**values: str) -> Section:
    return Section("OTEL_", values, dict.fromkeys(values, Origin("config.py", 7)))


def test_unknown_propagator() -> None:
    """An unknown propagator is a fault that lists the installed ones."""
    values = {"OTEL_PROPAGATORS": "tracecontext, b4"}

    with pytest.raises(UnknownChoice) as caught:
        check_propagators(values, section(**values))

    text = str(caught.value)
    assert text.startswith('OTEL_PROPAGATORS = "b4" names no propagator.\n  set in   c')
    assert {"b3", "b3multi", "baggage", "none", "tracecontext"} <= set(
        re.findall(r"\w+", text.partition("fix")[2])
    )


def test_propagator_is_checked_before_it_is_loaded(tmp_path: Path) -> None:
    """An app with an unknown propagator fails with the kit's own fault."""
    # Where FastAPI is installed, it would import OpenTelemetry before the app is made.
    (tmp_path / "fastapi.py").write_text("raise ImportError")
    said = run(
        """
from modern_flask.errors import UnknownChoice
try:
    service()
except UnknownChoice as fault:
    print("FAULT", fault)
""",
        tmp_path,
        OTEL_PROPAGATORS="b4",
    )

    assert 'FAULT OTEL_PROPAGATORS = "b4" names no propagator.' in said


@pytest.mark.parametrize("variable", LIMITS)
@pytest.mark.parametrize("value", ["many", "-1", "1.5", "²"])
def test_bad_limit(variable: str, value: str) -> None:
    """A limit that is not a number is a fault."""
    with pytest.raises(BadLimit) as caught:
        check_limits({variable: value}, section(**{variable: value}))

    assert str(caught.value) == (
        f'{variable} = "{value}" is not a whole number of 0 or more.\n'
        "  set in   config.py, line 7\n"
        f"  fix      {FIX_LIMIT}"
    )


@pytest.mark.parametrize("variable", LIMITS)
@pytest.mark.parametrize("value", ["", " ", "0", "128", " 7 "])
def test_good_limit(variable: str, value: str) -> None:
    """A number and an empty value are valid limits."""
    check_limits({variable: value}, {})


def test_limit_is_checked_at_start(trace_requests: Callable[..., Result]) -> None:
    """A service with a bad limit does not start, and its last lines say why."""
    with pytest.raises(AssertionError, match=r'COUNT_LIMIT = "many" is not a whole'):
        trace_requests(OTEL_SPAN_EVENT_COUNT_LIMIT="many")


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "expected"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "7", "queue", 7),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9", "batch", 9),
        ("OTEL_BSP_SCHEDULE_DELAY", "1500", "delay", 1.5),
        ("OTEL_BSP_EXPORT_TIMEOUT", "2500", "budget", 2.5),
    ],
)
def test_batches(
    variable: str,
    value: str,
    attribute: str,
    expected: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The batch's variables are read in milliseconds; a bad one is reported."""
    assert getattr(Limits.read({variable: value}), attribute) == expected
    assert caplog.messages == []

    for bad in ("many", "-1", "0", "inf", "nan"):
        caplog.clear()
        assert getattr(Limits.read({variable: bad}), attribute) == getattr(
            Limits(), attribute
        )
        (line,) = caplog.messages
        assert line.startswith(f"{variable} is not a positive number; ")


ACME = """
from opentelemetry.sdk.trace.export import SpanExporter

class Exporter(SpanExporter):
    def export(self, spans):
        print("EXPORTED", [(span.name, dict(span.attributes)) for span in spans])

    def force_flush(self, timeout_millis=0):
        return True

class Broken:
    def __init__(self):
        raise ValueError("no account at http://ann:hunter2@host/")
"""


def test_exporters_of_other_packages(tmp_path: Path, zipkin: ZipkinCollector) -> None:
    """OTEL_TRACES_EXPORTER takes what a package registers; no failure stops a start."""
    (tmp_path / "acme.py").write_text(ACME)
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[opentelemetry_traces_exporter]\n"
        "acme = acme:Exporter\nbroken = acme:Broken\nlost = missing:Exporter\n"
    )

    said = run(
        """
app = service()

@app.get("/work")
def work():
    from opentelemetry import trace
    trace.get_current_span().set_attribute("link", "http://ann:hunter2@host/")
    return "x"

with app.running():
    assert app.test_client().get("/work", buffered=True).status_code == 200
""",
        tmp_path,
        OTEL_TRACES_EXPORTER="zipkin,acme,broken,lost,nobody",
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
    )

    assert [span["name"] for span in zipkin.spans] == ["GET /work"]
    assert said.count("EXPORTED [('GET /work', ") == 1
    assert "hunter2" not in said
    assert "No traces are sent to the exporter broken: ValueError: no account" in said
    assert "No traces are sent to the exporter lost: ModuleNotFoundError" in said
    assert "OTEL_TRACES_EXPORTER names nobody, but" in said
    assert f"sent to zipkin at {zipkin.url} and the exporter acme." in said


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, ["OTEL_METRICS_EXPORTER"]),
        ({"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": " "}, []),
        ({"OTEL_EXPORTER": "zipkin"}, []),
        (
            {"OTEL_EXPORTER": "zipkin", "OTEL_TRACES_EXPORTER": "otlp"},
            ["OTEL_TRACES_EXPORTER"],
        ),
        (
            {"OTEL_LOG_LEVEL": "debug", "OTEL_BLRP_SCHEDULE_DELAY": "5"},
            ["OTEL_BLRP_SCHEDULE_DELAY", "OTEL_LOG_LEVEL"],
        ),
        (
            {
                "OTEL_TRACES_SAMPLER": "always_on",
                "OTEL_PROPAGATORS": "b3",
                "OTEL_BSP_SCHEDULE_DELAY": "5",
                "OTEL_PYTHON_LOG_FORMAT": "x",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b",
                "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
                "OTEL_RESOURCE_ATTRIBUTES": "a=b",
                "OTEL_ACME": "x",
            },
            [],
        ),
    ],
)
def test_variables_without_effect(environ: dict[str, str], names: list[str]) -> None:
    """A standard variable is listed if it is set and nothing here reads it."""
    assert list_without_effect(environ) == names


def test_one_line_names_them(trace_requests: Callable[..., Result]) -> None:
    """The start logs the variables without effect, all of them in one line."""
    _, said = trace_requests(OTEL_METRICS_EXPORTER="otlp", OTEL_LOG_LEVEL="debug")

    assert said.count("have no effect here") == 1
    line = "These variables have no effect here: OTEL_LOG_LEVEL, OTEL_METRICS_EXPORTER."
    assert line in said.splitlines()
