"""Writes gunicorn's own lines and its access log in the format of all other lines.

Gunicorn writes them outside of any request, so the ids come from the request's WSGI
environment. With ``--logger-class`` or ``--log-config``, gunicorn keeps its own format,
and only secrets are masked.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...config.masking import MASK, redact
from ..requests.environ_keys import IDS, RULE, SIZE, TRACE_ID
from .formats import JsonFormatter, TextFormatter

__all__ = [
    "ACCESS",
    "ACCESS_FORMAT",
    "complete_record",
    "format_gunicorn",
    "set_formatter",
]

ACCESS, ERROR = "gunicorn.access", "gunicorn.error"
_TRACE, _SPAN = f"{{{TRACE_ID}}}e", "{modern_flask.span_id}e"
_SENT, _ROUTE = f"{{{SIZE}}}e", f"{{{RULE}}}e"
_IDS = f"trace_id=%({_TRACE})s span_id=%({_SPAN})s"
# %(r)s is left out: it contains the query, which may contain a token.
ACCESS_FORMAT = f'%(h)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)sms {_IDS}'
_FAILED, _QUERY = "Error handling request", re.compile(r"\?.+", re.DOTALL)
# Gunicorn's default format.
_DEFAULT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


@contextmanager
def format_gunicorn(formatter: logging.Formatter) -> Iterator[None]:
    """Write gunicorn's lines with ``formatter`` until the block ends."""
    access, error = logging.getLogger(ACCESS), logging.getLogger(ERROR)
    before = set_formatter(formatter)
    access.addFilter(complete_record)
    error.addFilter(_complete_error_record)
    try:
        yield
    finally:
        access.removeFilter(complete_record)
        error.removeFilter(_complete_error_record)
        for handler, own in before:
            handler.setFormatter(own)


def set_formatter(
    formatter: logging.Formatter,
) -> list[tuple[logging.Handler, logging.Formatter | None]]:
    """Set the formatter of gunicorn's own handlers.

    In text format, the access log keeps gunicorn's own lines, which have no level.

    Returns:
        The handlers, each with the formatter that it had before.
    """
    formatters = {ERROR: formatter}
    if isinstance(formatter, JsonFormatter):
        formatters[ACCESS] = _AccessJson()
    before = []
    for name, chosen in formatters.items():
        for handler in logging.getLogger(name).handlers:
            # This skips the handler of syslog, whose lines begin with a prefix.
            own = getattr(handler, "_gunicorn", False) and hasattr(handler, "stream")
            if own and not isinstance(handler.formatter, JsonFormatter | TextFormatter):
                before.append((handler, handler.formatter))
                handler.setFormatter(chosen)
    return before


def complete_record(record: logging.LogRecord) -> bool:
    """Add the ids of the request's span, and mask secrets in its URLs.

    This is a filter for :mod:`logging` that keeps every record.
    """
    atoms = record.args
    if not isinstance(atoms, dict):
        return True
    # Use the URI as it was sent: a decoded line break would begin a new line.
    path, mark, _ = atoms["{raw_uri}e"].partition("?")
    if "://" in path:
        path = redact(path)
    atoms["U"] = path
    atoms["q"] = MASK if mark else ""
    atoms["r"] = f"{atoms['m']} {path}{mark}{atoms['q']} {atoms['H']}"
    if "://" in atoms["f"]:
        atoms["f"] = redact(atoms["f"])
    if _TRACE in atoms:
        # 00-<trace>-<span>-<flags>, which was sent to the client as well.
        parts = atoms["{traceresponse}o"].split("-")
        atoms[_SPAN] = parts[2] if atoms[_TRACE] in parts[:2] else "-"
    if (size := atoms.get(_SENT)) and not atoms["B"]:
        # Gunicorn does not count the bytes that it sends with sendfile.
        atoms["B"], atoms["b"] = size, str(size)
    if record.msg == _DEFAULT:
        record.msg = f"{_DEFAULT} {_IDS}"
    return True


def _complete_error_record(record: logging.LogRecord) -> bool:
    """Add the ids of a request that failed outside of Flask, and mask its query.

    ``Error handling request GET /x?code=...``: a token may have any name.
    """
    error = record.exc_info[1] if record.exc_info else None
    if ids := getattr(error, IDS, None):
        record.otelTraceID, record.otelSpanID = ids
    if isinstance(record.args, tuple) and str(record.msg).startswith(_FAILED):
        record.args = tuple(_QUERY.sub(f"?{MASK}", str(arg)) for arg in record.args)
    return True


class _AccessJson(JsonFormatter):
    """Formats a request as JSON; ``duration`` is in seconds, ``size`` in bytes."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, Mapping):
            record = logging.makeLogRecord(vars(record) | _make_members(record.args))
        return super().format(record)


def _make_members(atoms: Mapping[str, Any]) -> dict[str, Any]:
    method, path = atoms["m"], atoms["U"].replace('\\"', '"')
    members = {
        "client": atoms["h"],
        "method": method,
        "path": path,
        "status": int(atoms["s"]),
        "duration": atoms["D"] / 1e6,
        "size": atoms["B"] or 0,
    }
    if route := atoms.get(_ROUTE):
        members["route"] = route
    if _TRACE in atoms:
        members |= {"trace_id": atoms[_TRACE], "span_id": atoms[_SPAN]}
    message = f"{method} {path} {atoms['s']}"
    return {"msg": message, "args": None, "members": members}
