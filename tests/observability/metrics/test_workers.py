"""What several workers expose together, and when they can't."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modern_flask.observability.metrics import multiprocess
from tests.observability.shop import ask, fetch, write_shop
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.tree import descendants

SERVICE = '''
"""A service that imports prometheus_client, and uses names of the kit."""
import logging, os, time
import prometheus_client
print("folder", os.environ.get("PROMETHEUS_MULTIPROC_DIR"), flush=True)
from modern_flask import Container, create_app

MINE = prometheus_client.Counter("http_request_exceptions", "The service's own.")
app = create_app("busy", Container())
logger = logging.getLogger("busy")

@app.get("/log")
def log():
    logger.critical("once")
    return "x"

@app.get("/sell")
def sell():
    MINE.inc()
    return "x"

@app.get("/late")
def late():
    own = prometheus_client.Counter("telemetry_spans", "Late.")
    own.inc(5)
    return "x"

@app.get("/burn")
def burn():
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    return "x"

@app.get("/fail")
def fail():
    raise LookupError
'''
SERVE = ("-m", "modern_flask.cli", "--app", "busy", "serve", "--workers", "2")
PLAIN = ("-m", "gunicorn", "--no-control-socket", "--workers", "2", "shop:app")
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Service:
    """A running server."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port

    def read(self, name: str, **labels: str) -> float | None:
        """The value of one sample in a scrape; None without the sample."""
        found = [
            sample.value
            for family in text_string_to_metric_families(fetch(self.port, "/metrics"))
            for sample in family.samples
            if sample.name == name and sample.labels.items() >= labels.items()
        ]
        assert len(found) < 2, found
        return found[0] if found else None

    def workers(self) -> list[int]:
        return [each.pid for each in descendants(self.process.pid)]


def start(folder: Path, *command: str) -> tuple[Process, int]:
    port = free_port()
    process = Process(
        *python(*command, "--bind", f"127.0.0.1:{port}"),
        log=folder / "log",
        env={multiprocess.VARIABLE: None},
        cwd=folder,
    )
    eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
    return process, port


def find_folder(process: Process) -> Path:
    """The folder that the process has made, as the service has printed it."""
    return Path(re.findall(r"^folder (/\S+)$", process.output, re.MULTILINE)[-1])


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """``serve --workers 2``, with a service that imports prometheus_client."""
    folder = tmp_path_factory.mktemp("busy")
    (folder / "busy.py").write_text(SERVICE)
    process, port = start(folder, *SERVE)
    with process:
        service = Service(process, port)
        eventually(lambda: len(service.workers()) == 2, 60)
        yield service
        assert find_folder(process).is_dir()
        assert process.stop() == 0
    assert not find_folder(process).exists()


def test_service_that_imports_the_client(busy: Service) -> None:
    """The workers answer as one, although the service was imported too early."""
    ask(busy.port, 20, path="/sell")

    values = eventually(lambda: {busy.read("http_request_exceptions_total")} == {20.0})

    assert values
    assert {busy.read("http_request_exceptions_total") for _ in range(10)} == {20.0}
    assert "exposes only its own metrics" not in busy.process.output


def test_names_of_the_service(busy: Service) -> None:
    """A metric of the service is never added to one of the kit, early or late."""
    ask(busy.port, 4, path="/fail")
    before = busy.read("http_request_exceptions_total")
    ask(busy.port, 1, 1, path="/late")

    text = fetch(busy.port, "/metrics")

    assert before == busy.read("http_request_exceptions_total")
    assert "# HELP http_request_exceptions_total The service's own." in text
    assert text.count("# TYPE http_request_exceptions_total") == 1
    assert busy.read("telemetry_spans_total") == 5
    assert "modern_flask:" not in text
    lines = busy.process.output.splitlines()
    assert any("busy.MINE" in line and "left out" in line for line in lines)
    assert any("metric telemetry_spans is left out" in line for line in lines)


def test_selection(busy: Service) -> None:
    """A scraper may select metrics by name from those of all workers."""
    ask(busy.port, 1, 1, path="/burn")

    text = fetch(busy.port, "/metrics?name[]=http_request_duration_seconds_sum")

    assert "http_request_duration_seconds_sum{" in text
    assert "process_" not in text


