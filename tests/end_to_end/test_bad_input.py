"""Broken configurations, and what every command prints for each."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from example_service import create_app
from modern_flask import Fault, cli
from modern_flask.config.masking import redact_lines
from modern_flask.testing.kubernetes import KubernetesServer, Rule
from tests.end_to_end.broken import CONFIGURATIONS, SECRET, WORKS, Broken
from tests.end_to_end.conftest import LISTENING, ROOT
from tests.servers.processes import Process, python

COMMANDS = sorted(cli.cli.commands.keys() - {"manifests"})
"""The commands of the kit and of Flask.

``manifests`` opens no component, because the real configuration may only be in the
cluster: it reports what keeps the configuration from being read, and no more.
"""

STARTS = (
    *("modern_flask.server.dev.develop", "modern_flask.server.serve.serve"),
    *("celery.Celery.worker_main", "flask.cli.run_simple", "code.interact"),
)
"""What the commands call once the configuration is right."""


class Refusing(BaseHTTPRequestHandler):
    """Answers each path with the status in it."""

    def do_GET(self) -> None:
        self.send_error(int(self.path[1:4]))

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a cluster in which the account may read one ConfigMap."""
    with KubernetesServer() as server:
        token = server.user("reader", Rule("configmaps", namespace="shop"))
        server.put_config_map("shop", "orders", {"config.py": WORKS})
        path = tmp_path_factory.mktemp("cluster") / "kubeconfig"
        yield server.kubeconfig(path, token=token)


@pytest.fixture
def broken(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    port: int,
    kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Broken:
    """The configuration of that name, set in the environment."""
    found = CONFIGURATIONS[request.param]
    here = {"folder": tmp_path, "root": ROOT, "port": port}
    found = found._replace(
        source=found.source.format(**here), message=found.message.format(**here)
    )
    (tmp_path / "config.py").write_text(found.content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFIG_SOURCE", found.source)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # Flask's command line would set it until the process ends.
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``run(command)``: run ``modern-flask`` in this process; its exit code."""

    def started(*_: object, **__: object) -> None:
        raise AssertionError("It started.")

    def run(command: str) -> Any:
        words = ["modern-flask", "--app", "example_service", command]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as exited:
            cli.main()
        return exited.value.code

    for name in STARTS:
        monkeypatch.setattr(name, started)
    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("broken", CONFIGURATIONS, indirect=True)
def test_command_reports_the_fault(broken, run, command, capsys, monkeypatch):
    """Every command exits with 1 and one message: the fault, its place, the fix."""
    if broken.hidden:
        monkeypatch.setitem(sys.modules, broken.hidden, None)

    code = run(command)

    printed = capsys.readouterr()
    assert printed.err == broken.message
    assert code == 1
    assert SECRET not in printed.out + printed.err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """``start(broken, *words)``: a new process of Python with these words."""
    started: list[Process] = []

    def start(broken: Broken, *words: str) -> Process:
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        hide = f"import sys\nsys.modules[{broken.hidden!r}] = None\n"
        (site / "sitecustomize.py").write_text(hide if broken.hidden else "")
        env = {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}"}
        command = python(*words)
        started.append(Process(*command, log=tmp_path / "log", env=env, cwd=tmp_path))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.mark.parametrize(
    ("broken", "command"),
    [
        ("no such file", "dev"),
        ("missing extra", "serve"),
        ("bad database URL", "worker"),
    ],
    indirect=["broken"],
)
def test_process_reports_the_fault(broken, command, start):
    """A real process prints the same message and nothing else."""
    process = start(
        broken, "-m", "modern_flask.cli", "--app", "example_service", command
    )

    assert process.wait(60) == 1
    assert process.output == broken.message


GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:0", "example_service:create_app()")
SETTINGS = ("-c", "python:modern_flask.server.settings")


@pytest.mark.parametrize("broken", CONFIGURATIONS, indirect=True)
def test_same_exception_propagates(broken, monkeypatch):
    """A server gets the fault as an exception, at once or at the first request."""
    if broken.hidden:
        monkeypatch.setitem(sys.modules, broken.hidden, None)

    with pytest.raises(Fault) as raised:
        create_app(TESTING=True).test_client().get("/")

    assert broken.message.rstrip() in str(raised.value)


@pytest.mark.parametrize("broken", ["403"], indirect=True)
def test_gunicorn_gets_the_same_exception(broken, start):
    """Under plain gunicorn a source's fault propagates, and gunicorn exits."""
    process = start(broken, *GUNICORN)

    assert process.wait(60) != 0
    assert broken.message.rstrip() in process.output
    assert process.output.count("Booting worker") == 1
    assert SECRET not in process.output


@pytest.mark.parametrize("broken", ["missing extra"], indirect=True)
def test_gunicorn_with_our_settings_gets_it_at_start(broken, start):
    """With the kit's settings a component's fault ends the start too."""
    process = start(broken, *GUNICORN[:2], *SETTINGS, *GUNICORN[2:])

    assert process.wait(60) != 0
    assert broken.message.rstrip() in process.output
    assert process.output.count("Booting worker") == 1
    assert SECRET not in process.output


@pytest.mark.parametrize(
    "broken", ["unknown vendor", "bad database URL"], indirect=True
)
def test_gunicorn_gets_it_at_the_first_request(broken, start):
    """Under plain gunicorn the first request raises a component's fault, in the log."""
    process = start(broken, *GUNICORN)
    url = process.wait_for_line(LISTENING, 60)[1]

    answer = requests.get(f"{url}/", timeout=60)

    assert answer.status_code == 500
    assert SECRET not in answer.text
    # The log masks whatever looks like a password, even in an example.
    assert redact_lines(broken.message.rstrip()) in process.output
    assert process.output.count("Booting worker") == 1
    assert SECRET not in process.output
