"""Tasks with a base class in real workers, with Redis and with RabbitMQ."""

from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import create_engine, text

from tests.servers.eventually import eventually
from tests.servers.processes import Process, python

SERVICE = """
from celery import Task, chord, shared_task
from flask import current_app
from sqlalchemy import text
from modern_flask import Container, SessionDep, create_app, inject, transactional

@transactional
@inject
def keep(word, session: SessionDep):
    values = {"word": f"{word} in {current_app.name}"}
    session.execute(text("insert into notes values (:word)"), values)

class Audited(Task):
    def before_start(self, *_): keep("before")
    def on_success(self, *_): keep("success")
    def on_failure(self, *_): keep("failure")
    def on_retry(self, *_): keep("retry")

@shared_task(name="add", base=Audited)
def add(number):
    keep(f"add {number}")
    return number

@shared_task(name="total")
def total(numbers):
    keep(f"total {sum(numbers)}")

@shared_task(name="lose", base=Audited, autoretry_for=(LookupError,), max_retries=1,
             retry_backoff=0, default_retry_delay=0)
@inject
def lose(session: SessionDep):
    session.execute(text("insert into notes values ('lost')"))
    raise LookupError

@shared_task(name="errback")
def errback(request, error, traceback):
    keep("errback")

@shared_task(name="begin")
def begin():
    chord([add.s(1), add.s(2)])(total.s())
    lose.apply_async(link_error=errback.s())

app = create_app("svc", Container())
"""


@pytest.mark.parametrize(
    ("broker", "pool"), [("redis_url", "prefork"), ("rabbitmq_url", "threads")]
)
def test_worker(
    broker: str,
    pool: str,
    redis_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Hooks, chords, retries and errbacks of such tasks run in the app's context."""
    (tmp_path / "service.py").write_text(SERVICE)
    url = f"sqlite:///{tmp_path / 'notes.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("create table notes (word text)"))
    broker_url = request.getfixturevalue(broker)
    queue = f"worker-{pool}"
    environ = {
        "FLASK_CELERY_BROKER_URL": broker_url,
        "FLASK_CELERY_RESULT_BACKEND": redis_url,
        "FLASK_CELERY_TASK_IGNORE_RESULT": "False",
        "FLASK_CELERY_TASK_DEFAULT_QUEUE": queue,
        "FLASK_DATABASE_ENGINE_URL": url,
        "OTEL_EXPORTER": "none",
    }
    with Celery(broker=broker_url, set_as_current=False) as sender:
        sender.send_task("begin", queue=queue)

    def read() -> list[str]:
        with engine.connect() as connection:
            return sorted(connection.scalars(text("select word from notes")))

    wanted = sorted(
        f"{word} in svc"
        for word in (
            *("before", "add 1", "success", "before", "add 2", "success", "total 3"),
            *("before", "retry", "before", "failure", "errback"),
        )
    )
    command = python("-m", "modern_flask.cli", "--app", "service", "worker")
    options = ("--pool", pool, "--concurrency", "2", "--without-gossip")
    log = tmp_path / "log"
    with Process(*command, *options, log=log, env=environ, cwd=tmp_path):
        eventually(lambda: read() == wanted, timeout=120)
    engine.dispose()
    assert "did not commit" not in log.read_text()
