"""The worker under gunicorn: probes, calls that take too long, and its end."""

import http.client
import json
import os
import re
import resource
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.observability.shop import fetch
from tests.servers.collectors import ZipkinCollector
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.tree import descendants

PROGRAM = """
import os, pathlib, time
import modern_flask

def create_app():
    app = modern_flask.create_app("shop", root_path=".")

    @app.get("/wait")
    def wait():
        pathlib.Path("begun").touch()
        while not os.path.exists("release"):
            time.sleep(0.01)
        return "waited"

    @app.get("/compute")
    def compute():
        pathlib.Path("begun").touch()
        while not os.path.exists("release"):
            sum(range(1000))
        return "computed"

    @app.get("/report/<int:number>")
    def report(number):
        pathlib.Path("begun").touch()
        while True:
            time.sleep(0.01)

    @app.get("/short")
    def short():
        time.sleep(0.02)
        return "ok"

    @app.get("/stream")
    def stream():
        def parts():
            for _ in range(25):
                time.sleep(0.1)
                yield "part "
        return parts()

    @app.get("/pid")
    def pid():
        return str(os.getpid())

    return app
"""
SETTINGS = ("-c", "python:modern_flask.server.settings")
DELAY = "FLASK_SERVER_SHUTDOWN_DELAY"
CLASS = ("-k", "modern_flask.server.Worker")


@contextmanager
def serving(
    folder: Path, *words: str, program: Any = None, **environ: str | None
) -> Iterator[tuple[Process, int]]:
    """A gunicorn with the program, and its port."""
    (folder / "shop.py").write_text(PROGRAM)
    port = free_port()
    start = [program] if program else python("-m", "gunicorn")
    command = [*start, *words, "--bind", f"127.0.0.1:{port}"]
    with Process(
        *command, "shop:create_app()", log=folder / "log", env=environ, cwd=folder
    ) as process:
        eventually(lambda: get(port, "/livez") == 200, timeout=60)
        yield process, port


