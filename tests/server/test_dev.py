"""One command starts all that a developer needs, and one Ctrl-C ends it."""

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from redis import Redis

from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
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

    def __init__(self, folder: Path, app: str) -> None:
        self.folder, bind = folder, f"127.0.0.1:{free_port()}"
        self.url = f"http://{bind}/"
        command = python("-m", "modern_flask.cli", "--app", app, "dev", "--bind", bind)
        env = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= dict.fromkeys(("CONFIG_SOURCE", "FLASK_APP"))
        super().__init__(*command, log=folder / "log", env=env, cwd=folder)
        self.family: list[Life] = []

    def wait_until_ready(self) -> None:
        self.wait_for_line(rf"^  open     {re.escape(self.url)}", 30)
        self.wait_for_line(r"^\[.*\] Listening at: ", 30)
        self.wait_for_line(r"celery@\S+ ready\.", 30)
        self.family = descendants(self.pid)
        # Redis, gunicorn and its worker, Celery and its pool.
        assert len(self.family) >= 5

    def end(self, signum: signal.Signals) -> int:
        os.kill(self.pid, signum)
        return self.wait(20)

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


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example service, that its data may lie in."""
    folder = tmp_path_factory.mktemp("copy")
    example, without = ROOT / "example_service", shutil.ignore_patterns("var", "__*__")
    shutil.copytree(example, folder / "example_service", ignore=without)
    shutil.copy(example / "__init__.py", folder / "example_service")
    return folder


def test_first_run_needs_nothing(dev, copy):
    """Without any configuration an upload becomes ready; Ctrl-C ends all with 0."""
    process = dev(copy, "example_service")

    sent = requests.post(f"{process.url}files?name=a.txt", b"a", timeout=10).json()
    where = f"{process.url}files/{sent['id']}"
    eventually(lambda: requests.get(where, timeout=10).json()["state"] == "ready")
    process.redis.set("kept", "yes")
    code = process.end(signal.SIGINT)

    assert code == 0
    assert not alive(process.family)
    assert not living_in(copy)
    data = f"{copy}/example_service/var"
    assert f"data in {data}/redis" in process.output
    assert f"  database sqlite+pysqlite:///{data}/files.db" in process.output
    assert f"  storage  {data}/objects" in process.output
    assert re.search(r"^  worker   process \d+$", process.output, re.MULTILINE)


def test_data_survive(dev, copy):
    """A second start has the first one's files and keys; SIGTERM ends it with 0 too."""
    process = dev(copy, "example_service")

    files = requests.get(f"{process.url}files", timeout=10).json()["files"]
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
            return requests.get(process.url, timeout=10).text
        except requests.ConnectionError:
            return ""  # it is between two workers

    def save(text: str) -> str:
        # Again until it is seen: gunicorn looks at the files only after it serves.
        (tiny / "app.py").write_text(text)
        return answer()

    assert answer() == "old"
    wrong, new = TINY + "shop = undefined", TINY.replace('"old"', '"new"')
    eventually(lambda: "NameError: name 'undefined'" in save(wrong), interval=1.5)
    eventually(lambda: save(new) == "new", interval=1.5)


def test_nothing_outlives_a_killed_dev(dev, tiny):
    """``kill -9`` of dev takes everything along that it had started."""
    process = dev(tiny, "app")

    process.end(signal.SIGKILL)

    eventually(lambda: not alive(process.family))
    assert not living_in(tiny)
