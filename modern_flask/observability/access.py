"""Gunicorn's own lines, in the form of all others, the access log too.

It writes them outside of any request: the ids come from what the request left behind.
What gunicorn was told to write otherwise (``--logger-class``, ``--log-config``) is left
alone, but for the secrets.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..config.masking import MASK, redact
from .lines import JsonFormatter, TextFormatter
from .marks import IDS as IDS_OF_ERROR
from .marks import SIZE, TRACE_ID

__all__ = ["ACCESS", "ACCESS_FORMAT", "complete", "dress", "gunicorn_lines"]

ACCESS, ERROR = "gunicorn.access", "gunicorn.error"
_TRACE, _SPAN = f"{{{TRACE_ID}}}e", "{modern_flask.span_id}e"
_SENT = f"{{{SIZE}}}e"
_IDS = f"trace_id=%({_TRACE})s span_id=%({_SPAN})s"
# Not %(r)s, which has the query: that may hold a token.
ACCESS_FORMAT = f'%(h)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)sms {_IDS}'
_FAILED, _QUERY = "Error handling request", re.compile(r"\?.+", re.DOTALL)
# What gunicorn writes where nobody has chosen.
_DEFAULT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


@contextmanager
def gunicorn_lines(formatter: logging.Formatter) -> Iterator[None]:
    """Write them by ``formatter`` for as long as the block lasts."""
    access, error = logging.getLogger(ACCESS), logging.getLogger(ERROR)
    before = dress(formatter)
    access.addFilter(complete)
    error.addFilter(_complete_error)
    try:
        yield
    finally:
        access.removeFilter(complete)
        error.removeFilter(_complete_error)
        for handler, own in before:
            handler.setFormatter(own)


def dress(
    formatter: logging.Formatter,
) -> list[tuple[logging.Handler, logging.Formatter | None]]:
    """Give gunicorn's own handlers ``formatter``; what they had before.

    For people a line of the access log is one already: it has no level.
    """
    named = {ERROR: formatter}
    if isinstance(formatter, JsonFormatter):
        named[ACCESS] = _AccessJson()
    before = []
    for name, chosen in named.items():
        for handler in logging.getLogger(name).handlers:
            # Not syslog's, whose lines begin with a prefix.
            own = getattr(handler, "_gunicorn", False) and hasattr(handler, "stream")
            if own and not isinstance(handler.formatter, JsonFormatter | TextFormatter):
                before.append((handler, handler.formatter))
                handler.setFormatter(chosen)
    return before


def complete(record: logging.LogRecord) -> bool:
    """The ids of the request's span, and its URLs without what may be secret."""
    atoms = record.args
    if not isinstance(atoms, dict):
        return True
    # As it was sent: a decoded line break would begin a line of its own.
    path, mark, _ = atoms["{raw_uri}e"].partition("?")
    if "://" in path:
        path = redact(path)
    atoms["U"] = path
    atoms["q"] = MASK if mark else ""
    atoms["r"] = f"{atoms['m']} {path}{mark}{atoms['q']} {atoms['H']}"
    if "://" in atoms["f"]:
        atoms["f"] = redact(atoms["f"])
    if _TRACE in atoms:
        # 00-<trace>-<span>-<flags>, which the client got as well.
        told = atoms["{traceresponse}o"].split("-")
        atoms[_SPAN] = told[2] if atoms[_TRACE] in told[:2] else "-"
    if (size := atoms.get(_SENT)) and not atoms["B"]:
        # Gunicorn does not count what goes out by sendfile.
        atoms["B"], atoms["b"] = size, str(size)
    if record.msg == _DEFAULT:
        record.msg = f"{_DEFAULT} {_IDS}"
    return True


def _complete_error(record: logging.LogRecord) -> bool:
    """The ids of a request that has failed outside of Flask, and its URL cut.

    ``Error handling request GET /x?code=...``: a token may have any name.
    """
    error = record.exc_info[1] if record.exc_info else None
    if ids := getattr(error, IDS_OF_ERROR, None):
        record.otelTraceID, record.otelSpanID = ids
    if isinstance(record.args, tuple) and str(record.msg).startswith(_FAILED):
        record.args = tuple(_QUERY.sub(f"?{MASK}", str(arg)) for arg in record.args)
    return True


class _AccessJson(JsonFormatter):
    """A request as members of an object; ``duration`` in seconds, ``size`` in bytes."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, Mapping):
            record = logging.makeLogRecord(vars(record) | _members(record.args))
        return super().format(record)


def _members(atoms: Mapping[str, Any]) -> dict[str, Any]:
    method, path = atoms["m"], atoms["U"].replace('\\"', '"')
    members = {
        "client": atoms["h"],
        "method": method,
        "path": path,
        "status": int(atoms["s"]),
        "duration": atoms["D"] / 1e6,
        "size": atoms["B"] or 0,
    }
    if _TRACE in atoms:
        members |= {"trace_id": atoms[_TRACE], "span_id": atoms[_SPAN]}
    said = f"{method} {path} {atoms['s']}"
    return {"msg": said, "args": None, "members": members}