def get(port: int, path: str, **headers: str) -> int:
    """The status of a response; 0 for none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/wait", "/compute"])
def test_probes_while_a_view_runs(path: str, tmp_path: Path) -> None:
    """At one thread the pages answer while the only thread computes or waits."""
    with serving(tmp_path, *SETTINGS) as (_, port):
        found: list[int] = []
        view = threading.Thread(target=lambda: found.append(get(port, path)))
        view.start()
        eventually((tmp_path / "begun").exists)

        pages = {page: get(port, page) for page in ("/livez", "/readyz", "/metrics")}

        assert pages == {"/livez": 200, "/readyz": 200, "/metrics": 200}
        assert found == []
        (tmp_path / "release").touch()
        view.join(60)
        assert found == [200]


def test_call_that_takes_too_long(tmp_path: Path, zipkin: ZipkinCollector) -> None:
    """A call that exceeds ``--timeout`` is logged, booked and answered with a 503.

    What waits for the app is answered too, and the master makes a new worker.
    """
    environ = {
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": zipkin.url,
        "FLASK_LOGGING_FORMAT": "json",
    }
    with serving(tmp_path, *SETTINGS, "--timeout", "2", **environ) as (process, port):
        statuses: list[int] = []

        def ask(path: str) -> threading.Thread:
            # An offer of HTTP/2, as that of Java's client, is no websocket.
            offer = {"Connection": "Upgrade", "Upgrade": "h2c"}
            thread = threading.Thread(
                target=lambda: statuses.append(get(port, path, **offer))
            )
            thread.start()
            return thread

        first = ask("/report/7?token=hunter2")
        eventually((tmp_path / "begun").exists)
        others = [ask("/short") for _ in range(3)]
        for thread in [first, *others]:
            thread.join(60)
        eventually(lambda: get(port, "/short") == 200, timeout=60)
        span = eventually(
            lambda: [each for each in zipkin.spans if "report" in each["name"]]
        )[0]
        lines = [
            json.loads(line) for line in process.output.splitlines() if line[0] == "{"
        ]

    assert statuses == [503] * 4
    assert span["name"] == "GET /report/<int:number>"
    assert span["tags"]["error.type"] == "RequestCut"
    assert span["tags"]["http.route"] == "/report/<int:number>"
    assert span["duration"] >= 2_000_000
    (line,) = [each for each in lines if "was cut after" in each["message"]]
    assert f"GET /report/<int:number> (trace id {span['traceId']})" in line["message"]
    assert "in report\n" in line["message"]
    assert "gunicorn/arbiter.py" not in line["message"]
    (access,) = [each for each in lines if each.get("path") == "/report/7"]
    assert access["status"] == 503
    assert access["duration"] >= 2
    assert "hunter2" not in process.output


def test_stream_has_no_limit_while_it_moves(tmp_path: Path) -> None:
    """The time of a stream counts from its last part."""
    with serving(tmp_path, *SETTINGS, "--timeout", "1") as (process, port):
        worker = descendants(process.pid)[0].pid
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/stream")
        found = connection.getresponse().read()
        connection.close()

        assert found == b"part " * 25
        assert int(fetch(port, "/pid")) == worker


class Load:
    """Clients that ask again and again; each counts what it got.

    Args:
        port: The port of the server.
        clients: How many at once.
        kept: Whether each client keeps its connection as long as the server does.
    """

    def __init__(self, port: int, clients: int, kept: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._port, self._kept, self._done = port, kept, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        connection: Any = None
        counts: Counter[str] = Counter()
        while not self._done.is_set():
            if connection is None:
                connection = http.client.HTTPConnection(
                    "127.0.0.1", self._port, timeout=9
                )
                try:
                    connection.connect()
                except OSError:
                    counts["refused"] += 1
                    connection = None
                    if self._done.wait(0.05):
                        break
                    continue
            try:
                connection.request("GET", "/short")
                response = connection.getresponse()
                complete = response.status == 200 and response.read() == b"ok"
                counts["ok" if complete else f"status {response.status}"] += 1
                closes = response.getheader("Connection") == "close"
            except (OSError, http.client.HTTPException) as error:
                counts[f"lost: {type(error).__name__}"] += 1
                closes = True
            if closes or not self._kept:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()
        self.counts += counts

    def lost(self) -> dict[str, int]:
        """The requests without a complete response, by what happened."""
        return {
            name: number
            for name, number in self.counts.items()
            if name not in ("ok", "refused")
        }


@pytest.mark.proof
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("threads", ["1", "4"])
def test_end_loses_no_request(
    threads: str, kept: bool, tmp_path: Path, proof_size: Any
) -> None:
    """At SIGTERM every request that was sent has its response: 64 clients, 20 times."""
    sent = 0
    for number in range(max(1, proof_size(20) // 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        words = (*SETTINGS, "--threads", threads)
        delay = {DELAY: "0.5"}
        with serving(folder, *words, **delay) as (process, port):
            with Load(port, 64, kept) as load:
                eventually(lambda: get(port, "/short") == 200)
                assert process.stop(signal.SIGTERM) == 0
            assert load.lost() == {}
            sent += load.counts["ok"]

    assert sent > 64


def test_wait_for_the_app_is_measured(tmp_path: Path) -> None:
    """A request that waits behind another one counts from the arrival of its bytes."""
    with serving(tmp_path, *SETTINGS) as (_, port):
        views = [threading.Thread(target=get, args=(port, "/wait")) for _ in range(2)]
        views[0].start()
        eventually((tmp_path / "begun").exists)
        views[1].start()
        late = time.monotonic() + 0.5
        eventually(lambda: time.monotonic() > late)
        (tmp_path / "release").touch()
        for view in views:
            view.join(60)
        text = fetch(port, "/metrics")

    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert float(numbers["http_queue_wait_seconds_count"]) == 2
    assert 0.3 < float(numbers["http_queue_wait_seconds_sum"]) < 60
    assert float(numbers["listen_queue_limit"]) >= 1
    assert "listen_queue_depth" in numbers


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
def test_reload_loses_no_request(kept: bool, tmp_path: Path) -> None:
    """At SIGHUP the next worker takes over, and no connection is refused."""
    with serving(tmp_path, *SETTINGS) as (process, port):
        before = fetch(port, "/pid")
        with Load(port, 8, kept) as load:
            os.kill(process.pid, signal.SIGHUP)
            eventually(lambda: fetch(port, "/pid") not in ("", before), timeout=60)

        assert load.lost() == {}
        assert load.counts["refused"] == 0


def test_limit_of_requests_loses_no_request(tmp_path: Path) -> None:
    """``--max-requests`` replaces workers under load, and nobody notices."""
    with serving(tmp_path, *SETTINGS, "--max-requests", "50") as (process, port):
        with Load(port, 8, kept=True) as load:
            eventually(lambda: process.output.count("Booting worker") > 2, timeout=60)

        assert load.lost() == {}
        assert load.counts["refused"] == 0


@pytest.mark.parametrize("threads", ["1", "4"])
def test_quick_end_loses_no_short_request(threads: str, tmp_path: Path) -> None:
    """At SIGINT no view is interrupted: what is under way has a second to end."""
    with serving(tmp_path, *SETTINGS, "--threads", threads) as (process, port):
        with Load(port, 8, kept=True) as load:
            eventually(lambda: get(port, "/short") == 200)
            code = process.stop(signal.SIGINT)

        assert load.lost() == {}
        assert "Traceback" not in process.output
        assert code == 0


def test_quick_end_of_a_long_call(tmp_path: Path) -> None:
    """At SIGINT a long call is cut after a second, and logged."""
    words = (*SETTINGS, "--graceful-timeout", "60", "--timeout", "60")
    with serving(tmp_path, *words) as (process, port):
        view = threading.Thread(target=get, args=(port, "/report/7"))
        view.start()
        eventually((tmp_path / "begun").exists)
        begun = time.monotonic()
        process.stop(signal.SIGINT)
        seconds = time.monotonic() - begun
        view.join(60)

    assert seconds < 20
    assert re.search(r"GET /report/<int:number> .*was cut after", process.output)


def test_not_ready_before_the_end(tmp_path: Path) -> None:
    """At SIGTERM the service is not ready at once, and still serves for the delay."""
    with serving(tmp_path, *SETTINGS, FLASK_SERVER_SHUTDOWN_DELAY="60") as (
        process,
        port,
    ):
        os.kill(process.pid, signal.SIGTERM)

        eventually(lambda: get(port, "/readyz") == 503)

        assert "Not ready: process." in fetch(port, "/readyz")
        assert get(port, "/livez") == 200
        assert get(port, "/short") == 200
        process.kill()


def test_grace_that_is_over(tmp_path: Path) -> None:
    """A call that outlasts the grace is logged with its route; the exit is clean."""
    words = (*SETTINGS, "--graceful-timeout", "2", "--timeout", "60")
    with serving(tmp_path, *words) as (process, port):
        view = threading.Thread(target=get, args=(port, "/report/7"))
        view.start()
        eventually((tmp_path / "begun").exists)
        code = process.stop(signal.SIGTERM)
        view.join(60)

    assert code == 0
    assert re.search(r"GET /report/<int:number> .*was cut after", process.output)


@pytest.mark.proof
def test_many_idle_connections(tmp_path: Path, proof_size: Any) -> None:
    """10,000 idle connections fit into 100 MiB, and the next client is answered."""
    number = proof_size(10_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + 1000
    if hard != resource.RLIM_INFINITY:
        assert wanted <= hard, f"{hard} open files are too few: raise `ulimit -Hn`"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    request = b"GET /livez HTTP/1.1\r\n\r\n"
    words = (*SETTINGS, "--access-logfile", "/dev/null")
    with (
        serving(tmp_path, *words) as (process, port),
        ExitStack() as stack,
    ):
        for _ in range(number):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.settimeout(60)
            client.sendall(request)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        worker = descendants(process.pid)[0].pid
        status = Path(f"/proc/{worker}/status").read_text()

        assert get(port, "/short") == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (kibibytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    assert int(kibibytes) < 100 * 1024


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--proxy-protocol", "v1"), "The PROXY protocol is on"),
    ],
)
def test_what_gunicorn_serves_itself(
    words: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    """What this worker can't do is left to gunicorn's own, and said at start."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    port = free_port()
    command = python("-m", "gunicorn", *CLASS, *words, "--bind", f"127.0.0.1:{port}")
    with Process(
        *command, "shop:create_app()", log=tmp_path / "log", cwd=tmp_path
    ) as process:
        process.wait_for_line(
            f"{reason}: gunicorn's gthread worker serves, not the kit's.", 60
        )


