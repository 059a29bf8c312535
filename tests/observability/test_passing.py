"""A service without a back end passes its caller's trace on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.observability.test_tracing import run
from tests.servers.collectors import ZipkinCollector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
W3C = {
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "tracestate": "vendor=a:b,other=1",
    "baggage": "user=ann,plan=a%20b",
}
SINGLE = {"b3": f"a3ce929d0e0e4736-{SPAN}"}
MULTIPLE = {
    "x-b3-traceid": TRACE,
    "x-b3-spanid": SPAN,
    "x-b3-parentspanid": "05e3ac9a4f6e3b90",
    "x-b3-sampled": "0",
}
DENIAL = {"b3": "0"}
CALLERS = {"w3c": W3C, "single": SINGLE, "multiple": MULTIPLE, "denial": DENIAL}
NAMES = {*W3C, *SINGLE, *MULTIPLE, "x-b3-flags"}

# A view calls the echo, or sends a task that sends a task that calls it.
PROGRAM = """
import json, os, threading
import requests
from celery import shared_task, signals
from celery.contrib.testing.worker import start_worker
from opentelemetry import baggage, context, trace

def call(case, **headers):
    headers["case"] = case
    requests.post(os.environ["ECHO"], json=[], headers=headers, timeout=5)

@shared_task(name="first")
def first(case):
    last.delay(case)

@shared_task(name="last")
def last(case):
    call(f"task {case}")

app = service(CELERY_BROKER_URL="memory://")

@app.get("/call/<case>")
def view(case):
    call(f"call {case}")
    first.delay(case)
    return "x"

@app.get("/own")
def own():
    call("own", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-00")
    return "x"

@app.get("/changed")
def changed():
    token = context.attach(baggage.set_baggage("user", "bob"))
    call("changed")
    context.detach(token)
    return "x"

@app.get("/span")
def span():
    with trace.get_tracer("shop").start_as_current_span("work"):
        call("span")
    return "x"

def ask(client, path, headers):
    response = client.get(path, headers=headers, buffered=True)
    assert response.status_code == 200
    print("RESPONSE", response.headers.get("traceresponse"))

callers = json.loads(os.environ["CALLERS"])
client = app.test_client()
with app.running():
    for case, headers in callers.items():
        ask(client, f"/call/{case}", headers)
    for path in os.environ.get("PATHS", "").split():
        ask(client, path, callers["w3c"])
    ended = threading.Semaphore(0)
    signals.task_postrun.connect(lambda **_: ended.release(), weak=False)
    celery = app.container.celery()
    with start_worker(celery, perform_ping_check=False, shutdown_timeout=20):
        for _ in range(2 * len(callers)):
            assert ended.acquire(timeout=20)
"""


@pytest.fixture
def echo() -> Iterator[ZipkinCollector]:
    """A server that keeps the requests that it gets."""
    with ZipkinCollector() as server:
        yield server


def sent(echo: ZipkinCollector, case: str) -> dict[str, Any]:
    (found,) = [each for each in echo.requests if each.headers["case"] == case]
    return {name: text for name, text in found.headers.items() if name in NAMES}


def test_headers_go_out_unchanged(echo: ZipkinCollector, tmp_path: Path) -> None:
    """A caller's headers go out as they came: by requests, and through two tasks."""
    callers = {**CALLERS, "none": {}}

    run(PROGRAM, tmp_path, ECHO=echo.url, CALLERS=json.dumps(callers))

    for case, headers in callers.items():
        assert sent(echo, f"call {case}") == headers
        assert sent(echo, f"task {case}") == headers


def test_what_the_service_changes(echo: ZipkinCollector, tmp_path: Path) -> None:
    """Headers that a call sets itself win, and changed baggage is sent as changed."""
    said = run(
        PROGRAM,
        tmp_path,
        ECHO=echo.url,
        CALLERS=json.dumps({"w3c": W3C}),
        PATHS="/own /changed /span",
        OTEL_EXPORTER="none",
    )

    assert sent(echo, "own") == {"traceparent": f"00-{'1' * 32}-{'2' * 16}-00"}
    changed = sent(echo, "changed")
    assert changed["baggage"].split(",") == ["user=bob", "plan=a+b"]
    assert changed["traceparent"] == W3C["traceparent"]
    # A tracer without a back end makes no span: the caller's stays the current one.
    assert sent(echo, "span") == W3C
    assert f"RESPONSE 00-{TRACE}-{SPAN}-01" in said


def test_no_propagators(echo: ZipkinCollector, tmp_path: Path) -> None:
    """OTEL_PROPAGATORS=none passes nothing on."""
    callers = json.dumps({"both": {**W3C, **SINGLE}})

    run(PROGRAM, tmp_path, ECHO=echo.url, CALLERS=callers, OTEL_PROPAGATORS="none")

    assert sent(echo, "call both") == {}
    assert sent(echo, "task both") == {}


def test_no_caller_costs_nothing(tmp_path: Path) -> None:
    """Before the first caller with headers, `requests` is as it was."""
    run(
        """
from requests import Session
send = Session.send
app = service()
with app.running():
    client = app.test_client()
    client.get("/orders/7", buffered=True)
    assert Session.send is send
    client.get("/orders/7", headers={"b3": "0"}, buffered=True)
    assert Session.send is not send
""",
        tmp_path,
    )