def test_memory_and_files(busy: Service) -> None:
    """Memory is that of all processes; open files are compared with their limit."""
    pids = [busy.process.pid, *busy.workers()]
    resident = sum(int(stat(pid)[21]) for pid in pids) * PAGE

    found = busy.read("process_resident_memory_bytes")

    assert found == pytest.approx(resident, rel=0.1)
    opened, most = busy.read("process_open_fds"), busy.read("process_max_fds")
    assert opened is not None
    assert most is not None
    assert 0 < opened < most
    assert busy.read("process_start_time_seconds") is not None
    assert busy.read("python_info") == 1


def stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu(pids: list[int]) -> float:
    return sum(float(value) for pid in pids for value in stat(pid)[11:15]) / TICKS


def test_log_lines(busy: Service) -> None:
    """Lines of all workers are counted once each, by level."""
    name = "log_messages_total"
    ask(busy.port, 6, path="/log")

    eventually(lambda: busy.read(name, level="critical") == 6, 30)

    assert busy.read(name, level="debug") == 0
    assert (busy.read("python_gc_collections_total", generation="0") or 0) >= 0
    assert "python_gc_objects_collected_total" in fetch(busy.port, "/metrics")


def test_cpu_time(busy: Service) -> None:
    """CPU time is that of all processes, and a worker's end does not decrease it."""
    name = "process_cpu_seconds_total"
    ask(busy.port, 10, path="/burn")
    low = cpu([busy.process.pid, *busy.workers()])
    before = busy.read(name) or 0.0
    high = cpu([busy.process.pid, *busy.workers()])
    assert low <= before + 0.011
    assert before <= high + 0.011

    victim = max(busy.workers())
    os.kill(victim, signal.SIGKILL)
    seen = [before]
    for _ in range(20):
        seen.append(busy.read(name) or 0.0)

    eventually(lambda: len(set(busy.workers()) - {victim}) == 2, 60)
    seen.append(busy.read(name) or 0.0)
    assert seen == sorted(seen)


def test_plain_gunicorn(tmp_path: Path) -> None:
    """Plain gunicorn with two workers warns that each answers only for itself."""
    write_shop(tmp_path)
    process, port = start(tmp_path, *PLAIN)
    with process:
        ask(port, 10, path="/metrics")

        eventually(lambda: "exposes only its own metrics" in process.output)

        lines = [line for line in process.output.splitlines() if "only its own" in line]
        assert 1 <= len(lines) <= 2
        assert "-c python:modern_flask.server.settings" in lines[0]


def test_plain_gunicorn_with_one_worker(tmp_path: Path) -> None:
    """One worker answers for everything, so nothing is warned of."""
    write_shop(tmp_path)
    process, port = start(tmp_path, *PLAIN[:-2], "1", PLAIN[-1])
    with process:
        ask(port, 2, path="/metrics")
        assert "only its own" not in process.output


def test_added_worker(tmp_path: Path) -> None:
    """A worker that a signal adds to a single one is warned of."""
    write_shop(tmp_path)
    kit = ("-c", "python:modern_flask.server.settings")
    process, _ = start(tmp_path, "-m", "gunicorn", *kit, "shop:app")
    with process:
        os.kill(process.pid, signal.SIGTTIN)

        process.wait_for_line("Each of the 2 workers exposes only its own metrics", 60)


def test_failed_check_leaves_no_folder(tmp_path: Path) -> None:
    """The folder of the workers is removed where the service can't start."""
    (tmp_path / "busy.py").write_text(SERVICE)
    process = Process(
        *python(*SERVE),
        log=tmp_path / "log",
        env={multiprocess.VARIABLE: None, "FLASK_METRICS_BUCKETS": "2, 1"},
        cwd=tmp_path,
    )
    with process:
        eventually(lambda: process.returncode is not None, 60)
        code: Any = process.returncode

    assert code == 1
    assert "METRICS_BUCKETS" in process.output
    assert not find_folder(process).exists()
