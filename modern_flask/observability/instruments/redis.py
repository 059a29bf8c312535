"""A span for each command of one Redis client; other clients stay as they are.

Attributes are those of the stable conventions
(opentelemetry.io/docs/specs/semconv/database/redis). OpenTelemetry's own instrumentor
speaks the old names and puts what RediSearch finds into the span.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["trace_commands"]

# Commands whose second word is a command as well (redis.io/docs/latest/commands).
_CONTAINERS = frozenset(
    {"ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY"}
    | {"MEMORY", "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SENTINEL", "SLOWLOG"}
    | {"XGROUP", "XINFO"}
)
_LONGEST = 1000  # characters of the text of a pipeline


def trace_commands(client: Redis) -> None:
    """Make a client span for each command and each pipeline of ``client``."""
    commands = _Commands(client)
    client.execute_command = commands.execute  # type: ignore[method-assign]
    client.pipeline = commands.pipeline  # type: ignore[method-assign]


class _Commands:
    """The two ways on which a client sends, with a span around each."""

    def __init__(self, client: Redis) -> None:
        self._tracer = trace.get_tracer("modern_flask.redis")
        self._place = _place(client)
        self._execute: Any = client.execute_command
        self._pipeline: Any = client.pipeline

    def execute(self, *args: Any, **options: Any) -> Any:
        name = _name(args)
        told = {"db.operation.name": name, "db.query.text": _text(name, args)}
        return self._observed(name, told, lambda: self._execute(*args, **options))

    def pipeline(self, *args: Any, **options: Any) -> Any:
        made = self._pipeline(*args, **options)
        execute = made.execute

        def traced(*args: Any, **options: Any) -> Any:
            sent = [tuple(command[0]) for command in made.command_stack]
            if not sent:
                return execute(*args, **options)
            name, told = _of_pipeline(sent)
            return self._observed(name, told, lambda: execute(*args, **options))

        made.execute = traced
        return made

    def _observed(
        self, name: str, told: dict[str, Any], call: Callable[[], Any]
    ) -> Any:
        if context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return call()
        span = self._tracer.start_span(
            name, kind=SpanKind.CLIENT, attributes={**self._place, **told}
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


def _of_pipeline(sent: Sequence[Sequence[Any]]) -> tuple[str, dict[str, Any]]:
    """The span's name and attributes; many commands of one kind are named by it."""
    names = [_name(command) for command in sent]
    name = "PIPELINE" if len(set(names)) > 1 else f"PIPELINE {names[0]}"
    texts = "\n".join(map(_text, names, sent))
    return name, {
        "db.operation.name": name,
        "db.query.text": texts[:_LONGEST],
        "db.operation.batch.size": len(sent),
    }


def _place(client: Redis) -> dict[str, Any]:
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


def _name(args: Sequence[Any]) -> str:
    """The command. redis-py sends a text with spaces as several words.

    The second is an argument ("GET key"), but of a few commands that have others below.
    """
    name = args[0] if args else ""
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    if " " not in text:
        return text
    words = text.split()
    return " ".join(words[: 2 if words and words[0].upper() in _CONTAINERS else 1])


def _text(name: str, args: Sequence[Any]) -> str:
    """The command with ``?`` for each argument: keys name people, too."""
    return name + " ?" * min(len(args) - 1, 32)
