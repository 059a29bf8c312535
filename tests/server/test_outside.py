"""A response after Flask has returned it to the server."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tests.observability.shop import PROGRAM, ask
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

VIEWS = """
@app.get("/stream")
def stream():
    def parts():
        yield "a"
        raise LookupError("gone")
    return parts(), {"Content-Length": "9"}

@app.get("/file")
def file():
    from flask import send_file
    return send_file(__file__)
"""


@pytest.mark.parametrize(
    "settings", [(), ("-c", "python:modern_flask.server.settings")]
)
def test_answer_after_flask(
    tmp_path: Path, zipkin: ZipkinCollector, settings: tuple[str, ...]
) -> None:
    """A broken stream is logged with the client's ids; a file with its real size."""
    program = tmp_path / "shop.py"
    program.write_text(PROGRAM + VIEWS)
    port = free_port()
    environ = {
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
        "FLASK_LOGGING_FORMAT": "json",
    }
    words = ("-m", "gunicorn", "--access-logfile", "-", *settings, "shop:app")
    command = python(*words, "--bind", f"127.0.0.1:{port}")
    with Process(*command, log=tmp_path / "log", env=environ, cwd=tmp_path) as process:
        eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
        broken = head_of(port, "/stream")
        head_of(port, "/file")
        assert process.stop() == 0
        lines = process.output.splitlines()

    objects: list[Any] = [json.loads(line) for line in lines if line.startswith("{")]
    (failure,) = [each for each in objects if "exception" in each]
    _, trace_id, span_id, _ = broken["traceresponse"].split("-")
    assert (failure["trace_id"], failure["span_id"]) == (trace_id, span_id)
    assert "LookupError" in failure["exception"]
    (access,) = [each for each in objects if each.get("path") == "/file"]
    assert access["size"] == program.stat().st_size


def head_of(port: int, path: str) -> dict[str, str]:
    """The headers of a response, whose body is read as far as it comes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    try:
        answer.read()
    except (http.client.IncompleteRead, ConnectionError):
        pass
    finally:
        connection.close()
    return dict(answer.getheaders())
