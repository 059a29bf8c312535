"""The example service under gunicorn, with ``serve`` and without it."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.observability.shop import fetch
from tests.servers.eventually import eventually
from tests.servers.processes import Process, python
from tests.servers.tree import alive, descendants

ROOT = Path(__file__).parents[2]
LISTENING = r"Listening at: (http://127\.0\.0\.1:\d+)"
ANYWHERE = ("--bind", "127.0.0.1:0")
SERVE = ("-m", "modern_flask.cli", "--app", "example_service", "serve", *ANYWHERE)
PLAIN = ("-m", "gunicorn", *ANYWHERE, "example_service:create_app()")
SETTINGS = ("-c", "python:modern_flask.server.settings")
WITH_SETTINGS = (*PLAIN[:2], *SETTINGS, *PLAIN[2:])


@pytest.fixture
def environ(tmp_path: Path, redis_url: str) -> dict[str, str | None]:
    """The whole configuration; tasks run in the process that sends them."""
    keys = {
        "DATABASE_ENGINE_URL": f"sqlite+pysqlite:///{tmp_path}/files.db",
        "STORAGE_FOLDER": f"{tmp_path}/objects",
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": "memory://",
        "CELERY_TASK_ALWAYS_EAGER": "true",
    }
    given: dict[str, str | None] = {f"FLASK_{k}": v for k, v in keys.items()}
    return given | {"PYTHONPATH": str(ROOT), "CONFIG_SOURCE": None}


@pytest.fixture
def start(
    tmp_path: Path, environ: dict[str, str | None]
) -> Iterator[Callable[..., Process]]:
    """``start(*words)``: Python with these words; it is stopped after the test."""
    started: list[Process] = []

    def start(*words: str) -> Process:
        log = tmp_path / f"{len(started)}.log"
        started.append(Process(*python(*words), log=log, env=environ, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def tables(start: Callable[..., Process]) -> None:
    """The service's tables."""
    made = start(*SERVE[:4], "create-tables")
    assert made.wait(60) == 0, made.output


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "words", [SERVE, PLAIN, WITH_SETTINGS], ids=["serve", "gunicorn", "settings"]
)
def test_one_worker_serves(start, words):
    """The command, and gunicorn with or without our settings, run one worker."""
    server = start(*words)
    url = server.wait_for_line(LISTENING, 60)[1]

    sent = requests.post(f"{url}/files?name=a", b"a\n", timeout=60).json()
    found = requests.get(f"{url}/files/{sent['id']}", timeout=60).json()
    # Each component has a second, which is not much for a busy machine.
    checks = eventually(lambda: all_ok(f"{url}/readyz"))
    family = descendants(server.pid)
    os.kill(server.pid, signal.SIGTERM)

    assert (found["state"], found["lines"]) == ("ready", 1)
    assert len(checks) == 4
    assert len(family) == 1
    assert server.wait(60) == 0
    assert not alive(family)


def all_ok(url: str) -> dict[str, str]:
    """The checks of all components once all of them are ok, else nothing."""
    checks = dict(requests.get(url, timeout=60).json()["checks"])
    return checks if set(checks.values()) == {"ok"} else {}


def test_many_workers_and_threads(start):
    """``--workers`` and ``--threads`` go to gunicorn; the master loads the app."""
    server = start(*SERVE, "--workers", "2", "--threads", "2")
    url = server.wait_for_line(LISTENING, 60)[1]

    eventually(lambda: server.output.count("Booting worker") == 2)

    assert requests.get(f"{url}/livez", timeout=60).json() == {"status": "ok"}
    assert "Using worker: modern_flask.server.Worker" in server.output
    assert len(descendants(server.pid)) == 2


def test_access_is_logged_with_its_trace(start, environ, zipkin):
    """A line of the access log has the trace id of the caller."""
    environ |= {"OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url}
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    server = start(*SERVE)
    url = server.wait_for_line(LISTENING, 60)[1]

    # Not by `requests`: another test may have instrumented it, with a trace of its own.
    port = int(url.rpartition(":")[2])
    fetch(port, "/nowhere", traceparent=f"00-{trace}-00f067aa0ba902b7-01")

    line = server.wait_for_line(r'"GET /nowhere HTTP/1.1" 404 .*$')[0]
    assert re.search(rf" \d+ms trace_id={trace} span_id=[0-9a-f]{{16}}$", line)


def test_access_is_logged_without_its_query(start):
    """The access log has no query, which may hold a token, and no decoded newline."""
    server = start(*SERVE)
    url = server.wait_for_line(LISTENING, 60)[1]

    requests.get(f"{url}/no%0Awhere?password=hunter2", timeout=60)

    server.wait_for_line('"GET /no%0Awhere HTTP/1.1" 404 ')
    assert "hunter2" not in server.output


def test_killed_worker_is_replaced(start):
    """Gunicorn replaces a worker that dies, and the new one serves."""
    server = start(*SERVE)
    url = server.wait_for_line(LISTENING, 60)[1]
    assert requests.get(f"{url}/livez", timeout=60).ok
    (first,) = descendants(server.pid)

    os.kill(first.pid, signal.SIGKILL)

    eventually(lambda: descendants(server.pid) not in ([first], []))
    assert requests.get(f"{url}/livez", timeout=60).ok
