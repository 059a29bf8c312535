"""One command starts all that a developer needs, and one Ctrl-C ends it."""

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
    """``modern-flask dev`` on a free port, in a folder that has the service."""

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
    """``dev(folder, app)``: started, and gone after the test whatever happens."""
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
    """A service of one view in a folder of its own."""
    (tmp_path / "app.py").write_text(TINY)
    return tmp_path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the example service, that its data may lie in."""
    folder = tmp_path / "copy"
    example, without = ROOT / "example_service", shutil.ignore_patterns("var", "__*__")
    shutil.copytree(example, folder / "example_service", ignore=without)
    shutil.copy(example / "__init__.py", folder / "example_service")
    return folder


def test_first_run_needs_nothing(dev, copy):
    """Without any configuration an upload becomes ready; Ctrl-C ends all with 0."""
    process = dev(copy, "example_service")

    upload(process)
    code = process.end(signal.SIGINT)

    assert code == 0
    assert not alive(process.family)
    assert not living_in(copy)
    data = f"{copy}/example_service/var"
    assert f"data in {data}/redis" in process.output
    assert f"  database sqlite+pysqlite:///{data}/files.db" in process.output
    assert f"  storage  {data}/objects" in process.output
    assert re.search(r"^  worker   process \d+$", process.output, re.MULTILINE)


def upload(process: Dev) -> None:
    """Send a file and wait until the worker has read it."""
    sent = requests.post(f"{process.url}files?name=a.txt", b"a", timeout=60).json()
    where = f"{process.url}files/{sent['id']}"
    eventually(lambda: requests.get(where, timeout=60).json()["state"] == "ready")


def test_data_survive(dev, copy):
    """A second start has the first one's files and keys; SIGTERM ends it with 0 too."""
    first = dev(copy, "example_service")
    upload(first)
    first.redis.set("kept", "yes")
    first.end(signal.SIGTERM)
    process = dev(copy, "example_service")

    files = requests.get(f"{process.url}files", timeout=60).json()["files"]
    kept = process.redis.get("kept")
    code = process.end(signal.SIGTERM)

    assert [(file["name"], file["state"]) for file in files] == [("a.txt", "ready")]
    assert kept == b"yes"
    assert code == 0
    assert not alive(process.family)


def test_edit_reloads_the_server(dev, tiny):
    """An edit of the code is served without a restart by hand, a mistake is told."""
    process = dev(tiny, "app")

    def answer() -> str:
        try:
            return requests.get(process.url, timeout=60).text
        except requests.RequestException:
            return ""  # it is between two workers

    def save(text: str) -> str:
        # Again until it is seen: gunicorn looks at the files only after it serves.
        (tiny / "app.py").write_text(text)
        return answer()

    assert answer() == "old"
    wrong, new = TINY + "shop = undefined", TINY.replace('"old"', '"new"')
    told = "NameError: name 'undefined'"
    eventually(lambda: told in save(wrong), timeout=90, interval=1.5)
    eventually(lambda: save(new) == "new", timeout=90, interval=1.5)


def test_nothing_outlives_a_killed_dev(dev, tiny):
    """``kill -9`` of dev takes everything along that it had started."""
    process = dev(tiny, "app")

    process.end(signal.SIGKILL)

    eventually(lambda: not alive(process.family))
    eventually(lambda: not living_in(tiny))


def test_service_needs_no_celery(tiny):
    """Where Celery is not installed there is a server and a Redis, and no worker."""
    (tiny / "sitecustomize.py").write_text("import sys\nsys.modules['celery'] = None\n")

    with Dev(tiny, "app", PYTHONPATH=f"{tiny}{os.pathsep}{ROOT}") as process:
        url = process.wait_for_line(r"^  open     (http://\S+/) ", 30)[1]
        process.wait_for_line(r"^\[.*\] Listening at: ", 30)
        answer = requests.get(url, timeout=20)
        assert process.redis.ping()
        assert process.end(signal.SIGINT) == 0

    assert answer.text == "old"
    assert "  worker " not in process.output


def test_taken_port_is_told_before_anything_is_started(tiny):
    """Somebody listens there already: what, where and what to do, and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        with Dev(tiny, "app", bind) as process:
            assert process.wait(60) == 1

    assert process.output == (
        "app in development:\n"
        f"The server can't listen at {bind}: address already in use.\n"
        "  set by   --bind\n"
        "  do       end what listens there, or name another HOST:PORT; port 0 is any\n"
    )
    assert not (tiny / "var").exists()


def test_database_that_can_not_be_made_is_told(tiny):
    """The tables' trouble ends it, before a server or a worker is started."""
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


def test_folder_that_can_not_be_made_is_told(tiny):
    """Where the embedded Redis can't keep its data, it says so."""
    (tiny / "var").write_text("a file")

    with Dev(tiny, "app") as process:
        assert process.wait(60) == 1

    assert process.output == (
        "app in development:\n"
        "The embedded Redis can't keep its data in "
        f"{tiny}/var/redis: not a directory.\n"
        "  do       end the other, let this user write there, or name a Redis of your "
        "own in REDIS_URL and CELERY_BROKER_URL\n"
    )
