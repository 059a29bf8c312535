"""The tracer provider of the process: idle, then with processors, then closed."""

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.span import NonRecordingSpan

from modern_flask.observability.provider import KitProvider
from tests.observability.conftest import Kept
from tests.observability.shop import ask, write_shop
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

CALLER = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))


@pytest.fixture
def provider() -> KitProvider:
    return KitProvider(Resource({"service.name": "shop"}))


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """What a hanging processor waits for; the test's end."""
    event = threading.Event()
    yield event
    event.set()


class Hanging(SpanProcessor):
    """A processor that answers neither a flush nor a shutdown."""

    def __init__(self, event: threading.Event) -> None:
        self.event, self.calls = event, 0

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.calls += 1
        return self.event.wait(60)

    def shutdown(self) -> None:
        self.calls += 1
        self.event.wait(60)


class Failing(SpanProcessor):
    """A processor whose back end is gone."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        raise ConnectionRefusedError("http://ann:hunter2@collector/")

    def shutdown(self) -> None:
        raise ConnectionRefusedError("http://ann:hunter2@collector/")


class Counting(Kept):
    """A processor that counts how often it is flushed and shut down."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = self.closed = 0

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.flushed += 1
        return True

    def shutdown(self) -> None:
        self.closed += 1


def test_idle_provider_makes_no_span(provider: KitProvider) -> None:
    """An idle provider's tracer makes no span, and keeps the caller's as the parent."""
    tracer = provider.get_tracer("shop")
    parent = set_span_in_context(NonRecordingSpan(CALLER), Context())

    alone, continued = tracer.start_span("a", Context()), tracer.start_span("b", parent)

    assert not alone.get_span_context().is_valid
    assert continued.get_span_context() == CALLER
    assert not continued.is_recording()


def test_processor_wakes_the_provider(provider: KitProvider) -> None:
    """The first processor enables the tracers that exist already."""
    tracer, kept = provider.get_tracer("shop"), Kept()
    provider.add_span_processor(kept)

    tracer.start_span("work").end()

    (span,) = kept.spans
    assert isinstance(span, ReadableSpan)
    assert span.resource.attributes["service.name"] == "shop"


def test_back_end_reads_the_environment_again(
    provider: KitProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sampler, the limits and the resource are those of the first back end."""
    tracer, kept = provider.get_tracer("shop"), Kept()
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    provider.add_back_ends(kept, Resource({"service.name": "till"}))

    span = tracer.start_span("work")
    span.add_event("one")
    span.add_event("two")
    span.end()

    (found,) = kept.spans
    assert [event.name for event in found.events] == ["two"]
    assert found.resource.attributes["service.name"] == "till"
    assert provider.sampler.get_description() == "AlwaysOnSampler"


def test_processors_share_one_deadline(
    provider: KitProvider, hang: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Hanging and failing processors keep no other one from its flush and shutdown."""
    slow, counting = [Hanging(hang) for _ in range(3)], Counting()
    for processor in (*slow, Failing(), counting):
        provider.add_span_processor(processor)

    begun = time.monotonic()
    provider.flush_added(0.2)
    provider.shut_down_added(0.2)

    assert time.monotonic() - begun < 10
    assert (counting.flushed, counting.closed) == (1, 1)
    # They did not answer the flush, so nobody waits for their shutdown.
    assert [each.calls for each in slow] == [1, 1, 1]
    assert caplog.messages[0] == (
        "force_flush of Hanging took longer than 0.2 s and was abandoned: spans may be "
        "lost."
    )
    assert "force_flush of Failing failed: ConnectionRefusedError" in caplog.text
    assert "shutdown of Failing failed: ConnectionRefusedError" in caplog.text


def test_shutdown_comes_once(provider: KitProvider) -> None:
    """A child of Celery's pool and the interpreter's exit both end the processors."""
    counting = Counting()
    provider.add_span_processor(counting)

    provider.shut_down_added()
    provider.shut_down_added()

    assert counting.closed == 1


PROCESSOR = """
from opentelemetry import trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
import time

class Written(SpanExporter):
    def export(self, spans):
        with open("sent", "a") as file:
            file.writelines(span.name + "\\n" for span in spans)

    def shutdown(self):
        with open("sent", "a") as file:
            file.write("SHUTDOWN\\n")

class Hung(SpanExporter):
    def export(self, spans):
        time.sleep(600)

    def shutdown(self):
        time.sleep(600)

for exporter in (Hung(), Written()):
    batch = BatchSpanProcessor(exporter, schedule_delay_millis=60000)
    trace.get_tracer_provider().add_span_processor(batch)
"""


@pytest.mark.parametrize(
    "options", [(), ("-c", "python:modern_flask.server.settings", "--preload")]
)
def test_processors_end_with_the_process(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    """At SIGTERM a service's processors are flushed and shut down; one may hang."""
    write_shop(tmp_path)
    with (tmp_path / "shop.py").open("a") as file:
        file.write(PROCESSOR)
    port, begun = free_port(), 0.0
    command = python("-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}")

    with Process(
        *command,
        "shop:app",
        log=tmp_path / "log",
        env={"GUNICORN_BIND": None, "OTEL_EXPORTER": "none"},
        cwd=tmp_path,
    ) as process:
        eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
        assert ask(port, 5, 1) == {200: 5}
        begun = time.monotonic()
        code = process.stop(timeout=60)

    assert code == 0
    assert time.monotonic() - begun < 25
    sent: Any = (tmp_path / "sent").read_text().splitlines()
    assert sent.count("GET /orders/<int:number>") == 5
    assert "SHUTDOWN" in sent
    assert "force_flush of BatchSpanProcessor took longer than 3 s" in process.output


def test_messages_name_no_secret(
    provider: KitProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of a processor's error is masked: it may hold a URL."""
    caplog.set_level(logging.DEBUG)
    provider.add_span_processor(Failing())

    provider.flush_added()

    assert "hunter2" not in caplog.text
