"""Every line that a server logs, with the kit's settings and without."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.observability.shop import PROGRAM, ask, fetch
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

FAILING = """
@app.get("/fail")
def fail():
    raise ValueError("no\\nredis://:hunter2@cache/0")
"""
SERVE = ("-m", "modern_flask.cli", "--app", "shop", "serve")
SETTINGS = ("-m", "gunicorn", "-c", "python:modern_flask.server.settings", "shop:app")
PLAIN = ("-m", "gunicorn", "--access-logfile", "-", "shop:app")
# Without the settings the master logs a few lines before it loads the service.
KIT = {"serve": SERVE, "settings": SETTINGS}
ALL = {**KIT, "plain": PLAIN}

Run = Callable[..., tuple[list[str], str]]


@pytest.fixture
def run(tmp_path: Path, zipkin: ZipkinCollector) -> Iterator[Run]:
    """``run(words, "json")``: a server's lines, and its response to a failing view."""
    (tmp_path / "shop.py").write_text(PROGRAM + FAILING)
    with ExitStack() as stack:

        def run(words: tuple[str, ...], form: str | None) -> tuple[list[str], str]:
            port = free_port()
            environ = {
                "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
                "FLASK_LOGGING_FORMAT": form,
                "GUNICORN_BIND": None,
                "CONFIG_SOURCE": None,
            }
            command = python(*words, "--bind", f"127.0.0.1:{port}")
            log = tmp_path / "log"
            process = Process(*command, log=log, env=environ, cwd=tmp_path)
            stack.enter_context(process)
            eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
            answer = fetch(port, "/fail?code=hunter2")
            assert process.stop() == 0
            return process.output.splitlines(), answer

        yield run


@pytest.mark.parametrize("server", ALL)
def test_json(run: Run, zipkin: ZipkinCollector, server: str) -> None:
    """A failure is logged once, with the client's id, which its access line has too."""
    lines, answer = run(ALL[server], "json")

    objects: list[Any] = [json.loads(line) for line in lines if line.startswith("{")]
    trace_id = json.loads(answer)["trace_id"]
    (span,) = [span for span in zipkin.spans if span["name"] == "GET /fail"]
    ids = {"trace_id": trace_id, "span_id": span["id"]}
    (failure,) = [each for each in objects if "exception" in each]
    assert failure.items() >= {**ids, "level": "ERROR"}.items()
    assert "redis://:******@cache/0" in failure["exception"]
    (access,) = [each for each in objects if each.get("path") == "/fail"]
    assert access.items() >= {**ids, "method": "GET", "status": 500}.items()
    assert access["size"] == len(answer)
    assert 0 < access["duration"] < 60
    assert "hunter2" not in "\n".join(lines)
    if server in KIT:
        assert len(objects) == len(lines)


@pytest.mark.parametrize("server", ALL)
def test_text(run: Run, zipkin: ZipkinCollector, server: str) -> None:
    """The text format has one traceback too, and the ids end the access line."""
    lines, answer = run(ALL[server], "text")

    trace_id = json.loads(answer)["trace_id"]
    (span,) = [span for span in zipkin.spans if span["name"] == "GET /fail"]
    ids = f"trace_id={trace_id} span_id={span['id']}"
    first, last = [line for line in lines if ids in line]
    assert " ERROR [shop] [app.py:" in first
    ended = f"[{ids} resource.service.name=shop] - Exception on /fail [GET]"
    assert first.endswith(ended)
    assert '"GET /fail' in last
    assert last.endswith(f" {ids}")
    assert lines.count("Traceback (most recent call last):") == 1
    assert "hunter2" not in "\n".join(lines)


def test_master_of_serve(run: Run, tmp_path: Path) -> None:
    """``serve`` knows the whole configuration: it sets the format of every line.

    Under plain gunicorn the master knows the environment only.
    """
    program = tmp_path / "shop.py"
    text = program.read_text()
    chosen = 'Container(), config={"LOGGING_FORMAT": "json"})'
    program.write_text(text.replace("Container())", chosen))

    lines, _ = run(SERVE, None)

    assert all(json.loads(line) for line in lines)
    assert json.loads(lines[0])["logger"] == "gunicorn.error"
