"""A span for each command of one Redis client."""

import gc
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ConnectionError, ResponseError, WatchError
from redis.retry import Retry
from redis.sentinel import Sentinel

from modern_flask.observability.instruments.redis import observe_commands
from tests.servers.eventually import eventually
from tests.servers.redis import RedisServer, SentinelServer

Spans = list[ReadableSpan]
NEVER = Retry(NoBackoff(), 0)


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
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.set("a", "secret").set("b", 2)
        assert pipeline.execute() == [True, True]
        pipeline.get("a").delete("b")
        pipeline.execute()
        assert pipeline.execute() == []

    alike, mixed = spans
    assert (alike.name, mixed.name) == ("PIPELINE SET", "PIPELINE")
    assert (alike.attributes or {})["db.operation.name"] == "PIPELINE SET"
    assert (alike.attributes or {})["db.operation.batch.size"] == 2
    assert (mixed.attributes or {})["db.query.text"] == "GET ?\nDEL ?"


def test_transaction(redis: Any, spans: Spans) -> None:
    """A transaction is a span that is named MULTI."""
    with redis.pipeline() as pipeline:
        pipeline.set("a", 1).set("b", 2).execute()
        pipeline.set("a", 1).get("b").execute()
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.watch("a")
        pipeline.multi()
        pipeline.set("a", 3)
        pipeline.execute()

    alike, mixed, watch, explicit = spans
    assert (alike.name, mixed.name) == ("MULTI SET", "MULTI")
    assert (watch.name, explicit.name) == ("WATCH", "MULTI SET")
    assert (mixed.attributes or {})["db.operation.batch.size"] == 2
    assert "db.operation.batch.size" not in (explicit.attributes or {})


def test_error(redis: Any, spans: Spans) -> None:
    """A command that Redis rejects is an error with its type."""
    redis.set("a", "text")
    with pytest.raises(ResponseError):
        redis.incr("a")

    span = spans[-1]
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ResponseError"


def test_commands_sent_at_once(redis: Any, spans: Spans) -> None:
    """After WATCH, a pipeline sends commands at once, and each has a span."""
    redis.set("a", 1)
    spans.clear()

    def increase(pipeline: Any) -> None:
        value = int(pipeline.get("a"))
        pipeline.multi()
        pipeline.set("a", value + 1)

    redis.transaction(increase, "a")

    assert [span.name for span in spans] == ["WATCH", "GET", "MULTI SET"]
    assert (spans[1].attributes or {})["db.query.text"] == "GET ?"
    assert all(span.kind is SpanKind.CLIENT for span in spans)


def test_script_of_a_pipeline(redis: Any, spans: Spans) -> None:
    """A pipeline that loads a script first has spans for the commands of that."""
    redis.script_flush()
    script = redis.register_script("return redis.call('get', KEYS[1])")
    spans.clear()

    with redis.pipeline() as pipeline:
        script(keys=["a"], client=pipeline)
        pipeline.execute()

    names = [span.name for span in spans]
    assert names == ["SCRIPT EXISTS", "SCRIPT LOAD", "MULTI EVALSHA"]


def test_empty_transaction(redis: Any, spans: Spans) -> None:
    """A transaction without commands is sent if keys are watched."""
    with redis.pipeline() as pipeline:
        pipeline.watch("a")
        assert pipeline.execute() == []

    assert [span.name for span in spans] == ["WATCH", "MULTI"]
    assert (spans[1].attributes or {})["db.operation.batch.size"] == 0


def test_watched_key_that_changes(redis: Any, redis_url: str, spans: Spans) -> None:
    """A watched key that changes raises as before, and is no error."""
    other = Redis.from_url(redis_url)
    with redis.pipeline() as pipeline:
        pipeline.watch("a")
        other.set("a", 1)
        pipeline.multi()
        pipeline.set("a", 2)
        with pytest.raises(WatchError):
            pipeline.execute()
    other.close()

    span = spans[-1]
    assert span.name == "MULTI SET"
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in (span.attributes or {})
    assert span.events == ()


