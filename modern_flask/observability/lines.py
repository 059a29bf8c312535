"""What a line of the log looks like, for people and for machines; no secret in it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from traceback import TracebackException
from typing import Any

from ..config.masking import redact, redact_lines

__all__ = ["TEXT", "JsonFormatter", "TextFormatter"]

TEXT = (
    "%(asctime)s %(levelname)s [%(name)s] "
    "[trace_id=%(otelTraceID)s span_id=%(otelSpanID)s] %(message)s"
)
# A record that was made before the ids were added, or by another factory.
_UNKNOWN_IDS = {
    "otelTraceID": "0",
    "otelSpanID": "0",
    "otelServiceName": "",
    "otelTraceSampled": False,
}
# Looked for first: most lines hold none of these, and redacting costs 10 us.
_SUSPECT = ("://", "=", ":")
# The exception's name stays, whatever it is called: InvalidToken is no secret.
_NAMED = re.compile(r"[\w.<>]+: ")


class TextFormatter(logging.Formatter):
    """A line for people."""

    def __init__(self, layout: str) -> None:
        super().__init__(layout, defaults=_UNKNOWN_IDS)

    def format(self, record: logging.LogRecord) -> str:
        # What another handler's formatter has left there is not redacted.
        left, record.exc_text = record.exc_text, None
        if left and not record.exc_info:
            record.exc_text = redact_lines(left)
        try:
            return super().format(record)
        except Exception:
            return super().format(_without_arguments(record))
        finally:
            record.exc_text = left

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = _harmless_text(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return _harmless_traceback(ei[1])

    def formatStack(self, stack_info: str) -> str:
        return _without_urls(stack_info)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": _harmless_text(_message(record)),
        }
        if getattr(record, "otelTraceID", "0") != "0":
            found["trace_id"] = record.otelTraceID  # type: ignore[attr-defined]
            found["span_id"] = record.otelSpanID  # type: ignore[attr-defined]
        found |= getattr(record, "members", {})
        if record.exc_info and record.exc_info[1] is not None:
            found["exception"] = _harmless_traceback(record.exc_info[1])
        elif record.exc_text:
            found["exception"] = redact_lines(record.exc_text)
        if record.stack_info:
            found["stack"] = _without_urls(record.stack_info)
        return json.dumps(found, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        return _without_arguments(record).getMessage()


def _without_arguments(record: logging.LogRecord) -> logging.LogRecord:
    """For arguments that do not fit: :mod:`logging` would print them, secrets too."""
    said = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    place = f"{record.pathname}, line {record.lineno}"
    text = f"{said} (its arguments do not fit, {place})"
    return logging.makeLogRecord({**vars(record), "msg": text, "args": None})


def _harmless_text(text: str) -> str:
    for sign in _SUSPECT:
        if sign in text:
            return redact(text)
    return text


def _harmless_traceback(error: BaseException | None) -> str:
    """What Python prints of ``error``, all that any exception in it says redacted.

    Code is shown as it stands: in it, ``key = `` is no secret.
    """
    if error is None:
        return "NoneType: None"
    told = TracebackException.from_exception(error, compact=True)
    for each in _all_in(told):
        each.__class__ = _Harmless
    return _without_urls("".join(told.format()).rstrip("\n"))


class _Harmless(TracebackException):
    # Python 3.13 gives it two arguments more.
    def format_exception_only(  # type: ignore[override]
        self, *args: Any, **options: Any
    ) -> Iterator[str]:
        # As one text, with its notes: a name may end a line whose value is the next.
        said = "".join(super().format_exception_only(*args, **options))
        name = _NAMED.match(said)
        end = name.end() if name else 0
        yield said[:end] + redact_lines(said[end:])


def _all_in(told: TracebackException) -> Iterator[TracebackException]:
    """Itself, what caused it, what it hides and what it groups, to any depth."""
    found: list[TracebackException | None] = [told]
    while found:
        each = found.pop()
        if each is not None:
            yield each
            found += [each.__cause__, each.__context__]
            found += getattr(each, "exceptions", None) or []


def _without_urls(text: str) -> str:
    if "://" not in text:
        return text
    lines = text.split("\n")
    return "\n".join(redact(line) if "://" in line else line for line in lines)
