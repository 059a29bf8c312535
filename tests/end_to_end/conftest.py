"""The example service as its users run it: with real processes and servers."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from modern_flask.storage.folder.layout import TEMPORARY
from modern_flask.testing.cos import CosServer
from modern_flask.testing.oss import OssServer
from tests.conftest import provided
from tests.servers.eventually import eventually
from tests.servers.postgresql import PostgreSQL
from tests.servers.processes import Process, python
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[2]
LISTENING = r"Listening at: (http://127\.0\.0\.1:\d+)"
WORKING = r"files-\S+ ready\."
LIMIT = 8 * 1024**2  # bytes of an upload
PASSWORD = "hunter2"
"""The tests' PostgreSQL requires no password and accepts any."""


def modern_flask(*words: str | Path) -> list[str]:
    """The command line of ``modern-flask`` for the example service."""
    return python("-m", "modern_flask.cli", "--app", "example_service", *words)


@dataclass
class Service:
    """A server and a worker of the example service, with a configuration file."""

    folder: Path
    settings: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict)
    url: str = ""

    @property
    def source(self) -> Path:
        return self.folder / "config.py"

    def write(self) -> None:
        given = {k: v for k, v in self.settings.items() if v is not None}
        lines = [f"{key} = {value!r}\n" for key, value in given.items()]
        self.source.write_text("".join(lines))

    def run(self, *words: str | Path) -> Process:
        """Start ``modern-flask`` with the configuration."""
        return self.start(*modern_flask(*words))

    def start(self, *command: str | Path) -> Process:
        name = f"{uuid4().hex[:6]}.log"
        env = {"CONFIG_SOURCE": str(self.source), "PYTHONPATH": str(ROOT)}
        return Process(
            *command, log=self.folder / name, env=env | self.environ, cwd=self.folder
        )

    @contextmanager
    def running(self) -> Iterator[tuple[Process, Process]]:
        """Start a server on a free port and a worker together, and stop them."""
        with self.working() as worker, self.serving() as server:
            self.url = server.wait_for_line(LISTENING, 60)[1]
            worker.wait_for_line(WORKING, 60)
            yield server, worker
            if worker.returncode is None:
                os.kill(worker.pid, signal.SIGTERM)

    def serving(self) -> Process:
        return self.run("serve", "--bind", "127.0.0.1:0")

    def working(self) -> Process:
        # A unique node name: workers of other tests use the same RabbitMQ. The worker
        # does not look for others, which would take a second.
        name = f"{self.settings['CELERY_TASK_DEFAULT_QUEUE']}@%h"
        alone = ("--hostname", name, "--without-mingle", "--without-gossip")
        return self.run("worker", "--concurrency", "1", *alone)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, timeout=60, **options)

    def upload(self, name: str, content: bytes, **options: Any) -> dict[str, Any]:
        """Send one file and return the service's response."""
        answer = self.call(
            "POST", "/files", params={"name": name}, data=content, **options
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def show(self, file_id: int) -> dict[str, Any]:
        return dict(self.call("GET", f"/files/{file_id}").json())

    def ready(self, file_id: int) -> dict[str, Any]:
        """Wait until a worker has read the file."""
        eventually(lambda: self.show(file_id)["state"] == "ready", timeout=60)
        return self.show(file_id)


@pytest.fixture(scope="session")
def make_service(
    database: str, rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Service]:
    """``make_service(redis_url, STORAGE_FOLDER=...)``: a service, not started."""

    def make(
        redis: str, environ: Mapping[str, str] | None = None, **settings: Any
    ) -> Service:
        folder = tmp_path_factory.mktemp("service")
        standard = {
            "DATABASE_ENGINE_URL": database,
            "REDIS_URL": redis,
            "CELERY_BROKER_URL": rabbitmq.url,
            "CELERY_TASK_DEFAULT_QUEUE": f"files-{uuid4().hex}",
            "UPLOAD_LIMIT": LIMIT,
            # Tests wait until the readiness changes.
            "HEALTH_PERIOD": 0.2,
            **in_folder(folder / "objects").settings,
        }
        service = Service(folder, standard | settings, dict(environ or {}))
        service.write()
        return service

    return make


@pytest.fixture(scope="session")
def database(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the database that all services share; it has the tables."""
    from sqlalchemy import make_url

    url = make_url(postgresql.database()).set(password=PASSWORD)
    text = url.render_as_string(hide_password=False)
    service = Service(tmp_path_factory.mktemp("tables"), {"DATABASE_ENGINE_URL": text})
    service.write()
    with service.run("create-tables") as made:
        assert made.wait(60) == 0, made.output
    return text


@pytest.fixture(scope="package")
def private_redis() -> Iterator[RedisServer]:
    """A Redis for this package only: a test may stop it."""
    yield from provided(RedisServer())


@dataclass
class Bucket:
    """Where a service keeps its objects."""

    settings: dict[str, Any]
    keys: Callable[[], set[str]]


@pytest.fixture(scope="module", params=["local", "cos", "oss"])
def bucket(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bucket]:
    """The storage, by each vendor in turn."""
    with ExitStack() as stack:
        if request.param == "local":
            yield in_folder(tmp_path_factory.mktemp("objects"))
            return
        server: AbstractContextManager[Any]
        server = CosServer() if request.param == "cos" else OssServer()
        yield at_vendor(stack.enter_context(server))


def in_folder(folder: Path) -> Bucket:
    """A folder: every file is an object, except those that are being written."""

    def keys() -> set[str]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in files if TEMPORARY not in path.parts}

    return Bucket({"STORAGE_VENDOR": "local", "STORAGE_FOLDER": str(folder)}, keys)


def at_vendor(server: Any) -> Bucket:
    settings = {f"STORAGE_{k.upper()}": v for k, v in server.settings.items()}
    return Bucket(settings, lambda: set(server.buckets[server.bucket].objects))


@pytest.fixture(scope="module")
def service(
    make_service: Callable[..., Service], private_redis: RedisServer, bucket: Bucket
) -> Iterator[Service]:
    """A running service: a server and a worker."""
    settings = {"STORAGE_FOLDER": None, **bucket.settings}
    service = make_service(private_redis.url, **settings)
    with service.running():
        yield service
