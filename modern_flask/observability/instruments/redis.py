"""Observes each command of one Redis client. Other clients do not change.

A command is measured, and gets a span.

The attributes follow the stable conventions
(opentelemetry.io/docs/specs/semconv/database/redis). OpenTelemetry's own instrumentor
uses the old names, and puts results of RediSearch into the span.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from threading import local
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from redis.exceptions import ConnectionError, TimeoutError, WatchError
from redis.sentinel import SentinelConnectionPool

from ..metrics.operations import record_operations
from ..sdk import is_suppressed

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["observe_commands"]

# Commands whose second word is part of the command (redis.io/docs/latest/commands).
_CONTAINERS = frozenset(
    {"ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY"}
    | {"MEMORY", "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG"}
    | {"XGROUP", "XINFO"}
)
_LONGEST = 1000  # characters of the text of a pipeline


def observe_commands(
    client: Redis, *, traced: bool = False, measured: bool = False
) -> None:
    """Observe each command and each pipeline of ``client``; a later call adds to it.

    Args:
        client: The client.
        traced: Whether each command gets a client span.
        measured: Whether the duration of each command is recorded.
    """
    commands = getattr(client.execute_command, "__self__", None)
    if not isinstance(commands, _Commands):
        commands = _Commands(client)
        client.execute_command = commands.execute  # type: ignore[method-assign]
        client.pipeline = commands.pipeline  # type: ignore[method-assign]
    if traced:
        commands.trace()
    if measured:
        commands.measure()


class _Commands:
    """Wraps the methods with which a client sends commands."""

    _traced = False
    _record: Any = None
    _tracer: Any = None

    def __init__(self, client: Redis) -> None:
        self._target = _describe_target(client)
        self._execute: Any = client.execute_command
        self._pipeline: Any = client.pipeline
        self._pool = client.connection_pool
        self._nodes: _Nodes | None = None

    def trace(self) -> None:
        """Make a client span for each command from now on."""
        self._tracer = trace.get_tracer("modern_flask.redis")
        if self._nodes is None and isinstance(self._pool, SentinelConnectionPool):
            self._nodes = _Nodes(self._pool)
        self._traced = True

    def measure(self) -> None:
        """Record the duration of each command from now on."""
        self._record = record_operations(self._target)

    def execute(self, *args: Any, **options: Any) -> Any:
        return self.send(partial(self._execute, *args, **options), args)

    def send(
        self, call: Callable[[], Any], args: Sequence[Any], connection: Any = None
    ) -> Any:
        """Observe one command.

        Args:
            call: Sends the command.
            args: The command and its arguments.
            connection: The connection that is used; None for one of the pool.
        """
        name = _find_name(args)
        if not self._traced:
            return self._measure(name, call)
        described = {
            "db.operation.name": name,
            "db.query.text": _describe_command(name, args),
        }
        return self._trace(name, described, call, connection)

    def pipeline(self, *args: Any, **options: Any) -> Any:
        made = self._pipeline(*args, **options)
        # Its own methods would refer to it: a pipeline that is dropped after WATCH
        # would return its connection only when the garbage collector runs.
        kind: Any = type(made)
        made.__class__ = _make_traced_class(kind)
        made.commands = self
        return made

    def send_pipeline(self, pipeline: Any, call: Callable[[], Any]) -> Any:
        """Observe the sending of all commands that ``pipeline`` has collected."""
        sent = [tuple(command[0]) for command in pipeline.command_stack]
        if not sent and not pipeline.watching:
            return call()
        transaction = pipeline.transaction or pipeline.explicit_transaction
        name, described = _describe_pipeline(
            "MULTI" if transaction else "PIPELINE", sent
        )
        return self._trace(name, described, call, pipeline.connection)

    def _measure(self, name: str, call: Callable[[], Any]) -> Any:
        record = self._record
        if record is None:
            return call()
        begun, kind = perf_counter(), ""
        try:
            return call()
        except Exception as error:
            if (failure := _find_failure(error)) is not None:
                kind = type(failure).__name__
            raise
        finally:
            record(name.upper(), kind, perf_counter() - begun)

    def _trace(
        self,
        name: str,
        described: dict[str, Any],
        call: Callable[[], Any],
        connection: Any = None,
    ) -> Any:
        if self._record is not None:
            call = partial(self._measure, name, call)
        if not self._traced or is_suppressed():
            return call()
        span = self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes={**self._target, **described}
        )
        nodes = self._nodes
        if nodes is not None:
            nodes.note(connection)
        try:
            return call()
        except Exception as error:
            if (failure := _find_failure(error)) is not None:
                kind = type(failure).__name__
                span.set_attribute("error.type", kind)
                span.set_status(Status(StatusCode.ERROR, kind))
            raise
        finally:
            if nodes is not None:
                span.set_attributes(nodes.describe())
            span.end()


class _Traced:
    """The methods with which a pipeline sends commands, observed."""

    commands: _Commands
    connection: Any

    def execute(self, *args: Any, **options: Any) -> Any:
        call: Any = super().execute  # type: ignore[misc]
        return self.commands.send_pipeline(self, lambda: call(*args, **options))

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        call: Any = super().immediate_execute_command  # type: ignore[misc]
        return self.commands.send(lambda: call(*args, **options), args, self.connection)


@lru_cache
def _make_traced_class(kind: type) -> type:
    return type(kind.__name__, (_Traced, kind), {"__module__": kind.__module__})


class _Nodes:
    """Finds the node to which a client of Sentinel has sent a command.

    Sentinel names the node when a connection opens, and after a failure it is another.
    """

    def __init__(self, pool: Any) -> None:
        self._used = local()
        self._get: Callable[..., Any] = pool.get_connection
        pool.get_connection = self._get_connection

    def note(self, connection: Any) -> None:
        """Keep the connection that this thread is going to use, if it has one."""
        self._used.connection = connection

    def describe(self) -> dict[str, Any]:
        """Return the attributes of the node; empty if none was reached."""
        connection = self._used.connection
        if connection is None:
            return {}
        host, port = connection.host, connection.port
        return {
            "server.address": host,
            "server.port": port,
            "network.peer.address": host,
            "network.peer.port": port,
        }

    def _get_connection(self, *args: Any, **options: Any) -> Any:
        connection = self._used.connection = self._get(*args, **options)
        return connection


def _find_failure(error: Exception) -> BaseException | None:
    """Return what failed; None if another client has changed a watched key.

    That is an answer, and the caller tries again. If the connection is lost while keys
    are watched, redis-py raises the same class.
    """
    if not isinstance(error, WatchError):
        return error
    lost = error.__context__
    return lost if isinstance(lost, ConnectionError | TimeoutError) else None


def _describe_pipeline(
    kind: str, sent: Sequence[Sequence[Any]]
) -> tuple[str, dict[str, Any]]:
    """Return the name and attributes of a pipeline's span.

    If all commands are of one kind, their name is part of the span's name.

    Args:
        kind: ``MULTI`` for a transaction, else ``PIPELINE``.
        sent: The commands.
    """
    names = [_find_name(command) for command in sent]
    name = f"{kind} {names[0]}" if len(set(names)) == 1 else kind
    # A command has at least one character, and a line break.
    texts = "\n".join(map(_describe_command, names, sent[: _LONGEST // 2]))
    described = {"db.operation.name": name, "db.query.text": texts[:_LONGEST]}
    if len(sent) == 1:
        return name, described
    return name, {**described, "db.operation.batch.size": len(sent)}


def _describe_target(client: Redis) -> dict[str, Any]:
    options = client.connection_pool.connection_kwargs
    found: dict[str, Any] = {
        "db.system.name": "redis",
        "db.namespace": str(options.get("db") or 0),
    }
    if isinstance(client.connection_pool, SentinelConnectionPool):
        return found
    if "path" in options:
        return {**found, "server.address": options["path"]}
    port = options.get("port", 6379)
    return {
        **found,
        "server.address": options.get("host", "localhost"),
        "server.port": port,
    }


def _find_name(args: Sequence[Any]) -> str:
    """Return the name of a command. redis-py splits a text with spaces into words.

    The second word is an argument ("GET key"), except for the few commands with
    subcommands.
    """
    name = args[0] if args else ""
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    if " " not in text:
        return text
    words = text.split()
    return " ".join(words[: 2 if words and words[0].upper() in _CONTAINERS else 1])


def _describe_command(name: str, args: Sequence[Any]) -> str:
    """Return the command with ``?`` for each argument: a key may name a person."""
    return name + " ?" * min(len(args) - 1, 32)
