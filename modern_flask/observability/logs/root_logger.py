"""Configures the root logger: its level, its lines, and trace ids in its records."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from ...config.values import find_key, find_origin
from ...errors import UnknownChoice, UnknownSetting
from .formats import has_trace_ids, make_formatter
from .gunicorn import format_gunicorn
from .record_factory import add_fields

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
    root = logging.getLogger()
    with (
        add_fields() if has_trace_ids() else nullcontext(),
        _set_levels(levels, bare=not _has_writer(root)),
        _write_lines(formatter),
        format_gunicorn(formatter),
    ):
        yield root


@contextmanager
def _write_lines(formatter: logging.Formatter) -> Iterator[None]:
    root = logging.getLogger()
    if _has_writer(root):
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


def _has_writer(root: logging.Logger) -> bool:
    """Whether somebody else's handler writes the lines.

    OpenTelemetry's handler only exports records: with it alone, nobody could read the
    log of the process itself.
    """
    exporter = "opentelemetry."
    return any(not type(each).__module__.startswith(exporter) for each in root.handlers)


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
