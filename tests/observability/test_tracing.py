"""Tracing as a resource, in separate processes: a provider is set only once."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from modern_flask.observability.instrumentors import instrument
from modern_flask.observability.telemetry import Telemetry
from modern_flask.observability.tracing import open_tracing
from tests.observability.conftest import open_resource
from tests.servers.collectors import OtlpCollector, ZipkinCollector

SERVICE = """
import logging
from flask import Flask
logging.basicConfig(level="INFO", format="%(message)s")
from modern_flask import Container, create_app

def service(**config):
    app = create_app("orders", Container(), config=config)
    app.add_url_rule("/orders/<int:number>", "order", lambda number: "x")
    return app

def ask(app):
    with app.running():
        app.test_client().get("/orders/7", buffered=True)
"""


def run(program: str, folder: Path, **environ: str) -> str:
    """The output of a process, both streams."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "POD_", "SERVICE_"))
    }
    ran = subprocess.run(
        [sys.executable, "-c", SERVICE + program],
        cwd=folder,
        env={**clean, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def test_nothing_configured(tmp_path: Path) -> None:
    """With nothing configured nothing is sent, and one line says so."""
    said = run("ask(service())", tmp_path)

    assert said.splitlines() == [
        "Traces are not sent: set OTEL_EXPORTER to zipkin, jaeger or otlp, and the "
        "variable of its endpoint."
    ]


def test_zipkin(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """The predecessor's two variables are enough."""
    said = run(
        "ask(service())",
        tmp_path,
        OTEL_EXPORTER="zipkin",
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
        SERVICE_NAME="shop",
    )

    (span,) = zipkin.spans
    assert span["name"] == "GET /orders/<int:number>"
    assert span["localEndpoint"] == {"serviceName": "shop"}
    assert f"Traces are sent to zipkin at {zipkin.url}." in said


def test_jaeger(otlp: OtlpCollector, tmp_path: Path) -> None:
    """Jaeger without an endpoint of its own is reached by OTLP."""
    run(
        "ask(service())",
        tmp_path,
        OTEL_EXPORTER="jaeger",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=otlp.url,
    )

    (span,) = otlp.spans
    assert span["resource"]["service.name"] == "orders"


def test_keys_of_the_configuration(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """OTEL_ keys have their effect, also those that are read at an import."""
    run(
        f"""
app = service(
    OTEL_EXPORTER="zipkin", OTEL_EXPORTER_ZIPKIN_ENDPOINT={zipkin.url!r},
    OTEL_SERVICE_NAME="shop", OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=5,
    OTEL_PYTHON_FLASK_EXCLUDED_URLS=["hidden", "secret"],
)
app.add_url_rule("/hidden", "hidden", lambda: "x")
app.test_client().get("/hidden", buffered=True)
ask(app)
""",
        tmp_path,
    )

    (span,) = zipkin.spans
    assert span["localEndpoint"] == {"serviceName": "shop"}
    assert int(span["tags"]["otel.dropped_attributes_count"]) > 0


def test_script_without_a_request(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """A script that only uses a component of the container sends its spans."""
    run(
        """
from modern_flask import get_container
from sqlalchemy import text
app = service(DATABASE_ENGINE_URL="sqlite://")
with get_container(app).engine().connect() as connection:
    connection.execute(text("select 1"))
""",
        tmp_path,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
    )

    assert [span["name"] for span in zipkin.spans] == ["SELECT"]


def test_nobody_closes(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """Tracing that is left open does not keep its process from ending."""
    run(
        """
from modern_flask.observability.tracing import open_tracing
from opentelemetry import trace
opened = open_tracing({}, "orders")
next(opened)
trace.get_tracer("test").start_span("work").end()
""",
        tmp_path,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
    )


def test_imports_come_after_the_configuration(tmp_path: Path) -> None:
    """Neither the kit nor what views import from it imports OpenTelemetry early."""
    # Where FastAPI is installed, dependency-injector imports it, and FastAPI imports
    # OpenTelemetry.
    (tmp_path / "fastapi.py").write_text("raise ImportError")
    run(
        """
import sys
import modern_flask.app, modern_flask.container, modern_flask.server.settings
from modern_flask import halt, ignore_metrics, ignore_traces, problem
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
""",
        tmp_path,
    )


def test_sampler(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """OTEL_TRACES_SAMPLER and its argument are OpenTelemetry's own."""
    run(
        "ask(service())",
        tmp_path,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0",
    )

    assert zipkin.spans == []


def test_disabled_sdk(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """OTEL_SDK_DISABLED=true sends nothing."""
    said = run(
        "ask(service())",
        tmp_path,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
        OTEL_SDK_DISABLED="true",
    )

    assert zipkin.requests == []
    assert "Traces are not sent" in said


def test_two_apps_in_turn(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """Two apps, opened and closed in turn, both send; together they share."""
    run(
        """
one, two = service(), service()
ask(one); ask(two); ask(one)
with one.running():
    with two.running():
        two.test_client().get("/orders/7", buffered=True)
    one.test_client().get("/orders/7", buffered=True)
""",
        tmp_path,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
    )

    assert len(zipkin.spans) == 5


TWO = """
def named(name, **config):
    app = create_app(name, Container(), config=config)
    app.add_url_rule("/orders/<int:number>", "order", lambda number: "x")
    return app
"""


def test_untraced_app_stays_untraced(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """An app that started before any had a back end sends nothing; one line says so."""
    said = run(
        f"""{TWO}
quiet = named("quiet")
with quiet.running():
    quiet.test_client().get("/orders/7", buffered=True)
    loud = named("loud", OTEL_EXPORTER_ZIPKIN_ENDPOINT={zipkin.url!r})
    ask(loud)
    for headers in ({{}}, {{"traceparent": f"00-{{'ab' * 16}}-{{'cd' * 8}}-01"}}):
        quiet.test_client().get("/orders/7", headers=headers, buffered=True)
    ask(loud)
""",
        tmp_path,
    )

    assert [span["localEndpoint"] for span in zipkin.spans] == [
        {"serviceName": "loud"}
    ] * 2
    assert [line for line in said.splitlines() if "quiet" in line] == [
        "quiet started in this process before there was a back end: its requests stay "
        "untraced, but its calls by `requests` are traced with those of loud."
    ]


def test_tracing_is_the_process_own(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """A second app is traced as the first; where its keys differ, a line says so."""
    said = run(
        f"""{TWO}
first = named("first", OTEL_EXPORTER="zipkin",
    OTEL_EXPORTER_ZIPKIN_ENDPOINT={zipkin.url!r})
second = named("second", OTEL_EXPORTER="none")
ask(first); ask(second); ask(second)
""",
        tmp_path,
    )

    assert [span["localEndpoint"] for span in zipkin.spans] == [
        {"serviceName": "first"}
    ] * 3
    lines = said.splitlines()
    assert sum(
        "OTEL_EXPORTER differs from the value that another app" in each
        for each in lines
    )
    assert (
        lines.count(
            "Spans of second are sent as those of first: a process has one resource."
        )
        == 1
    )


def test_calls_continue_the_trace(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """Calls by requests, statements and files are children of the request."""
    from tests.servers.collectors import ZipkinCollector as Other

    with Other() as other:
        run(
            f"""
import requests
from modern_flask import EngineDep, StorageDep, inject
from sqlalchemy import text

app = service(
    DATABASE_ENGINE_URL="sqlite://", STORAGE_VENDOR="memory",
)

@app.get("/all")
@inject
def everything(engine: EngineDep, storage: StorageDep):
    with engine.connect() as connection:
        connection.execute(text("select 'secret'"))
    storage.put("a.txt", b"x")
    requests.post({other.url!r}, json=[], timeout=5)
    return "x"

with app.running():
    assert app.test_client().get("/all", buffered=True).status_code == 200
""",
            tmp_path,
            OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
        )
        headers = other.requests[0].headers

    by_name = {span["name"]: span for span in zipkin.spans}
    root = by_name["GET /all"]
    children = {name for name in by_name if name != "GET /all"}
    assert children == {"SELECT", "storage put", "POST"}
    assert all(by_name[name]["parentId"] == root["id"] for name in children)
    call = by_name["POST"]["id"]
    assert headers["traceparent"].startswith(f"00-{root['traceId']}-{call}-")
    assert headers["x-b3-traceid"] == root["traceId"]
    assert "secret" not in json.dumps(zipkin.spans)


def test_error_is_logged_once(zipkin: ZipkinCollector, tmp_path: Path) -> None:
    """An uncaught error is one record, with the trace that the response names."""
    said = run(
        """
app = service(LOGGING_FORMAT="json")
app.logger.info("the logger is in use before the start")
app.add_url_rule("/broken", "broken", lambda: 1 / 0)
root = logging.getLogger()
root.handlers.clear()
with app.running():
    response = app.test_client().get("/broken", buffered=True)
    print("response", response.json["trace_id"])
""",
        tmp_path,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
    )

    (span,) = zipkin.spans
    lines = [json.loads(line) for line in said.splitlines() if line[0] == "{"]
    (record,) = [line for line in lines if "exception" in line]
    assert record["exception"].endswith("ZeroDivisionError: division by zero")
    assert record["trace_id"] == span["traceId"]
    assert f"response {span['traceId']}" in said
    assert said.count("ZeroDivisionError: division by zero") == 1


def test_console(tmp_path: Path) -> None:
    """The console exporter prints spans."""
    said = run("ask(service())", tmp_path, OTEL_EXPORTER="console")

    assert '"name": "GET /orders/<int:number>"' in said


FAILING = """
import requests
from sqlalchemy import text
from modern_flask.wiring import get_bound
logging.disable()
app = service(DATABASE_ENGINE_URL="sqlite://")
# From Python 3.13 on a traceback shows the lines of this program that it went through.
url, word = "http://ann:hunter1@127.0.0.1:9/x?token=hunter2", "hunter3"

def query():
    with get_bound(app).container.engine().connect() as connection:
        connection.execute(text("select :p from nowhere"), {"p": word})

app.add_url_rule("/asks", "asks", lambda: requests.get(url))
app.add_url_rule("/queries", "queries", query)
with app.running():
    for path in ("/asks", "/queries"):
        assert app.test_client().get(path, buffered=True).status_code == 500
"""


@pytest.mark.parametrize("kind", ["zipkin", "otlp", "jaeger", "console"])
def test_failures_hold_no_secret(
    kind: str, zipkin: ZipkinCollector, otlp: OtlpCollector, tmp_path: Path
) -> None:
    """No exporter sends a URL's token or a statement's parameter."""
    said = run(
        FAILING,
        tmp_path,
        OTEL_EXPORTER=kind,
        OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=otlp.url,
    )

    sent = said + repr(zipkin.spans) + repr(otlp.spans)
    for part in (
        "exception.message",
        "/x?token=******",
        "url: /x?",
        "OperationalError",
    ):
        assert part in sent
    assert "hunter" not in sent


def test_bad_exporter_is_reported_at_start(tmp_path: Path) -> None:
    """A wrong exporter is one of the faults that the check reports."""
    said = run(
        """
from modern_flask.app import faults
print(*faults(service()), sep="\\n")
""",
        tmp_path,
        OTEL_EXPORTER="jager",
    )

    assert 'OTEL_EXPORTER = "jager" names no exporter.' in said


def test_instrumentor_that_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An instrumentor that does not start is reported, never silent."""
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    monkeypatch.setattr(RequestsInstrumentor, "instrument", lambda self: None)
    # The class has one instance, which another test may have started.
    monkeypatch.setattr(
        RequestsInstrumentor(), "_is_instrumented_by_opentelemetry", False
    )

    instrument("requests")

    assert caplog.messages == [
        "requests is not traced: its instrumentor refused to start."
    ]


def test_instrumentor_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An instrumentor that is not installed is reported, never silent."""
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.requests", None)

    instrument("requests")

    assert caplog.messages[0].startswith("requests is not traced: ")


def test_disabled_instrumentor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS leaves one out, without a warning."""
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "flask, requests")
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.requests", None)

    instrument("requests")

    assert caplog.messages == []


def test_off_costs_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a back end no hook is set on anything."""
    # As in a fresh process; the kit's own provider is idle.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    caplog.set_level(logging.INFO)

    class Untouchable:
        def __setattr__(self, name: str, value: Any) -> None:
            raise AssertionError(name)

    with open_resource(open_tracing({}, "orders")) as tracing:
        none = Telemetry(tracing, None)
        for observe in (none.engine, none.redis, none.storage, none.celery):
            observe(Untouchable())

    assert not tracing.on
