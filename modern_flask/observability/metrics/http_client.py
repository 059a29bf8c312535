"""Measures the HTTP requests that the process sends with ``requests``.

The duration ends with the headers of the response. The body belongs to the caller, who
may read it at any time, or never.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from ..http_methods import METHODS
from .families import CLIENT_DURATION

__all__ = ["UnmeasuredAdapter", "measure_requests"]

_MOST = 500  # series, because a service may call any number of hosts
_OTHER = "_OTHER"
_PORTS = {"http": 80, "https": 443}

_Note = Callable[[float], None]
# By method, scheme, host and port, status and error.
_notes: dict[tuple[str, str, str, str], _Note] = {}
_installed = False


class UnmeasuredAdapter(HTTPAdapter):
    """An adapter for requests of the kit itself, such as those that send spans."""


def measure_requests() -> None:
    """Measure every request of this process from now on.

    OpenTelemetry's instrumentor, which makes the spans, wraps a session. It does
    nothing without tracing, and it counts a redirect twice. An adapter sends each
    request once.
    """
    global _installed
    if _installed:
        return
    _installed = True
    send: Any = HTTPAdapter.send

    @wraps(send)
    def send_measured(self: Any, request: Any, *args: Any, **options: Any) -> Any:
        if isinstance(self, UnmeasuredAdapter):
            return send(self, request, *args, **options)
        begun, status, error = perf_counter(), "", ""
        try:
            response = send(self, request, *args, **options)
            status = str(response.status_code)
            # As the conventions say: a status from 400 is an error for the client.
            error = status if response.status_code >= 400 else ""
            return response
        except Exception as failure:
            error = type(failure).__name__
            raise
        finally:
            seconds = perf_counter() - begun
            method, url = request.method or "GET", request.url or ""
            # The beginning of a URL, up to its path: https://host:443
            origin = url[: url.find("/", url.find("://") + 3)]
            note = _notes.get((method, origin, status, error))
            if note is None:
                note = _add(method, origin, url, status, error)
            note(seconds)

    HTTPAdapter.send = send_measured  # type: ignore[method-assign]


def _add(method: str, origin: str, url: str, status: str, error: str) -> _Note:
    known = method if method in METHODS else _OTHER
    address, port = _read_address(url)
    if len(_notes) >= _MOST:
        return CLIENT_DURATION.labels(known, _OTHER, "", status, error).note
    note = CLIENT_DURATION.labels(known, address, port, status, error).note
    # Another origin may have the same address: its user and password are dropped.
    return _notes.setdefault((method, origin, status, error), note)


def _read_address(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        return parts.hostname or _OTHER, str(port or "")
    except ValueError:
        return _OTHER, ""
