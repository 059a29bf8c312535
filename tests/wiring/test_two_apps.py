"""The process-wide parts of the kit, under apps that are opened and closed."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dependency_injector.wiring import inject as library_inject
from redis import Redis

import modern_flask
from modern_flask import Provide, inject
from modern_flask.app import faults
from tests.servers.collectors import ZipkinCollector
from tests.servers.processes import merged, python

ROOT = Path(__file__).parents[2]


def run_services(
    order: str, brokers: list[str]
) -> tuple[list[Any], list[Counter[str]]]:
    """What the services printed, in their own process, and the spans of each."""
    with ZipkinCollector() as one, ZipkinCollector() as two:
        words = ["first", one.url, brokers[0], "second", two.url, brokers[1]]
        done = subprocess.run(
            python("-W", "error", "-m", "tests.wiring.two_apps", order, *words),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=90,
            env=merged({"CONFIG_SOURCE": None, "OTEL_EXPORTER": "zipkin"}),
        )
        assert done.returncode == 0, done.stderr
        # An app has sent all of its spans when it is closed.
        return json.loads(done.stdout), [count_requests(one), count_requests(two)]


def count_requests(collector: ZipkinCollector) -> Counter[str]:
    """The number of spans of requests, by name."""
    return Counter(
        span["name"] for span in collector.spans if span.get("kind") == "SERVER"
    )


def read_queue(url: str) -> list[str]:
    """The arguments of the tasks that wait in a broker's queue."""
    with Redis.from_url(url) as broker:
        messages: Any = broker.lrange("celery", 0, -1)
    return [json.loads(message)["headers"]["argsrepr"] for message in messages]


@pytest.fixture
def brokers(redis_url: str) -> list[str]:
    """Two databases of the test run's Redis, both empty."""
    second = redis_url.rpartition("/")[0] + "/1"
    with Redis.from_url(second) as broker:
        broker.flushdb()
    return [redis_url, second]


def make_answer(count: int, broker: str, elsewhere: str = "") -> dict[str, Any]:
    """Two requests that succeeded, and the number of all requests so far."""
    current = [broker, elsewhere or broker]
    return {"answers": [200, 200], "count": count, "families": 1, "current": current}


def test_opened_and_closed_in_turn(brokers: list[str]) -> None:
    """The process-wide parts of the kit work for two apps, one after the other.

    Each app's spans reach its own backend and its tasks its own broker, the counts of
    requests continue, and nothing of a closed app stays in memory.
    """
    seen, spans = run_services("turn", brokers)

    nothing: list[str] = []
    assert seen == [
        *(make_answer(2, brokers[0]), nothing),
        *(make_answer(4, brokers[1]), nothing),
        "default",
    ]
    assert spans == [Counter({"GET /orders": 2})] * 2
    assert read_queue(brokers[0]) == ["('first',)"] * 2
    assert read_queue(brokers[1]) == ["('second',)"] * 2


def test_closed_beside_another(brokers: list[str]) -> None:
    """An app that is closed takes nothing from an app that is open beside it.

    Both backends belong to the process as long as both apps are open: it has one tracer
    provider, which knows no apps.
    """
    seen, spans = run_services("together", brokers)

    first, second, left, again, nothing, _ = seen
    assert [first["count"], second["count"], again["count"]] == [2, 4, 6]
    assert [first["current"][0], second["current"][0]] == brokers
    assert again == make_answer(6, brokers[1])
    assert (left, nothing) == ([], [])
    assert spans == [Counter({"GET /orders": 4}), Counter({"GET /orders": 6})]
    assert read_queue(brokers[0]) == ["('first',)"] * 2
    assert read_queue(brokers[1]) == ["('second',)"] * 4


@pytest.mark.parametrize("decorate", [inject, library_inject])
def test_option_as_a_marker_in_many_apps(
    decorate: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    """An option of the class's configuration is injected in each app of the process."""
    monkeypatch.chdir(tmp_path)

    @decorate
    def view(
        limit: int = Provide[modern_flask.Container.config.LIMIT_OF_APPS],
        half: int = Provide[modern_flask.Container.config.HALF_OF_APPS.as_int()],
    ) -> str:
        return f"{limit} {half}"

    for number in (1, 2, 3):
        config = {"LIMIT_OF_APPS": number, "HALF_OF_APPS": "5"}
        app = modern_flask.create_app(f"app{number}", config=config)
        app.add_url_rule("/", "view", view)

        assert faults(app) == []
        assert app.test_client().get("/").text == f"{number} 5"
        app.lifecycle.close()
