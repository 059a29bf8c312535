"""Configures the root logger: its level, its lines, and trace ids in its records."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.instrumentation.logging import LoggingInstrumentor

from ...config.values import find_key, find_origin
from ...errors import UnknownChoice, UnknownSetting
from .formats import has_trace_ids, make_formatter
from .gunicorn import format_gunicorn

__all__ = ["open_logging"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_KNOWN = ("format", "level", "levels")
# These loggers warn of each malformed header, so any caller could fill the log.
_DRIVEN_BY_CALLERS = ("opentelemetry.baggage.propagation", "opentelemetry.trace.span")


def open_logging(settings: Mapping[str, Any]) -> Iterator[logging.Logger]:
    """Put trace ids into every record, and write lines if no other handler does.

    A root logger that has handlers keeps them. Gunicorn's own handlers, which also
    write its access log, use the same format. ``OTEL_PYTHON_LOG_CORRELATION=false``
    leaves records unchanged. ``OTEL_PYTHON_LOG_FORMAT`` and ``_LEVEL`` are the
    predecessor's names for ``LOGGING_FORMAT`` and ``LOGGING_LEVEL``.

    Args:
        settings: ``level``, a name of :mod:`logging`; ``levels``, a mapping of a
            logger's name to its level; ``format``: ``text``, ``json`` or a format of
            :mod:`logging`.

    Yields:
        The root logger.

    Raises:
        UnknownSetting: There is another key.
        UnknownChoice: The level or the format does not exist.
    """
    for name in settings:
        if name not in _KNOWN:
            known = [find_key(settings, known) for known in _KNOWN]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), known
            )
    levels = _read_levels(settings)
    formatter = make_formatter(settings)
    if has_trace_ids():
        _add_ids()
    root = logging.getLogger()
    with (
        _set_levels(levels, bare=not root.handlers),
        _write_lines(formatter),
        format_gunicorn(formatter),
    ):
        yield root


@contextmanager
def _write_lines(formatter: logging.Formatter) -> Iterator[None]:
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
    """Remove Flask's own handlers, so that their lines do not appear twice.

    Flask adds one to an app's logger that is used before the root logger has handlers.
    """
    flask_logging = sys.modules.get("flask.logging")
    if flask_logging is None:
        return
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.propagate:
            logger.removeHandler(flask_logging.default_handler)


@contextmanager
def _set_levels(levels: Mapping[str, str], bare: bool) -> Iterator[None]:
    """Set each logger's level while the resource is open.

    Args:
        levels: The levels by logger name.
        bare: Whether only the kit configures the root logger. Its default level is then
            INFO.
    """
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
    """Add ``otelTraceID`` and related attributes to all records, once in a process."""
    instrumentor = LoggingInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(
            inject_trace_context=True,
            set_logging_format=False,
            enable_log_auto_instrumentation=False,
        )


def _read_levels(settings: Mapping[str, Any]) -> dict[str, str]:
    """Read the levels by logger name; the name of the root logger is empty."""
    found = {}
    chosen = settings.get("level")
    variable = os.environ.get("OTEL_PYTHON_LOG_LEVEL")
    if "level" in settings:
        key, origin = find_key(settings, "level"), find_origin(settings, "level")
        found[""] = _read_level(chosen, key, origin)
    elif variable:
        found[""] = _read_level(variable, "OTEL_PYTHON_LOG_LEVEL", None)
    key, origin = find_key(settings, "levels"), find_origin(settings, "levels")
    for name, level in (settings.get("levels") or {}).items():
        found[name] = _read_level(level, f'{key}["{name}"]', origin)
    for name in _DRIVEN_BY_CALLERS:
        if logging.getLogger(name).level == logging.NOTSET:
            found.setdefault(name, "ERROR")
    return found


def _read_level(chosen: Any, key: str, origin: object) -> str:
    name = logging.getLevelName(chosen) if isinstance(chosen, int) else str(chosen)
    name = name.upper()
    if name not in _LEVELS:
        raise UnknownChoice(key, chosen, "level", origin, _LEVELS)
    return name
