"""Messages that wait in Celery's queues, counted by real brokers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from flask.testing import FlaskClient
from kombu import Queue
from prometheus_client import REGISTRY

from modern_flask import Container, create_app
from modern_flask.observability.metrics import queues
from modern_flask.observability.metrics.queues import measure_queues, queues_of
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import RedisServer

Waiting = Callable[[str], float | None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still: ``clock.now += seconds``."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(queues, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape that waits for a broker on a busy machine."""
    monkeypatch.setattr(queues, "DEADLINE", 30.0)


@pytest.fixture(params=["redis_url", "rabbitmq_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def make_celery() -> Iterator[Callable[..., Celery]]:
    """``make_celery(url)``: with a queue of its own, closed with the test."""
    with ExitStack() as stack:

        def make(url: str, **settings: Any) -> Celery:
            app = Celery(broker=url, set_as_current=False)
            app.conf.update(
                task_default_queue=f"queue-{uuid4().hex}",
                broker_transport_options={"socket_timeout": 600},
                **settings,
            )
            return stack.enter_context(app)

        yield make


def waiting(queue: str) -> float | None:
    """The number of messages in ``queue``, as a scrape exposes it."""
    return REGISTRY.get_sample_value("celery_queue_messages", {"queue": queue})


def test_messages_that_wait(
    make_celery: Callable[..., Celery],
    url: str,
    clock: SimpleNamespace,
    patient: None,
) -> None:
    """The broker counts the messages; a queue that does not exist has none."""
    name, urgent = f"queue-{uuid4().hex}", f"urgent-{uuid4().hex}"
    celery = make_celery(url, task_routes={"hurry": {"queue": urgent}})
    celery.conf.task_default_queue = name
    measure_queues(celery)

    assert (waiting(name), waiting(urgent)) == (0, 0)

    for _ in range(3):
        celery.send_task("sell")
    celery.send_task("hurry")
    clock.now += queues.KEPT
    assert (waiting(name), waiting(urgent)) == (3, 1)


def test_answer_is_kept(
    make_celery: Callable[..., Celery],
    redis_url: str,
    clock: SimpleNamespace,
    patient: None,
) -> None:
    """Frequent scrapes do not ask the broker each time."""
    celery = make_celery(redis_url)
    name = celery.conf.task_default_queue
    measure_queues(celery)
    waiting(name)
    celery.send_task("sell")

    clock.now += queues.KEPT - 0.1
    assert waiting(name) == 0
    clock.now += 0.1
    assert waiting(name) == 1


def test_broker_that_is_down(
    make_celery: Callable[..., Celery],
    private_server: Callable[..., RedisServer],
    clock: SimpleNamespace,
    patient: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """There is no number; one line says so, without any part of the URL."""
    server = private_server(RedisServer)
    celery = make_celery(server.url.replace("//", "//:hunter2@"))
    name = celery.conf.task_default_queue
    measure_queues(celery)
    server.stop()

    for _ in range(3):
        assert waiting(name) is None
        clock.now += queues.KEPT

    assert caplog.messages == [
        "The number of messages in Celery's queues is not known: "
        "OperationalError: connection refused."
    ]
    assert "hunter2" not in caplog.text


def test_scrape_does_not_hang(
    make_celery: Callable[..., Celery],
    monkeypatch: pytest.MonkeyPatch,
    clock: SimpleNamespace,
) -> None:
    """While the broker is silent, scrapes go on without it; only one thread asks."""
    monkeypatch.setattr(queues, "DEADLINE", 0.01)
    silence, asking = threading.Event(), count()

    def ask(*_: Any) -> dict[str, int]:
        next(asking)
        silence.wait(60)
        return {"late": 1}

    monkeypatch.setattr(queues, "ask_broker", ask)
    asked = queues._Queues(make_celery("memory://"))

    for _ in range(3):
        assert asked.depths() == {}
        clock.now += queues.KEPT

    assert asked._thread is not None
    assert asked._thread.is_alive()
    silence.set()
    asked._thread.join(60)
    assert next(asking) == 1


@pytest.mark.parametrize("when", ["connecting", "asking"])
@pytest.mark.parametrize("kind", ["redis_server", "rabbitmq"])
def test_broker_that_is_silent(
    request: pytest.FixtureRequest,
    make_celery: Callable[..., Celery],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    when: str,
) -> None:
    """A broker that freezes is given up, while connecting and afterwards."""
    server: RedisServer | RabbitMQ = request.getfixturevalue(kind)
    server.heal()
    request.addfinalizer(server.heal)
    really = queues.count_messages

    def freeze(*words: Any) -> int:
        server.pause()
        return really(*words)

    if when == "asking":
        monkeypatch.setattr(queues, "count_messages", freeze)
    else:
        server.pause()
    asked = queues._Queues(make_celery(server.url))

    assert asked.depths() == {}

    assert asked._thread is not None
    asked._thread.join(60)
    assert not asked._thread.is_alive()


def test_number_returns_with_the_broker(
    make_celery: Callable[..., Celery],
    private_server: Callable[..., RedisServer],
    clock: SimpleNamespace,
    patient: None,
) -> None:
    """A broker that returns after an outage is asked again."""
    server = private_server(RedisServer)
    celery = make_celery(server.url)
    name = celery.conf.task_default_queue
    measure_queues(celery)
    server.stop()
    assert waiting(name) is None

    server.start()

    clock.now += queues.KEPT
    assert waiting(name) == 0


def choose(name: str, *_: Any, **__: Any) -> dict[str, str]:
    """A route whose possible results are not known."""
    return {"queue": f"chosen-for-{name}"}


def test_queues_are_bounded(make_celery: Callable[..., Celery]) -> None:
    """Queues that the settings name are counted; those that a call invents are not."""
    celery = make_celery(
        "memory://",
        task_routes=[
            {"a": {"queue": "first"}, "b.*": "second", "c": {"priority": 3}},
            choose,
            [("d", {"queue": "third"}), ("e", {"queue": Queue("fourth")})],
            f"{__name__}.choose",
        ],
    )
    for number in range(50):
        celery.send_task("sell", queue=f"customer-{number}")

    default = celery.conf.task_default_queue
    assert queues_of(celery) == [default, "first", "second", "third", "fourth"]


def test_queues_of_a_worker(make_celery: Callable[..., Celery]) -> None:
    """A worker that gets its queues by -Q exposes these."""
    celery = make_celery("memory://")
    celery.amqp.queues.select(["slow", "slower"])

    assert queues_of(celery) == ["slow", "slower"]


def test_most_queues(make_celery: Callable[..., Celery]) -> None:
    """The number of queues is bounded, whatever the settings name."""
    routes = {f"task{number}": {"queue": f"queue{number}"} for number in range(500)}

    assert len(queues_of(make_celery("memory://", task_routes=routes))) == queues.MOST


def test_closed_app_is_not_asked(make_celery: Callable[..., Celery]) -> None:
    """A closed app that stays in memory costs a scrape nothing."""
    celery = make_celery("memory://")
    measure_queues(celery)
    celery.close()

    assert waiting(celery.conf.task_default_queue) is None


def test_two_apps_of_one_queue(
    make_celery: Callable[..., Celery], redis_url: str, patient: None
) -> None:
    """A queue is one series: Prometheus would reject a scrape that holds it twice."""
    celery, other = make_celery(redis_url), make_celery(redis_url)
    other.conf.task_default_queue = name = celery.conf.task_default_queue
    celery.send_task("sell")
    for app in (celery, other):
        measure_queues(app)

    samples = [
        sample
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.labels.get("queue") == name
    ]
    assert [sample.value for sample in samples] == [1]


def test_not_asked_between_scrapes(
    make_celery: Callable[..., Celery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is never scraped never asks the broker."""
    asked = count()
    monkeypatch.setattr(queues, "ask_broker", lambda *_: {str(next(asked)): 1})

    measure_queues(make_celery("memory://"))

    assert next(asked) == 0


def test_metrics_page(redis_url: str, tmp_path: Any, monkeypatch: Any) -> None:
    """/metrics of a service exposes its queue, with or without a worker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(queues, "DEADLINE", 30.0)
    name = f"queue-{uuid4().hex}"
    keys = {"CELERY_BROKER_URL": redis_url, "CELERY_TASK_DEFAULT_QUEUE": name}
    app = create_app("queues_of_a_shop", Container(), config=keys)
    client: FlaskClient = app.test_client()

    with app.running():
        app.container.celery().send_task("sell")
        text = client.get("/metrics").text

    assert f'celery_queue_messages{{queue="{name}"}} 1.0' in text
