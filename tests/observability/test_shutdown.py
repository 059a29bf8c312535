"""All spans arrive when a process ends, however it is served."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.observability.shop import ask, write_shop
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.redis import RedisServer
from tests.servers.together import run_together

pytestmark = pytest.mark.proof

KIT = ("-c", "python:modern_flask.server.settings")
SERVERS = {
    "sync": KIT,
    "gthread": (*KIT, "-k", "gthread", "--threads", "4"),
    "sync, preload": (*KIT, "--preload"),
    "gthread, preload": (*KIT, "-k", "gthread", "--threads", "4", "--preload"),
    "two workers": (*KIT, "--workers", "2"),
    "max_requests": (*KIT, "--max-requests", "17"),
    "gthread, max_requests": (
        *(*KIT, "-k", "gthread", "--threads", "4"),
        *("--max-requests", "17"),
    ),
    "plain": (),
    "plain, preload": ("--preload",),
    "plain gthread": ("-k", "gthread", "--threads", "4"),
}


@contextmanager
def serving(folder: Path, zipkin: ZipkinCollector) -> Iterator[Any]:
    """``serve(*options)``: gunicorn with the shop, which sends spans to ``zipkin``."""
    write_shop(folder)
    with ExitStack() as stack:

        def start(*options: str, **environ: str) -> tuple[Process, int]:
            port = free_port()
            command = python(
                *("-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}"),
                "shop:app",
            )
            traced = {
                "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
                "OTEL_BSP_SCHEDULE_DELAY": "60000",
                "GUNICORN_BIND": None,
            }
            process = Process(
                *command, log=folder / "log", env=traced | environ, cwd=folder
            )
            stack.enter_context(process)
            eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
            return process, port

        yield start


@pytest.fixture
def serve(tmp_path: Path, zipkin: ZipkinCollector) -> Any:
    """``serve(*options)``: gunicorn with the shop, which sends spans to ``zipkin``."""
    with serving(tmp_path, zipkin) as start:
        yield start


@pytest.mark.parametrize("server", SERVERS)
def test_no_span_is_lost(
    serve: Any,
    zipkin: ZipkinCollector,
    server: str,
    proof_size: Callable[[int], int],
) -> None:
    """After SIGTERM the span of each answered request arrives, once."""
    process, port = serve(*SERVERS[server])
    number = proof_size(1000)

    answers = ask(port, number)
    code = process.stop()

    assert code == 0
    assert answers[200] >= number * 0.9
    assert len(zipkin.spans) == answers[200]
    assert len({span["id"] for span in zipkin.spans}) == answers[200]


WORKERS = {
    "prefork": ("--concurrency", "2"),
    "max_tasks_per_child=1": ("--concurrency", "2", "--max-tasks-per-child", "1"),
    "threads": ("--pool", "threads", "--concurrency", "2"),
    "solo": ("--pool", "solo"),
}


@dataclass
class Ended:
    """A program that was stopped.

    Args:
        code: Its exit code.
        seconds: How long it took to end.
        output: What it printed.
        spans: The spans that its collector has.
    """

    code: int
    seconds: float
    output: str
    spans: list[Any]


def work(
    folder: Path, broker: str, worker: str, number: int, silent: bool = False
) -> Ended:
    """Run a Celery worker until it has done ``number`` tasks, and stop it.

    Args:
        folder: A new folder for the program.
        broker: The URL of a Redis.
        worker: One of WORKERS.
        number: The number of tasks.
        silent: Whether the collector takes spans and never answers.
    """
    folder.mkdir()
    write_shop(folder)
    queue, done = folder.name, folder / "done"
    with Celery(broker=broker, set_as_current=False) as sender:
        for each in range(number):
            sender.send_task("sell", [each], queue=queue)
    # Workers of other tests use the same Redis. It does not look for them, which would
    # take a second.
    alone = ("--hostname", f"{queue}@%h", "--without-mingle", "--without-gossip")
    command = python("-m", "modern_flask.cli", "--app", "tasks", "worker", *alone)
    options = ("--queues", queue, *WORKERS[worker])
    with ZipkinCollector() as zipkin:
        environ = {
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
            "OTEL_BSP_SCHEDULE_DELAY": "60000",
            "FLASK_CELERY_BROKER_URL": broker,
        }
        if silent:
            zipkin.fall_silent()
            environ |= PATIENT
        with Process(
            *command, *options, log=folder / "log", env=environ, cwd=folder
        ) as process:
            eventually(
                lambda: done.exists() and done.stat().st_size == number, timeout=120
            )
            begun = time.monotonic()
            code = process.stop(timeout=60)
            seconds = time.monotonic() - begun
        return Ended(code, seconds, process.output, zipkin.spans)


# One answer is waited for 60 s without the deadline.
PATIENT = {
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "60",
    "OTEL_BSP_EXPORT_TIMEOUT": "120000",
}


@pytest.fixture(scope="module")
def workers(
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
    proof_size: Callable[[int], int],
) -> dict[str, Future[Ended]]:
    """Workers that have done their tasks while the collector answers."""
    redis_server.heal()
    parent = tmp_path_factory.mktemp("workers")

    def run(worker: str) -> Ended:
        number = count_tasks(worker, proof_size)
        folder = parent / f"lossless{list(WORKERS).index(worker)}"
        return work(folder, redis_server.url, worker, number)

    return run_together(run, WORKERS)


def count_tasks(worker: str, proof_size: Callable[[int], int]) -> int:
    return proof_size(100 if worker == "max_tasks_per_child=1" else 1000)


@pytest.mark.parametrize("worker", WORKERS)
def test_no_task_is_lost(
    workers: dict[str, Future[Ended]], worker: str, proof_size: Callable[[int], int]
) -> None:
    """After SIGTERM the span of each task that ran arrives, once."""
    ended = workers[worker].result()

    assert ended.code == 0, ended.output
    assert len(ended.spans) == count_tasks(worker, proof_size)
    assert {span["name"] for span in ended.spans} == {"run/sell"}


FAULTS: dict[str, Callable[[ZipkinCollector], None]] = {
    "refused": ZipkinCollector.refuse,
    "silent": ZipkinCollector.fall_silent,
    "slow": lambda zipkin: zipkin.slow_down(60),
    "500": lambda zipkin: zipkin.fail(500),
}


@pytest.fixture(scope="module")
def stopped_servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Future[Ended]]:
    """Servers that were stopped while their collector had a fault."""

    def run(fault: str) -> Ended:
        folder = tmp_path_factory.mktemp("stopped")
        with ZipkinCollector() as zipkin, serving(folder, zipkin) as serve:
            process, port = serve(*KIT)
            FAULTS[fault](zipkin)
            assert ask(port, 20) == {200: 20}
            begun = time.monotonic()
            code = process.stop()
            seconds = time.monotonic() - begun
            return Ended(code, seconds, process.output, zipkin.spans)

    return run_together(run, FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_stopping_keeps_its_deadline(
    stopped_servers: dict[str, Future[Ended]], fault: str
) -> None:
    """A broken back end delays the end by 3 s at most; losses are logged."""
    ended = stopped_servers[fault].result()

    assert ended.code == 0, ended.output
    # A batch takes 30 s without the deadline, and a busy machine adds to the 3 s.
    assert ended.seconds < 20
    assert ended.spans == []
    assert "pans are lost: zipkin at" in ended.output


@pytest.fixture(scope="module")
def stopped_workers(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> dict[str, Future[Ended]]:
    """Workers that were stopped while their collector was silent."""
    redis_server.heal()
    parent = tmp_path_factory.mktemp("workers")

    def run(worker: str) -> Ended:
        folder = parent / f"silent{list(WORKERS).index(worker)}"
        return work(folder, redis_server.url, worker, 3, silent=True)

    return run_together(run, WORKERS)


@pytest.mark.parametrize("worker", WORKERS)
def test_worker_keeps_its_deadline(
    stopped_workers: dict[str, Future[Ended]], worker: str
) -> None:
    """A silent back end delays a Celery worker's end by 3 s for each process."""
    ended = stopped_workers[worker].result()

    assert ended.code == 0, ended.output
    assert ended.seconds < 40
    # And a process that is killed with all of its spans logs nothing.
    assert "pans are lost: zipkin at" in ended.output
    assert ended.spans == []


