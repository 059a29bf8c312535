"""All spans arrive when a process ends, however it is served."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.observability.shop import ask, write_shop
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

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


@pytest.fixture
def serve(tmp_path: Path, zipkin: ZipkinCollector) -> Any:
    """``serve(*options)``: gunicorn with the shop, which sends spans to ``zipkin``."""
    write_shop(tmp_path)
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
                *command, log=tmp_path / "log", env=traced | environ, cwd=tmp_path
            )
            stack.enter_context(process)
            eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
            return process, port

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


@pytest.mark.parametrize("worker", WORKERS)
def test_no_task_is_lost(
    tmp_path: Path,
    redis_url: str,
    zipkin: ZipkinCollector,
    worker: str,
    proof_size: Callable[[int], int],
) -> None:
    """After SIGTERM the span of each task that ran arrives, once."""
    write_shop(tmp_path)
    number = proof_size(100 if worker == "max_tasks_per_child=1" else 1000)
    environ = {
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
        "FLASK_CELERY_BROKER_URL": redis_url,
    }
    with Celery(broker=redis_url, set_as_current=False) as sender:
        for each in range(number):
            sender.send_task("sell", [each])
    command = python("-m", "modern_flask.cli", "--app", "tasks", "worker")

    with Process(
        *(*command, *WORKERS[worker]), log=tmp_path / "log", env=environ, cwd=tmp_path
    ) as process:
        done = tmp_path / "done"
        eventually(lambda: done.exists() and done.stat().st_size == number, timeout=120)
        code = process.stop()

    assert code == 0
    assert len(zipkin.spans) == number
    assert {span["name"] for span in zipkin.spans} == {"run/sell"}


@pytest.mark.parametrize("fault", ["refused", "silent", "slow", "500"])
def test_stopping_keeps_its_deadline(
    serve: Any, zipkin: ZipkinCollector, fault: str
) -> None:
    """A broken back end delays the end by 3 s at most; losses are logged."""
    process, port = serve(*KIT)
    {
        "refused": zipkin.refuse,
        "silent": zipkin.fall_silent,
        "slow": lambda: zipkin.slow_down(60),
        "500": lambda: zipkin.fail(500),
    }[fault]()
    assert ask(port, 20) == {200: 20}

    begun = time.monotonic()
    code = process.stop()

    assert code == 0
    # A batch takes 30 s without the deadline, and a busy machine adds to the 3 s.
    assert time.monotonic() - begun < 20
    assert zipkin.spans == []
    assert "pans are lost: zipkin at" in process.output


@pytest.mark.parametrize("worker", WORKERS)
def test_worker_keeps_its_deadline(
    tmp_path: Path, redis_url: str, zipkin: ZipkinCollector, worker: str
) -> None:
    """A silent back end delays a Celery worker's end by 3 s for each process."""
    write_shop(tmp_path)
    environ = {
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "60",
        "OTEL_BSP_EXPORT_TIMEOUT": "120000",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
        "FLASK_CELERY_BROKER_URL": redis_url,
    }
    zipkin.fall_silent()
    with Celery(broker=redis_url, set_as_current=False) as sender:
        for number in range(3):
            sender.send_task("sell", [number])
    command = python("-m", "modern_flask.cli", "--app", "tasks", "worker")

    with Process(
        *(*command, *WORKERS[worker]), log=tmp_path / "log", env=environ, cwd=tmp_path
    ) as process:
        done = tmp_path / "done"
        eventually(lambda: done.exists() and done.stat().st_size == 3, timeout=120)
        begun = time.monotonic()
        code = process.stop(timeout=60)

    assert code == 0
    # One answer is waited for 60 s without the deadline.
    assert time.monotonic() - begun < 40
    # And a process that is killed with all of its spans logs nothing.
    assert "pans are lost: zipkin at" in process.output
    assert zipkin.spans == []


COMMANDS = """
@app.cli.command("left-open")
def left_open():
    app.test_client().get("/orders/7", buffered=True)

@app.cli.command("closed")
def closed():
    with app.running():
        app.test_client().get("/orders/7", buffered=True)
"""


@pytest.mark.parametrize("command", ["left-open", "closed"])
@pytest.mark.parametrize("program", ["modern_flask.cli", "flask"])
def test_command_keeps_its_deadline(
    tmp_path: Path, zipkin: ZipkinCollector, program: str, command: str
) -> None:
    """A silent back end delays a command's end by 3 s; losses are logged."""
    write_shop(tmp_path)
    with (tmp_path / "shop.py").open("a") as file:
        file.write(COMMANDS)
    environ = {
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
        "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "60",
        "OTEL_BSP_EXPORT_TIMEOUT": "120000",
    }
    zipkin.fall_silent()
    words = python("-m", program, "--app", "shop", command)

    with Process(*words, log=tmp_path / "log", env=environ, cwd=tmp_path) as process:
        # One answer is waited for 60 s without the deadline.
        code = process.wait(40)

    assert code == 0
    assert "pans are lost: zipkin at" in process.output
    assert zipkin.spans == []


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