def test_plain_gunicorn_names_the_worker(tmp_path: Path) -> None:
    """Plain gunicorn keeps its own worker; one line at start names the kit's."""
    with serving(tmp_path) as (process, port):
        get(port, "/short")
        process.wait_for_line(
            "gunicorn serves with a worker of its own. With "
            "-k modern_flask.server.Worker probes are answered while a view runs, and "
            "no request is lost at a stop."
        )


def test_other_apps(tmp_path: Path) -> None:
    """The worker serves any WSGI application, with the limits of gunicorn."""
    (tmp_path / "raw.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '2')])\n"
        "    return [b'ok']\n"
    )
    port = free_port()
    command = python("-m", "gunicorn", *CLASS, "--bind", f"127.0.0.1:{port}", "raw:app")
    with Process(*command, log=tmp_path / "log", cwd=tmp_path) as process:
        eventually(lambda: get(port, "/") == 200, timeout=60)

        assert fetch(port, "/livez") == "ok"
        assert process.stop() == 0


def test_signals_lose_no_request(tmp_path: Path) -> None:
    """Log files opened again, workers added and removed, and an upgrade: none fails."""
    # As a module, gunicorn can't start itself again: its folder hides `http`.
    program, pid = Path(sys.executable).with_name("gunicorn"), tmp_path / "pid"
    words = ("-p", str(pid), *SETTINGS)
    with (
        serving(tmp_path, *words, program=program) as (old, port),
        Load(port, 8, kept=True) as load,
    ):
        os.kill(old.pid, signal.SIGUSR1)
        os.kill(old.pid, signal.SIGTTIN)
        eventually(lambda: len(descendants(old.pid)) == 2, timeout=60)
        os.kill(old.pid, signal.SIGTTOU)
        eventually(lambda: len(descendants(old.pid)) == 1, timeout=60)
        os.kill(old.pid, signal.SIGUSR2)
        eventually((tmp_path / "pid.2").exists, timeout=60)
        new = int((tmp_path / "pid.2").read_text())
        try:
            eventually(lambda: len(descendants(new)) == 1, timeout=60)
            eventually(lambda: old.output.count("startup") > 2, timeout=60)
            os.kill(old.pid, signal.SIGTERM)
            eventually(lambda: old.returncode == 0, timeout=60)
            eventually(lambda: get(port, "/short") == 200)
        finally:
            load.stop()
            os.kill(new, signal.SIGTERM)
            eventually(lambda: not Path(f"/proc/{new}").exists(), timeout=60)

    assert load.lost() == {}
    assert load.counts["refused"] == 0
