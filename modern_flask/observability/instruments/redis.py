"""Observes each command of one Redis client. Other clients do not change.

A command is measured, and gets a span.

The attributes follow the stable conventions
(opentelemetry.io/docs/specs/semconv/database/redis). OpenTelemetry's own instrumentor
uses the old names, and puts results of RediSearch into the span.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

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
    """Wraps the two methods with which a client sends commands, to make spans."""

    _traced = False
    _record: Any = None
    _tracer: Any = None

    def __init__(self, client: Redis) -> None:
        self._target = _describe_target(client)
        self._execute: Any = client.execute_command
        self._pipeline: Any = client.pipeline

    def trace(self) -> None:
        """Make a client span for each command from now on."""
        self._tracer = trace.get_tracer("modern_flask.redis")
        self._traced = True

    def measure(self) -> None:
        """Record the duration of each command from now on."""
        self._record = record_operations(self._target)

    def execute(self, *args: Any, **options: Any) -> Any:
        name = _find_name(args)
        if not self._traced:
            return self._measure(name, partial(self._execute, *args, **options))
        described = {
            "db.operation.name": name,
            "db.query.text": _describe_command(name, args),
        }
        return self._trace(name, described, lambda: self._execute(*args, **options))

    def pipeline(self, *args: Any, **options: Any) -> Any:
        made = self._pipeline(*args, **options)
        execute = made.execute

        def execute_traced(*args: Any, **options: Any) -> Any:
            sent = [tuple(command[0]) for command in made.command_stack]
            if not sent:
                return execute(*args, **options)
            name, described = _describe_pipeline(sent)
            return self._trace(name, described, lambda: execute(*args, **options))

        made.execute = execute_traced
        return made

    def _measure(self, name: str, call: Callable[[], Any]) -> Any:
        record = self._record
        if record is None:
            return call()
        begun, kind = perf_counter(), ""
        try:
            return call()
        except Exception as error:
            kind = type(error).__name__
            if kind == "WatchError":
                # A lost race for a watched key is an answer, and no error.
                kind = ""
            raise
        finally:
            record(name.upper(), kind, perf_counter() - begun)

    def _trace(
        self, name: str, described: dict[str, Any], call: Callable[[], Any]
    ) -> Any:
        if self._record is not None:
            call = partial(self._measure, name, call)
        if not self._traced or is_suppressed():
            return call()
        span = self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes={**self._target, **described}
        )
        try:
            return call()
        except Exception as error:
            kind = type(error).__name__
            span.set_attribute("error.type", kind)
            span.set_status(Status(StatusCode.ERROR, kind))
            raise
        finally:
            span.end()


def _describe_pipeline(sent: Sequence[Sequence[Any]]) -> tuple[str, dict[str, Any]]:
    """Return the name and attributes of a pipeline's span.

    If all commands are of one kind, their name is part of the span's name.
    """
    names = [_find_name(command) for command in sent]
    name = "PIPELINE" if len(set(names)) > 1 else f"PIPELINE {names[0]}"
    # A command has at least one character, and a line break.
    texts = "\n".join(map(_describe_command, names, sent[: _LONGEST // 2]))
    return name, {
        "db.operation.name": name,
        "db.query.text": texts[:_LONGEST],
        "db.operation.batch.size": len(sent),
    }


def _describe_target(client: Redis) -> dict[str, Any]:
    options = client.connection_pool.connection_kwargs
    found: dict[str, Any] = {
        "db.system.name": "redis",
        "db.namespace": str(options.get("db") or 0),
    }
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
