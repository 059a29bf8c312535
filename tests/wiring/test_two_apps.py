"""What is process-wide by nature, under apps that come and go."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.servers.collectors import ZipkinCollector
from tests.servers.processes import merged, python

ROOT = Path(__file__).parents[2]


def lived(order: str, brokers: list[str]) -> tuple[list[Any], list[Counter[str]]]:
    """What the services saw, in a process of their own; and the spans of each."""
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
        # An app that was closed has sent all of its spans.
        return json.loads(done.stdout), [requests(one), requests(two)]


def requests(collector: ZipkinCollector) -> Counter[str]:
    """The spans of requests, by name."""
    return Counter(
        span["name"] for span in collector.spans if span.get("kind") == "SERVER"
    )


def queued(url: str) -> list[str]:
    """The arguments of the tasks that wait in a broker's queue."""
    with Redis.from_url(url) as broker:
        messages: Any = broker.lrange("celery", 0, -1)
    return [json.loads(message)["headers"]["argsrepr"] for message in messages]


@pytest.fixture
def brokers(redis_url: str) -> list[str]:
    """Two databases of the run's Redis, both empty."""
    second = redis_url.rpartition("/")[0] + "/1"
    with Redis.from_url(second) as broker:
        broker.flushdb()
    return [redis_url, second]


def answer(count: int, broker: str, elsewhere: str = "") -> dict[str, Any]:
    """Two requests that went well, and all that were counted up to then."""
    current = [broker, elsewhere or broker]
    return {"answers": [200, 200], "count": count, "families": 1, "current": current}


def test_opened_and_closed_in_turn(brokers: list[str]) -> None:
    """Tracer provider, metric families and Celery's current app survive two apps.

    Each app's spans reach its own backend, its tasks its own broker; requests are
    counted on; and of an app that was closed nothing is left.
    """
    seen, spans = lived("turn", brokers)

    nothing: list[str] = []
    assert seen == [
        *(answer(2, brokers[0]), nothing),
        *(answer(4, brokers[1]), nothing),
        "default",
    ]
    assert spans == [Counter({"GET /orders": 2})] * 2
    assert queued(brokers[0]) == ["('first',)"] * 2
    assert queued(brokers[1]) == ["('second',)"] * 2


def test_closed_beside_another(brokers: list[str]) -> None:
    """An app that is closed takes nothing from one that is open beside it.

    Both backends are the process's as long as both are open: it has one tracer
    provider, which knows no apps.
    """
    seen, spans = lived("together", brokers)

    first, second, left, again, nothing, _ = seen
    assert [first["count"], second["count"], again["count"]] == [2, 4, 6]
    assert [first["current"][0], second["current"][0]] == brokers
    assert again == answer(6, brokers[1])
    assert (left, nothing) == ([], [])
    assert spans == [Counter({"GET /orders": 4}), Counter({"GET /orders": 6})]
    assert queued(brokers[0]) == ["('first',)"] * 2
    assert queued(brokers[1]) == ["('second',)"] * 4
