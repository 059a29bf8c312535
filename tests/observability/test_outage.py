"""A backend that is out of order costs spans, which are counted, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.observability.shop import ask, fetch, write_shop
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.tree import descendants

pytestmark = pytest.mark.proof

SMALL = {
    "OTEL_BSP_MAX_QUEUE_SIZE": "100",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "OTEL_BSP_EXPORT_TIMEOUT": "1000",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "0.5",
}


def counted(port: int) -> dict[str, float]:
    """Spans by what became of them."""
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


@pytest.mark.parametrize("fault", ["refused", "silent", "slow", "500"])
def test_outage(
    tmp_path: Path,
    zipkin: ZipkinCollector,
    fault: str,
    proof_size: Callable[[int], int],
) -> None:
    """Every request is answered, memory stays, and each missing span is counted."""
    write_shop(tmp_path)
    port = free_port()
    command = python(
        *("-m", "gunicorn", "-c", "python:modern_flask.server.settings"),
        *("--bind", f"127.0.0.1:{port}", "shop:app"),
    )
    environ = {**SMALL, "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url}
    break_it: dict[str, Any] = {
        "refused": zipkin.refuse,
        "silent": zipkin.fall_silent,
        "slow": lambda: zipkin.slow_down(0.4),
        "500": lambda: zipkin.fail(500),
    }
    with Process(*command, log=tmp_path / "log", env=environ, cwd=tmp_path) as process:
        eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=20)
        warm, number = 300, proof_size(20_000)
        assert ask(port, warm) == {200: warm}
        eventually(lambda: sum(counted(port).values()) == warm)
        before = memory(process)
        break_it[fault]()

        answers = ask(port, number)

        assert answers == {200: number}
        assert memory(process) - before < 10 * 1024 * 1024
        zipkin.heal()
        total = warm + number
        eventually(lambda: sum(counted(port).values()) == total, timeout=20)
        found = counted(port)
        assert found["dropped"] + found["failed"] == total - len(zipkin.spans)
        assert found["dropped"] + found["failed"] > 0
        assert process.output.count("Spans are lost") == 1
        assert process.stop() == 0
