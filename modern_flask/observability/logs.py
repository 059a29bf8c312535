"""Logs with the ids of the trace that they belong to, and without secrets."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.instrumentation.logging import LoggingInstrumentor

from ..config.values import find_key, find_origin
from ..errors import UnknownChoice, UnknownSetting
from .access import gunicorn_lines
from .lines import TEXT, JsonFormatter, TextFormatter

__all__ = ["make_formatter", "open_logging"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_FORMATS = ("text", "json", "a format of logging, such as %(levelname)s %(message)s")
_KNOWN = ("format", "level", "levels")
# They warn of each malformed header: any caller could fill the log with its own words.
_TOLD_BY_CALLERS = ("opentelemetry.baggage.propagation", "opentelemetry.trace.span")


def open_logging(settings: Mapping[str, Any]) -> Iterator[logging.Logger]:
    """Put trace ids into every record; write lines where nobody else does.

    A root logger that has handlers keeps them; gunicorn's own, which it writes its
    access log with, get the same form as ours. ``OTEL_PYTHON_LOG_CORRELATION=false``
    leaves records alone; ``OTEL_PYTHON_LOG_FORMAT`` and ``_LEVEL`` are the
    predecessor's names for what ``LOGGING_FORMAT`` and ``LOGGING_LEVEL`` say.

    Args:
        settings: ``level``, a name of :mod:`logging`; ``levels``, a mapping of a
            logger's name to its level; ``format``: ``text``, ``json`` or a format of
            :mod:`logging`.

    Yields:
        The root logger.

    Raises:
        UnknownSetting: Another key.
        UnknownChoice: A level or a format that there is not.
    """
    for name in settings:
        if name not in _KNOWN:
            known = [find_key(settings, known) for known in _KNOWN]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), known
            )
    levels = _levels(settings)
    formatter = make_formatter(settings)
    if _correlates():
        _add_ids()
    root = logging.getLogger()
    with (
        _levels_set(levels, bare=not root.handlers),
        _lines(formatter),
        gunicorn_lines(formatter),
    ):
        yield root


@contextmanager
def _lines(formatter: logging.Formatter) -> Iterator[None]:
    root = logging.getLogger()
    if root.handlers:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    _silence_flask()
    try:
        yield
    finally:
        root.removeHandler(handler)


def _silence_flask() -> None:
    """An app whose logger was used early has Flask's own handler: lines came twice."""
    flask_logging = sys.modules.get("flask.logging")
    if flask_logging is None:
        return
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.propagate:
            logger.removeHandler(flask_logging.default_handler)


@contextmanager
def _levels_set(levels: Mapping[str, str], bare: bool) -> Iterator[None]:
    """Set each logger's level for as long as the resource is open."""
    wanted = dict(levels)
    if bare:
        wanted.setdefault("", "INFO")
    before = {name: logging.getLogger(name).level for name in wanted}
    for name, level in wanted.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, number in before.items():
            logging.getLogger(name).setLevel(number)


def _add_ids() -> None:
    """Once in a process: records gain ``otelTraceID`` and its kin."""
    instrumentor = LoggingInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(
            inject_trace_context=True,
            set_logging_format=False,
            enable_log_auto_instrumentation=False,
        )


def _levels(settings: Mapping[str, Any]) -> dict[str, str]:
    """Loggers' names to levels; the root's name is empty."""
    found = {}
    chosen = settings.get("level")
    variable = os.environ.get("OTEL_PYTHON_LOG_LEVEL")
    if "level" in settings:
        key, origin = find_key(settings, "level"), find_origin(settings, "level")
        found[""] = _level(chosen, key, origin)
    elif variable:
        found[""] = _level(variable, "OTEL_PYTHON_LOG_LEVEL", None)
    key, origin = find_key(settings, "levels"), find_origin(settings, "levels")
    for name, level in (settings.get("levels") or {}).items():
        found[name] = _level(level, f'{key}["{name}"]', origin)
    for name in _TOLD_BY_CALLERS:
        if logging.getLogger(name).level == logging.NOTSET:
            found.setdefault(name, "ERROR")
    return found


def _level(chosen: Any, key: str, origin: object) -> str:
    name = logging.getLevelName(chosen) if isinstance(chosen, int) else str(chosen)
    name = name.upper()
    if name not in _LEVELS:
        raise UnknownChoice(key, chosen, "level", origin, _LEVELS)
    return name


def _correlates() -> bool:
    return os.environ.get("OTEL_PYTHON_LOG_CORRELATION", "true").lower() != "false"


def make_formatter(settings: Mapping[str, Any]) -> logging.Formatter:
    """What writes a line as ``settings`` say; see :func:`open_logging`.

    Raises:
        UnknownChoice: A format that there is not.
    """
    key, origin = find_key(settings, "format"), find_origin(settings, "format")
    chosen = settings.get("format")
    if not chosen:
        key, origin = "OTEL_PYTHON_LOG_FORMAT", None
        chosen = os.environ.get(key)
    if chosen == "json":
        return JsonFormatter()
    if not chosen or chosen == "text":
        chosen = TEXT if _correlates() else logging.BASIC_FORMAT
    try:
        return TextFormatter(chosen)
    except (TypeError, ValueError):
        raise UnknownChoice(key, chosen, "format", origin, _FORMATS) from None
