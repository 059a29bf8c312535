"""A span for each command of one Redis client."""

from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from redis import Redis
from redis.exceptions import ResponseError, WatchError

from modern_flask.observability.instruments.redis import observe_commands

Spans = list[ReadableSpan]


@pytest.fixture
def redis(redis_url: str, spans: Spans) -> Any:
    client = Redis.from_url(redis_url)
    observe_commands(client, traced=True)
    yield client
    client.close()


def test_command(redis: Any, spans: Spans) -> None:
    """A command is a client span; its arguments and keys are hidden."""
    redis.set("ann@example.com", "secret", ex=10)
    assert redis.get("ann@example.com") == b"secret"

    first, second = spans

    assert (first.name, second.name) == ("SET", "GET")
    assert first.kind is SpanKind.CLIENT
    port = redis.connection_pool.connection_kwargs.get("port")
    assert dict(first.attributes or {}) == {
        "db.system.name": "redis",
        "db.namespace": "0",
        "db.operation.name": "SET",
        "db.query.text": "SET ? ? ? ?",
        "server.address": redis.connection_pool.connection_kwargs["host"],
        "server.port": port,
    }


def test_pipeline(redis: Any, spans: Spans) -> None:
    """A pipeline is one span with the number of its commands."""
    with redis.pipeline() as pipeline:
        pipeline.set("a", "secret").set("b", 2)
        assert pipeline.execute() == [True, True]
        pipeline.get("a").delete("b")
        pipeline.execute()
        assert pipeline.execute() == []

    alike, mixed = spans
    assert (alike.name, mixed.name) == ("PIPELINE SET", "PIPELINE")
    assert (alike.attributes or {})["db.operation.batch.size"] == 2
    assert (mixed.attributes or {})["db.query.text"] == "GET ?\nDEL ?"


def test_error(redis: Any, spans: Spans) -> None:
    """A command that Redis rejects is an error with its type."""
    redis.set("a", "text")
    with pytest.raises(ResponseError):
        redis.incr("a")

    span = spans[-1]
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ResponseError"


def test_transaction(redis: Any, redis_url: str, spans: Spans) -> None:
    """A watched key that changes raises as before, and is an error in its span."""
    other = Redis.from_url(redis_url)
    with redis.pipeline() as pipeline:
        pipeline.watch("a")
        other.set("a", 1)
        pipeline.multi()
        pipeline.set("a", 2)
        with pytest.raises(WatchError):
            pipeline.execute()
    other.close()

    assert (spans[-1].attributes or {})["error.type"] == "WatchError"


def test_other_clients_stay(redis: Any, redis_url: str, spans: Spans) -> None:
    """Another client, such as a broker's, makes no spans."""
    other = Redis.from_url(redis_url)
    other.set("a", 1)
    other.close()

    assert spans == []


def test_parent(redis: Any, spans: Spans) -> None:
    """A command's span is a child of the current span."""
    outer = trace.get_tracer("test").start_span("outer")
    with trace.use_span(outer):
        redis.get("a")

    assert spans[0].parent == outer.get_span_context()


def test_suppressed(redis: Any, spans: Spans) -> None:
    """Where instrumentation is suppressed there is no span."""
    token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        redis.get("a")
        redis.pipeline().get("a").execute()
    finally:
        context.detach(token)

    assert spans == []


def test_many_arguments(redis: Any, spans: Spans) -> None:
    """A command with thousands of arguments has a short text."""
    redis.mset({f"key{number}": 1 for number in range(5000)})

    assert len(str((spans[0].attributes or {})["db.query.text"])) < 200


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("GET secret", "GET"),
        (b"set secret secret", "set"),
        ("CONFIG GET secret", "CONFIG GET"),
        ("CLIENT  ID", "CLIENT ID"),
    ],
)
def test_command_in_one_text(
    redis: Any, spans: Spans, command: str | bytes, name: str
) -> None:
    """redis-py splits a text at spaces: all words but the command are hidden."""
    redis.execute_command(command)
    with redis.pipeline() as pipeline:
        pipeline.execute_command(command)
        pipeline.execute()

    single, batch = spans
    assert (single.name, batch.name) == (name, f"PIPELINE {name}")
    for span in spans:
        assert "secret" not in str(span.attributes)


def test_name_that_is_no_text(redis: Any, spans: Spans) -> None:
    """Redis rejects bytes that are not a command; tracing them raises nothing."""
    with pytest.raises(ResponseError):
        redis.execute_command(b"\xff")

    assert spans[0].name == "\ufffd"