COMMANDS = """
@app.cli.command("left-open")
def left_open():
    app.test_client().get("/orders/7", buffered=True)

@app.cli.command("closed")
def closed():
    with app.running():
        app.test_client().get("/orders/7", buffered=True)
"""


RUNS = list(product(("modern_flask.cli", "flask"), ("left-open", "closed")))


@pytest.fixture(scope="module")
def commands(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[tuple[str, str], Future[Ended]]:
    """Commands that have ended while their collector was silent."""

    def run(words: tuple[str, str]) -> Ended:
        program, command = words
        folder = tmp_path_factory.mktemp("command")
        write_shop(folder)
        with (folder / "shop.py").open("a") as file:
            file.write(COMMANDS)
        started = python("-m", program, "--app", "shop", command)
        with ZipkinCollector() as zipkin:
            zipkin.fall_silent()
            environ = {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url, **PATIENT}
            begun = time.monotonic()
            with Process(
                *started, log=folder / "log", env=environ, cwd=folder
            ) as process:
                code = process.wait(40)
            seconds = time.monotonic() - begun
            return Ended(code, seconds, process.output, zipkin.spans)

    return run_together(run, RUNS)


@pytest.mark.parametrize(("program", "command"), RUNS)
def test_command_keeps_its_deadline(
    commands: dict[tuple[str, str], Future[Ended]], program: str, command: str
) -> None:
    """A silent back end delays a command's end by 3 s; losses are logged."""
    ended = commands[program, command].result()

    assert ended.code == 0, ended.output
    assert "pans are lost: zipkin at" in ended.output
    assert ended.spans == []


def test_last_request_under_load(serve: Any, zipkin: ZipkinCollector) -> None:
    """Spans of requests that are answered while the worker stops arrive, too."""
    import threading

    process, port = serve(*KIT)
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask(port, 400)))
    thread.start()
    eventually(lambda: process.output.count("GET /orders/7") > 20)
    process.stop()
    thread.join()

    assert answers[0][200] >= 20
    assert len(zipkin.spans) >= answers[0][200]


def test_access_log_names_the_trace(serve: Any, zipkin: ZipkinCollector) -> None:
    """A line of the access log has the id of its request's trace."""
    process, port = serve(*KIT)

    ask(port, 1, 1)
    process.stop()

    (span,) = zipkin.spans
    (line,) = [line for line in process.output.splitlines() if "/orders/7" in line]
    assert line.endswith(f" trace_id={span['traceId']} span_id={span['id']}")
