"""Ten broken configurations, and what every command says about each."""

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

COMMANDS = sorted(cli.cli.commands)
"""Ours and Flask's, whichever there are."""

STARTS = (
    *("modern_flask.server.dev.develop", "modern_flask.server.serve.serve"),
    *("celery.Celery.worker_main", "flask.cli.run_simple", "code.interact"),
)
"""What the commands come to when nothing is wrong."""


class Refusing(BaseHTTPRequestHandler):
    """Answers a path with the status that it names."""

    def do_GET(self) -> None:
        self.send_error(int(self.path[1:4]))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A web server's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster in which our account may read one ConfigMap."""
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
    """The configuration by name, in the environment; its texts filled in."""
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
    # Set by Flask's command line, for the life of the process.
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``run(command)``: ``modern-flask`` in this process; its exit code."""

    def started(*_: object, **__: object) -> None:
        raise AssertionError("It started.")

    def run(command: str) -> Any:
        words = ["modern-flask", "--app", "example_service", command]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code

    for name in STARTS:
        monkeypatch.setattr(name, started)
    return run


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("broken", CONFIGURATIONS, indirect=True)
def test_command_says_what_is_wrong(broken, run, command, capsys, monkeypatch):
    """Every command ends with 1 and one message: what, where set, what to do."""
    if broken.hidden:
        monkeypatch.setitem(sys.modules, broken.hidden, None)

    code = run(command)

    printed = capsys.readouterr()
    assert printed.err == broken.message
    assert code == 1
    assert SECRET not in printed.out + printed.err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """``start(broken, *words)``: Python with these words, in a process of its own."""
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
def test_process_says_what_is_wrong(broken, command, start):
    """So do real processes, and nothing else is printed."""
    process = start(
        broken, "-m", "modern_flask.cli", "--app", "example_service", command
    )

    assert process.wait(60) == 1
    assert process.output == broken.message


GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:0", "example_service:create_app()")
SETTINGS = ("-c", "python:modern_flask.server.settings")


@pytest.mark.parametrize("broken", CONFIGURATIONS, indirect=True)
def test_same_exception_propagates(broken, monkeypatch):
    """Whoever serves gets the fault itself, at once or when a request needs it."""
    if broken.hidden:
        monkeypatch.setitem(sys.modules, broken.hidden, None)

    with pytest.raises(Fault) as raised:
        create_app(TESTING=True).test_client().get("/")

    assert broken.message.rstrip() in str(raised.value)


@pytest.mark.parametrize("broken", ["403"], indirect=True)
def test_gunicorn_gets_the_same_exception(broken, start):
    """Under plain gunicorn a source's fault propagates, and gunicorn gives up."""
    process = start(broken, *GUNICORN)

    assert process.wait(60) != 0
    assert broken.message.rstrip() in process.output
    assert process.output.count("Booting worker") == 1
    assert SECRET not in process.output


@pytest.mark.parametrize("broken", ["missing extra"], indirect=True)
def test_gunicorn_with_our_settings_gets_it_at_start(broken, start):
    """With the kit's settings a component's fault ends the start as well."""
    process = start(broken, *GUNICORN[:2], *SETTINGS, *GUNICORN[2:])

    assert process.wait(60) != 0
    assert broken.message.rstrip() in process.output
    assert process.output.count("Booting worker") == 1
    assert SECRET not in process.output


@pytest.mark.parametrize(
    "broken", ["unknown vendor", "bad database URL"], indirect=True
)
def test_gunicorn_gets_it_at_the_first_request(broken, start):
    """Under plain gunicorn a component's fault meets who asks for it, and is logged."""
    process = start(broken, *GUNICORN)
    url = process.wait_for_line(LISTENING, 60)[1]

    answer = requests.get(f"{url}/", timeout=60)

    assert answer.status_code == 500
    assert SECRET not in answer.text
    # The log masks what has the form of a password, in an example too.
    assert redact_lines(broken.message.rstrip()) in process.output
    assert process.output.count("Booting worker") == 1
    assert SECRET not in process.output
