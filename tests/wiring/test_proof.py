"""The proof: real servers, PostgreSQL, many requests, many of them failing."""

import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

ROOT = Path(__file__).parents[2]
SERVICE = "tests.wiring.proof_service:create_app()"
ANSWER = 60  # seconds


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Engine]:
    """A table of orders, and an engine that keeps no connection."""
    engine = create_engine(postgresql_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("create table orders (number integer, open integer)"))
    yield engine
    engine.dispose()


def rows(database: Engine) -> list[int]:
    with database.begin() as connection:
        return sorted(connection.scalars(text("select number from orders")))


def connections(database: Engine) -> int:
    """The number of connections to the database, without the one that counts."""
    query = (
        "select count(*) - 1 from pg_stat_activity where datname = current_database()"
    )
    with database.begin() as connection:
        return int(connection.scalar(text(query)) or 0)


def environment(url: str, **more: str) -> dict[str, str | None]:
    keys = {
        "FLASK_DATABASE_ENGINE_URL": url,
        # The service has tasks. Only a worker sends and takes them.
        "FLASK_CELERY_BROKER_URL": "memory://",
        "OTEL_SDK_DISABLED": "true",
        **more,
    }
    return {"CONFIG_SOURCE": None, "PYTHONPATH": str(ROOT), **keys}


def send_order(port: int, number: int) -> int:
    """Send one order; every fifth is streamed, every tenth aborted after its status."""
    kind = "streams" if number % 5 == 0 else "orders"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER)
    with closing(connection):
        connection.request("POST", f"/{kind}/{number}", headers={"Content-Length": "0"})
        response = connection.getresponse()
        if number % 10:
            response.read()
        return response.status


@pytest.mark.proof
def test_requests(
    database: Engine,
    postgresql_url: str,
    tmp_path: Path,
    proof_size: Callable[[int], int],
) -> None:
    """Failed requests leave no row, the others leave one; each has one session."""
    number, port = proof_size(3000), free_port()
    server = python("-m", "gunicorn", "-c", "python:modern_flask.server.settings")
    options = ["-k", "gthread", "--threads", "8", "-b", f"127.0.0.1:{port}"]
    log = tmp_path / "server.log"

    with Process(
        *server, *options, SERVICE, log=log, env=environment(postgresql_url), cwd=ROOT
    ) as process:
        process.wait_for_line(r"Booting worker", 60)
        wanted = range(1, number + 1)
        with ThreadPoolExecutor(16) as clients:
            answers = list(clients.map(lambda n: send_order(port, n), wanted))
        ended = eventually(lambda: read_final_counts(port), 30)
        process.stop()

    assert answers == [422 if n % 3 == 0 else 200 for n in wanted]
    assert rows(database) == [n for n in wanted if n % 3]
    assert ended == {"opened": number, "closed": number, "checked out": 0}
    eventually(lambda: connections(database) == 0)
    assert "Traceback" not in log.read_text()


def read_final_counts(port: int) -> dict[str, Any] | None:
    """The service's counts, once all its sessions are closed."""
    import json

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER)
    with closing(connection):
        connection.request("GET", "/counts")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    return found if found.get("opened") == found.get("closed") else None


@pytest.mark.proof
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_tasks(
    pool: str,
    database: Engine,
    postgresql_url: str,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: Any,
    proof_size: Callable[[int], int],
) -> None:
    """In Celery's pools, failed tasks leave no row, and each task has its own scope."""
    number = proof_size(1000)
    keys = environment(postgresql_url, FLASK_CELERY_BROKER_URL=redis_url)
    worker = python("-m", "modern_flask.cli", "--app", SERVICE, "worker", "-c", "4")
    # It does not look for other workers, which would take a second.
    worker += ["--pool", pool, "--without-mingle", "--without-gossip"]
    log = tmp_path / "worker.log"

    with Process(*worker, log=log, env=keys, cwd=ROOT) as process:
        process.wait_for_line(r"ready\.", 60)
        send(number, keys, monkeypatch)
        ended = r"Task orders\.note\[.*\] (succeeded|raised)"
        eventually(lambda: len(lines(log, ended)) >= number, 120)
        process.stop(timeout=60)

    assert rows(database) == [n for n in range(1, number + 1) if n % 3]
    with database.begin() as connection:
        most = connection.scalar(text("select max(open) from orders"))
    # The largest number of sessions that were open in a process at once.
    assert most == 1 if pool == "prefork" else most <= 4
    eventually(lambda: connections(database) == 0)


def send(number: int, keys: dict[str, str | None], monkeypatch: Any) -> None:
    for name, value in keys.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    from tests.wiring import proof_service

    app = proof_service.create_app()
    with app.app_context():
        for one in range(1, number + 1):
            proof_service.note.delay(one)
    from modern_flask.wiring import get_bound

    get_bound(app).lifecycle.close()


def lines(log: Path, pattern: str) -> list[str]:
    import re

    return [line for line in log.read_text().splitlines() if re.search(pattern, line)]
