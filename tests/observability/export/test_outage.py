"""A broken back end costs spans, which are counted, and nothing else."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modern_flask.observability.export.uploader import QUIET
from tests.observability.shop import ask, fetch, write_shop
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.together import run_together
from tests.servers.tree import descendants

pytestmark = pytest.mark.proof

SMALL = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "100",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BSP_EXPORT_TIMEOUT": "1000",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "0.5",
}
PORTION = 100  # requests between two looks at the clock


def counted(port: int) -> dict[str, float]:
    """The numbers of spans by their outcome."""
    return {
        sample.labels["outcome"]: sample.value
        for family in text_string_to_metric_families(fetch(port, "/metrics"))
        for sample in family.samples
        if sample.name == "telemetry_spans_total"
    }


def memory(process: Process) -> int:
    """Resident bytes of the worker (proc(5), statm)."""
    worker = descendants(process.pid)[0].pid
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096


PATIENT = {"OTEL_BSP_EXPORT_TIMEOUT": "60000", "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "60"}
"""A batch that is given up while the backend takes it would be counted, and be there:
where answers are late, all of them are waited for."""


FAULTS: dict[str, Callable[[ZipkinCollector], None]] = {
    "refused": ZipkinCollector.refuse,
    "silent": ZipkinCollector.fall_silent,
    # 25 spans a second: fewer than requests, also on a busy machine.
    "slow": lambda zipkin: zipkin.slow_down(2),
    "500": lambda zipkin: zipkin.fail(500),
}


@pytest.fixture(scope="module")
def outages(
    tmp_path_factory: pytest.TempPathFactory, proof_size: Callable[[int], int]
) -> dict[str, Future[None]]:
    """An outage of each kind, all at the same time."""

    def run(fault: str) -> None:
        with ZipkinCollector() as zipkin:
            survive(tmp_path_factory.mktemp("outage"), zipkin, fault, proof_size(60))

    return run_together(run, FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_outage(outages: dict[str, Future[None]], fault: str) -> None:
    """60 s of it: requests are answered, memory stays, missing spans are counted.

    The process ends in its time in another outage. What it costs in throughput is
    printed by ``tests/benchmarks/outage.py``.
    """
    outages[fault].result()


def survive(folder: Path, zipkin: ZipkinCollector, fault: str, seconds: float) -> None:
    """Assert what :func:`test_outage` says."""
    write_shop(folder)
    port = free_port()
    command = python(
        *("-m", "gunicorn", "-c", "python:modern_flask.server.settings"),
        *("--bind", f"127.0.0.1:{port}", "shop:app"),
    )
    environ = {**SMALL, "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url}
    if fault == "slow":
        environ |= PATIENT
    with Process(*command, log=folder / "log", env=environ, cwd=folder) as process:
        eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
        warm = 300
        assert ask(port, warm) == {200: warm}
        eventually(lambda: sum(counted(port).values()) == warm)
        before = memory(process)
        begun = time.monotonic()
        FAULTS[fault](zipkin)

        number = ask_for(seconds, port)

        assert memory(process) - before < 10 * 1024 * 1024
        zipkin.heal()
        total = warm + number
        eventually(lambda: sum(counted(port).values()) == total, timeout=60)
        found = counted(port)
        assert found["dropped"] + found["failed"] == total - len(zipkin.spans)
        assert found["dropped"] + found["failed"] > 0
        lines = process.output.count("Spans are lost")
        assert 1 <= lines <= 1 + (time.monotonic() - begun) / QUIET
        check_end(process, port, lambda: FAULTS[fault](zipkin))


def ask_for(seconds: float, port: int) -> int:
    """Send requests for some seconds, each of which is answered; their number."""
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        assert ask(port, PORTION) == {200: PORTION}
        number += PORTION
    return number


def check_end(process: Process, port: int, break_it: Callable[[], None]) -> None:
    """The process ends in time while the back end is broken."""
    break_it()
    assert ask(port, 20) == {200: 20}

    begun = time.monotonic()
    code = process.stop()

    assert code == 0
    # The deadline is 3 s, and a busy machine adds to it; gunicorn kills after 20 s.
    assert time.monotonic() - begun < 20