@pytest.mark.parametrize("queued", [False, True])
def test_connection_lost_while_watching(
    redis: Any, redis_url: str, spans: Spans, queued: bool
) -> None:
    """redis-py reports a lost connection as a WatchError; that is an error."""
    other = Redis.from_url(redis_url)
    with redis.pipeline() as pipeline:
        pipeline.watch("a")
        other.client_kill_filter(_id=pipeline.client_id(), skipme=False)
        if queued:
            pipeline.multi()
            pipeline.set("a", 2)
        with pytest.raises(WatchError):
            pipeline.execute() if queued else pipeline.set("a", 2)
    other.close()

    span = next(span for span in spans if "SET" in span.name)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ConnectionError"


def test_dropped_pipeline(redis: Any, spans: Spans) -> None:
    """A pipeline that is dropped returns its connection at once."""
    gc.disable()
    try:
        pipeline = redis.pipeline()
        pipeline.watch("a")
        connection = pipeline.connection
        del pipeline
        assert redis.connection_pool.get_connection() is connection
    finally:
        gc.enable()


def test_pipeline_keeps_its_class(redis: Any) -> None:
    """A traced pipeline is an instance of the class that the client makes."""
    pipeline = redis.pipeline()

    assert isinstance(pipeline, Pipeline)
    assert type(pipeline) is type(redis.pipeline())
    assert repr(type(pipeline)) == repr(Pipeline)


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
    with redis.pipeline(transaction=False) as pipeline:
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


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, private_server: Any) -> Any:
    """A master, its replica and a Sentinel that watches them."""
    monkeypatch.delenv(RedisServer.variable, raising=False)
    master, replica = private_server(RedisServer), private_server(RedisServer)
    with Redis(port=replica.port) as client:
        client.replicaof("127.0.0.1", master.port)
        eventually(lambda: client.info("replication")["master_link_status"] == "up")
    return master, replica, private_server(lambda: SentinelServer(master.port))


def fail_over(sentinel: Sentinel) -> bool:
    """Let Sentinel promote the replica, once it knows the replica's state."""
    try:
        return bool(sentinel.sentinels[0].sentinel_failover("shop"))
    except ResponseError:
        return False


def test_sentinel(nodes: Any, spans: Spans) -> None:
    """With Sentinel, a span has the address of the node that got the command."""
    master, replica, server = nodes
    sentinel = Sentinel([("127.0.0.1", server.port)])
    clients: Any = [sentinel.master_for("shop", db=0), sentinel.slave_for("shop")]
    for client in clients:
        observe_commands(client, traced=True)
    writer, reader = clients
    eventually(lambda: sentinel.discover_slaves("shop"))

    def find_ports() -> list[object]:
        spans.clear()
        with writer.pipeline() as pipeline:
            pipeline.watch("a")
            writer.set("a", 1)
            pipeline.multi()
            pipeline.reset()
        writer.pipeline().set("a", 1).execute()
        reader.get("a")
        names = [span.name for span in spans]
        assert names == ["WATCH", "SET", "MULTI SET", "GET"]
        addresses = [(span.attributes or {})["server.address"] for span in spans]
        assert set(addresses) == {"127.0.0.1"}
        return [(span.attributes or {})["server.port"] for span in spans]

    before = find_ports()
    eventually(lambda: fail_over(sentinel))
    eventually(lambda: sentinel.discover_master("shop")[1] == replica.port)
    with Redis(port=replica.port) as promoted:
        eventually(lambda: promoted.role()[0] == b"master")
    writer.connection_pool.disconnect()
    after = find_ports()

    assert before == [master.port] * 3 + [replica.port]
    assert after[:3] == [replica.port] * 3
    peers = [(span.attributes or {})["network.peer.port"] for span in spans]
    assert peers == after
    for client in (*clients, *sentinel.sentinels):
        client.close()


def test_sentinel_without_a_master(spans: Spans) -> None:
    """A span names no address if no node was reached."""
    nobody = Sentinel([("127.0.0.1", 9)], sentinel_kwargs={"retry": NEVER})
    client: Any = nobody.master_for("shop", retry=NEVER)
    observe_commands(client, traced=True)

    with pytest.raises(ConnectionError):
        client.get("a")

    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    assert "server.address" not in (span.attributes or {})
