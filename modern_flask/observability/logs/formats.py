"""The formats of log lines, for people and for machines, with secrets masked."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from traceback import TracebackException
from typing import Any

from ...config.masking import redact, redact_lines
from ...config.values import find_key, find_origin
from ...errors import UnknownChoice
from .extra import add_extra, mask_text
from .fields import FIELDS, ROUTE, find_service

__all__ = ["TEXT", "JsonFormatter", "TextFormatter", "has_trace_ids", "make_formatter"]

_FORMATS = ("text", "json", "a format of logging, such as %(levelname)s %(message)s")

# The line of modern_flask 202207b1, which existing parsers of logs know.
TEXT = (
    "%(asctime)s %(levelname)s [%(name)s] [%(filename)s:%(lineno)d] "
    "[trace_id=%(otelTraceID)s span_id=%(otelSpanID)s "
    "resource.service.name=%(otelServiceName)s] - %(message)s"
)
# The members of a JSON line. A field of a record with such a name gets a prefix.
_MEMBERS = frozenset(
    {"time", "level", "logger", "message", "service", "route", "trace_id", "span_id"}
    | {"exception", "stack"}
)
# The exception's name is never masked: InvalidToken is not a secret.
_NAME = re.compile(r"[\w.<>]+: ")


def make_formatter(settings: Mapping[str, Any]) -> logging.Formatter:
    """Make the formatter that the ``LOGGING_`` section names.

    Args:
        settings: ``format``: ``text``, ``json`` or a format of :mod:`logging`.

    Raises:
        UnknownChoice: The format does not exist.
    """
    key, origin = find_key(settings, "format"), find_origin(settings, "format")
    chosen = settings.get("format")
    if not chosen:
        key, origin = "OTEL_PYTHON_LOG_FORMAT", None
        chosen = os.environ.get(key)
    if chosen == "json":
        return JsonFormatter()
    if not chosen or chosen == "text":
        chosen = TEXT if has_trace_ids() else logging.BASIC_FORMAT
    try:
        return TextFormatter(chosen)
    except (TypeError, ValueError):
        raise UnknownChoice(key, chosen, "format", origin, _FORMATS) from None


def has_trace_ids() -> bool:
    """Whether records have trace ids. ``OTEL_PYTHON_LOG_CORRELATION`` can be false."""
    return os.environ.get("OTEL_PYTHON_LOG_CORRELATION", "true").lower() != "false"


class TextFormatter(logging.Formatter):
    """Formats a record as a line for people."""

    def __init__(self, layout: str) -> None:
        # The defaults are for a record that another factory has made.
        super().__init__(layout, defaults=FIELDS)

    def format(self, record: logging.LogRecord) -> str:
        # Another handler's formatter may have left a text that is not masked.
        left, record.exc_text = record.exc_text, None
        if left and not record.exc_info:
            record.exc_text = redact_lines(left)
        try:
            return super().format(record)
        except Exception:
            return super().format(_drop_arguments(record))
        finally:
            record.exc_text = left

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = mask_text(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return _format_traceback(ei[1])

    def formatStack(self, stack_info: str) -> str:
        return _redact_urls(stack_info)


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": mask_text(_make_message(record)),
        }
        fields = vars(record)
        if service := fields.get("otelServiceName") or find_service():
            found["service"] = service
        if route := fields.get(ROUTE):
            found["route"] = route
        if fields.get("otelTraceID", "0") != "0":
            found["trace_id"] = fields["otelTraceID"]
            found["span_id"] = fields["otelSpanID"]
        found |= fields.get("members", {})
        if record.exc_info and record.exc_info[1] is not None:
            found["exception"] = _format_traceback(record.exc_info[1])
        elif record.exc_text:
            found["exception"] = redact_lines(record.exc_text)
        if record.stack_info:
            found["stack"] = _redact_urls(record.stack_info)
        add_extra(found, record, _MEMBERS)
        return json.dumps(found, ensure_ascii=False)


def _make_message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return _drop_arguments(record).getMessage()


def _drop_arguments(record: logging.LogRecord) -> logging.LogRecord:
    """Drop arguments that do not fit: :mod:`logging` would print them, with secrets."""
    text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    place = f"{record.pathname}, line {record.lineno}"
    message = f"{text} (its arguments do not fit, {place})"
    return logging.makeLogRecord({**vars(record), "msg": message, "args": None})


def _format_traceback(error: BaseException | None) -> str:
    """Format ``error`` as Python does, with the text of every exception masked.

    Source code is shown unchanged: there, ``key = `` is not a secret.
    """
    if error is None:
        return "NoneType: None"
    found = TracebackException.from_exception(error, compact=True)
    for each in _walk(found):
        each.__class__ = _RedactedException
    return _redact_urls("".join(found.format()).rstrip("\n"))


class _RedactedException(TracebackException):
    # Python 3.13 passes two more arguments.
    def format_exception_only(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> Iterator[str]:
        # Mask the text and its notes together: a value may follow its name in the next
        # line.
        text = "".join(super().format_exception_only(*args, **options))
        name = _NAME.match(text)
        end = name.end() if name else 0
        yield text[:end] + redact_lines(text[end:])


def _walk(root: TracebackException) -> Iterator[TracebackException]:
    """Yield ``root``, its causes, its contexts and the members of groups, to any depth.

    :func:`modern_flask.failures.causes` does the same for exceptions.
    """
    waiting: list[TracebackException | None] = [root]
    while waiting:
        found = waiting.pop()
        if found is not None:
            yield found
            waiting += [found.__cause__, found.__context__]
            waiting += getattr(found, "exceptions", None) or []


def _redact_urls(text: str) -> str:
    if "://" not in text:
        return text
    lines = text.split("\n")
    return "\n".join(redact(line) if "://" in line else line for line in lines)
