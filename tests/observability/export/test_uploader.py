"""The uploader is bounded, retries within a budget, and logs no secret."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from prometheus_client import REGISTRY

from modern_flask.observability.export.destination import Destination
from modern_flask.observability.export.post import Poster
from modern_flask.observability.export.uploader import Limits, Uploader
from tests.servers.collectors import Collector, ZipkinCollector
from tests.servers.eventually import eventually

AT_ONCE = Limits(delay=0.01)


class Service:
    """A provider whose spans go to one collector."""

    def __init__(self, collector: Collector | str, **limits: Any) -> None:
        url = collector if isinstance(collector, str) else collector.url
        destination = Destination("zipkin", url, "application/json", "zipkin")
        self.uploader = Uploader(destination, Limits(**limits))
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.uploader)
        self.tracer = self.provider.get_tracer("test")

    def work(self, number: int = 1, **attributes: Any) -> None:
        for each in range(number):
            self.tracer.start_span(f"work {each}", attributes=attributes).end()

    @property
    def counted(self) -> tuple[int, int, int]:
        return self.uploader.sent, self.uploader.dropped, self.uploader.failed


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """``serve(collector, queue=...)``: a service; its uploader is closed later."""
    with ExitStack() as stack:

        def make(collector: Collector | str, **limits: Any) -> Service:
            service = Service(collector, **limits)
            stack.callback(service.uploader.close, 0.1)
            return service

        yield make


Serve = Callable[..., Service]


def in_metrics(outcome: str) -> float:
    return REGISTRY.get_sample_value("telemetry_spans_total", {"outcome": outcome}) or 0


def test_spans_arrive(zipkin: ZipkinCollector, serve: Serve) -> None:
    """Ended spans arrive after the delay, in the order in which they ended."""
    service = serve(zipkin, delay=0.01)

    service.work(3)

    names = [span["name"] for span in zipkin.wait_for(3)]
    assert names == ["work 0", "work 1", "work 2"]
    eventually(lambda: service.counted == (3, 0, 0))


def test_batches(zipkin: ZipkinCollector, serve: Serve) -> None:
    """No request holds more than a batch, and a full batch does not wait."""
    service = serve(zipkin, batch=10, delay=60)

    service.work(25)

    zipkin.wait_for(20)
    assert service.uploader.force_flush(30_000)
    assert [len(request.body) > 0 for request in zipkin.requests] == [True] * 3
    assert len(zipkin.spans) == 25


def test_compression(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A large body is compressed; a small one is sent as it is."""
    service = serve(zipkin, delay=60)

    service.work(200)
    assert service.uploader.force_flush(30_000)
    service.work(1)
    assert service.uploader.force_flush(30_000)

    large, small = zipkin.requests
    assert large.headers["content-encoding"] == "gzip"
    assert large.size * 5 < len(large.body)
    assert "content-encoding" not in small.headers


def test_one_connection(zipkin: ZipkinCollector, serve: Serve) -> None:
    """Batches share one connection."""
    service = serve(zipkin, delay=60)

    for _ in range(3):
        service.work()
        assert service.uploader.force_flush(30_000)

    assert zipkin._server is not None
    assert len(zipkin._server.connections) == 1


