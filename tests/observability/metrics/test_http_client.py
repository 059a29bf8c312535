"""Durations of outgoing requests."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import REGISTRY

from modern_flask.observability.metrics import http_client
from modern_flask.observability.metrics.http_client import (
    UnmeasuredAdapter,
    measure_requests,
)
from tests.servers.processes import free_port

COUNT = "http_client_request_duration_seconds_count"


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1].partition("?")[0]))
        self.send_header("Location", "/200/moved")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_BREW = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


_before: dict[tuple[str, ...], float] = {}
"""What earlier tests have counted: one of them may have had the same port."""


@pytest.fixture(autouse=True)
def measuring() -> None:
    measure_requests()
    measure_requests()
    _before.clear()
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.name == COUNT:
                _before[make_key(sample.labels)] = sample.value


def make_key(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(labels[name] for name in sorted(labels))


@pytest.fixture
def peer() -> Iterator[str]:
    """A server that answers with the status in the path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def counted(peer: str, status: str, error: str = "", method: str = "GET") -> float:
    address, _, port = peer.partition(":")
    labels = {
        "http_request_method": method,
        "server_address": address,
        "server_port": port,
        "http_response_status_code": status,
        "error_type": error,
    }
    value = REGISTRY.get_sample_value(COUNT, labels) or 0.0
    return value - _before.get(make_key(labels), 0.0)


def test_requests(peer: str) -> None:
    """Each request counts once by host and status, whatever its path and query."""
    for path in ("/200/a", "/200/b?token=x"):
        requests.get(f"http://{peer}{path}", timeout=10)
    requests.get(f"http://u:secret@{peer}/200", timeout=10)
    requests.get(f"http://{peer}/503", timeout=10)
    requests.request("BREW", f"http://{peer}/200", timeout=10)

    assert counted(peer, "200") == 3
    assert counted(peer, "503", "503") == 1
    assert counted(peer, "200", method="_OTHER") == 1


def test_redirect(peer: str) -> None:
    """A redirect is two requests, and each counts once."""
    requests.get(f"http://{peer}/302", timeout=10)

    assert counted(peer, "302") == 1
    assert counted(peer, "200") == 1


def test_failure() -> None:
    """A request without a response has the class of its error."""
    peer = f"127.0.0.1:{free_port()}"

    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{peer}/", timeout=10)

    assert counted(peer, "", "ConnectionError") == 1


def test_requests_of_the_kit(peer: str) -> None:
    """What the kit itself sends, such as spans, is left out."""
    with requests.Session() as session:
        session.mount("http://", UnmeasuredAdapter())
        session.get(f"http://{peer}/200", timeout=10)

    assert counted(peer, "200") == 0


def test_any_number_of_hosts(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that calls any number of hosts has a bounded number of series."""
    notes: Any = {}
    monkeypatch.setattr(http_client, "_notes", notes)
    monkeypatch.setattr(http_client, "_MOST", 1)
    before = counted("_OTHER:", "200")

    for name in (peer, peer.replace("127.0.0.1", "localhost")):
        requests.get(f"http://{name}/200", timeout=10)

    assert len(notes) == 1
    assert counted("_OTHER:", "200") == before + 1


def test_service_that_imports_requests_late(tmp_path: Path) -> None:
    """What a view imports is measured from its next call on."""
    program = tmp_path / "late.py"
    program.write_text(
        "import sys, modern_flask\n"
        "app = modern_flask.create_app('late', root_path='.')\n"
        "@app.get('/')\n"
        "def view():\n"
        "    import requests\n"
        "    try:\n"
        "        requests.get('http://127.0.0.1:1/')\n"
        "    except requests.ConnectionError:\n"
        "        return 'refused'\n"
        "client = app.test_client()\n"
        "client.get('/livez')\n"
        "assert 'requests' not in sys.modules\n"
        "for _ in range(3):\n"
        "    client.get('/').close()\n"
        "for line in client.get('/metrics').text.splitlines():\n"
        "    if line.startswith('http_client_request_duration_seconds_count{'):\n"
        "        print(line)\n"
    )
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    (line,) = done.stdout.splitlines()
    assert 'server_address="127.0.0.1"' in line
    assert line.endswith(" 2.0")
