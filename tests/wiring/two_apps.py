"""Two services in one process: prints what each of them did.

python -m tests.wiring.two_apps turn|together NAME TRACES BROKER NAME TRACES BROKER
"""

import gc
import json
import os
import re
import sys
import weakref
from typing import Any

import celery
from celery import shared_task
from sqlalchemy import text

import modern_flask
from modern_flask import Container, SessionDep, StorageDep, inject, transactional

COUNT = re.compile(
    r'^http_request_duration_seconds_count\{handler="/orders",.*\} (\S+)$', re.M
)


@shared_task(name="orders.note")
def note(service: str) -> None: ...


@transactional
@inject
def order(session: SessionDep, storage: StorageDep) -> str:
    session.execute(text("select 1"))
    note.delay(modern_flask.wiring.find("name"))
    return ""


class Service(Container):
    """An object that has its service's name."""

    name = Container.config.SERVICE_NAME


class Life:
    """One service, from its creation to its end."""

    def __init__(self, name: str, traces: str, broker: str) -> None:
        self.traces = traces
        self.keys = {
            "SERVICE_NAME": name,
            "DATABASE_ENGINE_URL": "sqlite+pysqlite:///:memory:",
            "STORAGE_VENDOR": "memory",
            "CELERY_BROKER_URL": broker,
        }

    def open(self) -> None:
        # Tracing reads the back end from the environment when it is opened.
        os.environ["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = self.traces
        name = self.keys["SERVICE_NAME"]
        self.app = app = modern_flask.create_app(
            name, Service(), config=self.keys, root_path="/"
        )
        app.add_url_rule("/orders", "order", order)
        self.running = app.running()
        self.running.__enter__()

    def send_requests(self) -> dict[str, Any]:
        """Send two requests; return the answers, their count and the broker."""
        client = self.app.test_client()
        # A request is counted when its body is read to the end and closed.
        answers = [client.get("/orders", buffered=True).status_code for _ in range(2)]
        metrics = client.get("/metrics", buffered=True).get_data(as_text=True)
        with self.app.app_context():
            current = celery.current_app.conf.broker_url
        return {
            "answers": answers,
            "count": sum(float(number) for number in COUNT.findall(metrics)),
            "families": metrics.count("# TYPE http_request_duration_seconds "),
            "current": [current, celery.current_app.conf.broker_url],
        }

    def close(self) -> list[str]:
        """The kinds of the objects that are still alive afterwards."""
        opened = [self.app.container.engine(), self.app.container.celery()]
        kept = [
            (type(one).__name__, weakref.ref(one))
            for one in (self.app, self.app.container, self.app.lifecycle, *opened)
        ]
        self.running.__exit__(None, None, None)
        del self.app, self.running, opened
        gc.collect()
        return [name for name, found in kept if found() is not None]


def main(order: str, *words: str) -> None:
    # Before the first app is made, as in a service that imports its tasks.
    proxy = celery.current_app
    lives = first, second = Life(*words[:3]), Life(*words[3:])
    seen: list[Any] = []
    if order == "turn":
        for life in lives:
            life.open()
            seen += [life.send_requests(), life.close()]
    else:
        for life in lives:
            life.open()
        seen += [
            first.send_requests(),
            second.send_requests(),
            first.close(),
            second.send_requests(),
            second.close(),
        ]
    sys.stdout.write(json.dumps([*seen, proxy.main]))


if __name__ == "__main__":
    main(*sys.argv[1:])