def test_unsampled_spans_stay(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A span that is recorded but not sampled is not sent."""
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    class RecordOnly(Sampler):
        def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
            return SamplingResult(Decision.RECORD_ONLY)

        def get_description(self) -> str:
            return "record only"

    service = serve(zipkin)
    provider = TracerProvider(sampler=RecordOnly(), shutdown_on_exit=False)
    provider.add_span_processor(service.uploader)

    provider.get_tracer("test").start_span("seen").end()

    assert service.uploader.force_flush(30_000)
    assert service.counted == (0, 0, 0)


def test_full_queue_drops(
    zipkin: ZipkinCollector, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A full queue drops new spans, counts them, and logs it once."""
    zipkin.fall_silent()
    before = in_metrics("dropped")
    # With a short delay the first batch might leave before it is full.
    service = serve(zipkin, queue=10, batch=5, delay=60)
    service.work(5)
    eventually(lambda: len(zipkin.requests) == 1)

    service.work(30)

    assert service.uploader.dropped == 20
    assert in_metrics("dropped") - before == 20
    assert caplog.messages == [
        f"Spans are lost: zipkin at {zipkin.url}, the queue of spans is full, spans "
        "are dropped."
    ]


def test_threads_never_overfill(zipkin: ZipkinCollector, serve: Serve) -> None:
    """Many threads together don't exceed the bound, and every span is counted."""
    zipkin.fall_silent()
    service = serve(zipkin, queue=50, batch=50, delay=60)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        service.work(100)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # From here on a batch waits for its answer, and nothing moves any more.
    eventually(lambda: zipkin.requests)
    uploader = service.uploader
    assert len(uploader._queue) <= 50
    held = len(uploader._queue) + uploader._in_flight
    assert held + uploader.dropped == 800


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_fault_loses_nothing(
    zipkin: ZipkinCollector, serve: Serve, status: int
) -> None:
    """An answer that may be temporary is repeated, and loses no span."""
    zipkin.fail(status)
    service = serve(zipkin, delay=0.01)
    service.work(3)
    eventually(lambda: zipkin.requests)

    zipkin.fail(zipkin.status)

    zipkin.wait_for(3)
    eventually(lambda: service.counted == (3, 0, 0))


@pytest.mark.parametrize("status", [301, 400, 401, 413])
def test_a_final_answer_is_not_repeated(
    zipkin: ZipkinCollector,
    serve: Serve,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A final answer is not repeated: the batch is lost, counted and logged."""
    zipkin.fail(status)
    before = in_metrics("failed")
    service = serve(zipkin, delay=60)

    service.work(3)

    assert service.uploader.force_flush(30_000)
    assert service.counted == (0, 0, 3)
    assert len(zipkin.requests) == 1
    assert in_metrics("failed") - before == 3
    assert caplog.messages == [
        f"Spans are lost: zipkin at {zipkin.url}, it answered {status}."
    ]


def test_restart_of_the_backend(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A back end that restarts breaks the connection, and loses no span."""
    service = serve(zipkin, delay=60)
    service.work()
    assert service.uploader.force_flush(30_000)
    zipkin.heal()

    service.work(2)

    assert service.uploader.force_flush(30_000)
    assert len(zipkin.spans) == 3


def test_budget_ends_the_retries(
    zipkin: ZipkinCollector, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch whose budget is used up is given up, and the next one is sent."""
    monkeypatch.setattr("modern_flask.observability.export.post.PAUSE", 0.01)
    zipkin.fail(503)
    service = serve(zipkin, delay=0.01, budget=1.5)

    service.work()

    eventually(lambda: service.counted == (0, 0, 1))
    assert len(zipkin.requests) >= 2


def test_one_line_for_many_losses(
    zipkin: ZipkinCollector, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A back end that is down causes one line a minute, not one a batch."""
    zipkin.fail(400)
    service = serve(zipkin, batch=1, delay=0.01)

    service.work(20)

    eventually(lambda: service.uploader.failed == 20)
    assert len(caplog.records) == 1


def test_retry_after_is_heeded(zipkin: ZipkinCollector) -> None:
    """A Retry-After beyond the budget ends the attempts at once."""
    asked: list[float] = []

    class Answering(Poster):
        def _try(self, *args: Any) -> tuple[str | None, float | None]:
            asked.append(time.monotonic())
            return "it answered 429", 60.0

    destination = Destination("zipkin", zipkin.url, "application/json", "zipkin")

    assert Answering(destination, 1.0).post(b"[]") == "it answered 429"
    assert len(asked) == 1


@pytest.mark.parametrize("fault", ["refused", "silent", "slow", "500"])
def test_close_keeps_its_deadline(
    zipkin: ZipkinCollector,
    serve: Serve,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Closing keeps its deadline whatever the back end does; losses are logged."""
    {
        "refused": zipkin.refuse,
        "silent": zipkin.fall_silent,
        "slow": lambda: zipkin.slow_down(60),
        "500": lambda: zipkin.fail(500),
    }[fault]()
    before = in_metrics("failed")
    service = serve(zipkin, delay=60, batch=5)
    service.work(12)
    begun = time.monotonic()

    assert not service.uploader.close(0.4)

    # Far from the 30 s of a batch, and of the deadline that a busy machine adds to.
    assert time.monotonic() - begun < 10
    assert service.counted == (0, 0, 12)
    assert in_metrics("failed") - before == 12
    assert caplog.messages[-1].endswith(
        f"spans are lost: zipkin at {zipkin.url} did not accept them within 0.4 s."
    ) or caplog.messages[-1].startswith("Spans are lost: ")


def test_close_delivers(zipkin: ZipkinCollector, serve: Serve) -> None:
    """Closing sends the queued spans in batches, without waiting for the delay."""
    service = serve(zipkin, delay=60, batch=100)
    service.work(95)

    assert service.uploader.close(30)

    assert len(zipkin.spans) == 95
    assert service.counted == (95, 0, 0)


def test_after_close(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A span that ends after closing is dropped; closing twice is harmless."""
    service = serve(zipkin)
    assert service.uploader.close(1)

    service.work(2)

    assert service.counted == (0, 2, 0)
    assert service.uploader.close(1)


def test_shutdown_of_the_provider(zipkin: ZipkinCollector, serve: Serve) -> None:
    """OpenTelemetry's own shutdown sends the queued spans, too."""
    service = serve(zipkin, delay=60)
    service.work(2)

    service.provider.shutdown()

    assert len(zipkin.spans) == 2


def test_credentials_are_sent_and_not_logged(
    zipkin: ZipkinCollector, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The credentials of a URL are sent, and appear in no line."""
    zipkin.fail(401)
    service = serve(zipkin.url.replace("//", "//ann:pa55word@"), delay=0.01)

    service.work()

    eventually(lambda: service.uploader.failed == 1)
    assert zipkin.requests[0].headers["authorization"].startswith("Basic ")
    assert "Spans are lost: zipkin at http://******@" in caplog.text
    assert "pa55word" not in caplog.text


def test_one_bad_span_spares_the_others(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A span that can't be encoded does not lose the others."""
    service = serve(zipkin, delay=60)
    encode = service.uploader._encode

    def picky(spans: Any) -> bytes:
        if any(span.name == "work 1" for span in spans):
            raise ValueError("unencodable")
        return encode(spans)

    service.uploader._encode = picky
    service.work(3)

    assert service.uploader.force_flush(30_000)
    assert [span["name"] for span in zipkin.spans] == ["work 0", "work 2"]
    assert service.counted == (2, 0, 1)


def test_forked_child_sends_its_own(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A forked child sends its own spans, and not its parent's."""
    service = serve(zipkin, delay=60)
    service.work(4)

    pid = os.fork()
    if pid == 0:
        service.tracer.start_span("child's").end()
        good = service.uploader.close(30) and service.uploader.sent == 1
        os._exit(0 if good else 1)
    _, status = os.waitpid(pid, 0)

    assert status == 0
    assert [span["name"] for span in zipkin.spans] == ["child's"]
    assert service.uploader.close(30)
    assert len(zipkin.spans) == 5


def test_sending_is_not_traced(zipkin: ZipkinCollector, serve: Serve) -> None:
    """The uploader's own requests make no spans."""
    from opentelemetry.instrumentation.requests import RequestsInstrumentor

    service = serve(zipkin, delay=60)
    instrumentor = RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=service.provider)
    try:
        service.work()
        assert service.uploader.force_flush(30_000)
        assert service.uploader.force_flush(30_000)
    finally:
        instrumentor.uninstrument()

    assert [span["name"] for span in zipkin.spans] == ["work 0"]


def test_no_thread_can_be_started(
    zipkin: ZipkinCollector, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread can start any more, closing sends the spans itself."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    service = serve(zipkin)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        service.work(2)

    assert service.uploader.close(30)
    assert len(zipkin.spans) == 2


def test_trickling_answer(serve: Serve) -> None:
    """An answer that never ends does not delay closing beyond its deadline."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        service = serve(f"http://127.0.0.1:{server.getsockname()[1]}/", delay=0.01)
        service.work()
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\n\r\nx")
            begun = time.monotonic()

            service.uploader.close(0.3)

            # An answer is waited for 10 s otherwise.
            assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    ("environ", "limits"),
    [
        ({}, Limits(2048, 512, 5.0, 30.0)),
        (
            {
                "OTEL_BSP_MAX_QUEUE_SIZE": "100",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
                "OTEL_BSP_SCHEDULE_DELAY": "250",
                "OTEL_BSP_EXPORT_TIMEOUT": "4000",
            },
            Limits(100, 10, 0.25, 4.0),
        ),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "100"}, Limits(100, 100, 5.0, 30.0)),
    ],
)
def test_limits(environ: dict[str, str], limits: Limits) -> None:
    """The OTEL_BSP_ variables, in milliseconds; a batch is never above the queue."""
    assert Limits.read(environ) == limits


@pytest.mark.parametrize("value", ["many", "0", "-5", "nan", "inf"])
def test_bad_limit(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """A limit that is not a positive number is reported; the default holds."""
    assert Limits.read({"OTEL_BSP_SCHEDULE_DELAY": value}) == Limits()
    assert caplog.messages == [
        "OTEL_BSP_SCHEDULE_DELAY is not a positive number; 5000 is used."
    ]


def test_span_without_context_is_ignored(zipkin: ZipkinCollector, serve: Serve) -> None:
    """A readable span without a context is ignored."""
    service = serve(zipkin)

    service.uploader.on_end(ReadableSpan("bare"))

    assert service.counted == (0, 0, 0)
