"""Records what is read from a request of Flask while an answer is computed.

The request class of the app gets a subclass, so reading costs nothing in an app that
caches nothing. Its properties record the name of what is read: a header in lower case,
or one of the constants below. Cookies are the header ``cookie``. It does not see what
is read from ``request.environ``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from flask import Flask, request
from flask.globals import app_ctx, request_ctx
from flask.wrappers import Request
from werkzeug.datastructures import EnvironHeaders

__all__ = [
    "QUERY",
    "SESSION",
    "find_session",
    "has_read_cookies",
    "record",
    "record_requests",
]

# No header has one of these names.
SESSION = "the session"
QUERY = "the query string"
CLIENT = "the client's address or name"
_ALL_HEADERS = "all headers"

_reads: ContextVar[set[str] | None] = ContextVar("modern_flask.reads", default=None)
"""What the innermost computation of this context has read; None outside of one."""


@contextmanager
def record() -> Iterator[set[str]]:
    """Record what the block reads from the current request.

    A recording may be inside another one. The outer one gets the reads of both.
    """
    _let_record(_get_request())
    session, outer = find_session(), _reads.get()
    accessed = session is not None and session.accessed
    if session is not None:
        session.accessed = False
    reads: set[str] = set()
    token = _reads.set(reads)
    try:
        yield reads
    finally:
        _reads.reset(token)
        if session is not None:
            if session.accessed:
                reads.add(SESSION)
            session.accessed = accessed or session.accessed
        if outer is not None:
            outer.update(reads)


def record_requests(app: Flask) -> None:
    """Let the requests of ``app`` record what is read from them."""
    app.request_class = _make_recording(app.request_class)


def has_read_cookies() -> bool:
    """Whether anything has read the cookies of the current request.

    The session's own look-up does not count. True if the request does not record it:
    the app's first request may not.
    """
    found = _get_request()
    if not isinstance(found, _Recording):
        record_requests(app_ctx.app)
        return True
    return found.cookies_were_read


def find_session() -> Any:
    """Return the session of the current request, without marking it as accessed."""
    # Since Flask 3.2 the two contexts are one.
    context: Any = app_ctx if hasattr(app_ctx, "_session") else request_ctx
    return context._session


def _note(name: str) -> None:
    """Record that ``name`` was read."""
    reads = _reads.get()
    if reads is not None:
        reads.add(name)


def _make_property(name: str, recorded: str) -> Any:
    """Make a property for an attribute that Werkzeug sets."""

    def read(request: Any) -> Any:
        _note(recorded)
        return request.__dict__[name]

    def write(request: Any, value: Any) -> None:
        request.__dict__[name] = value

    return property(read, write)


class _Recording:
    """Mixed into a request class. Its properties override attributes of Werkzeug's."""

    cookies_were_read = False

    @property
    def cookies(self) -> Any:
        found: Any = self
        # Flask opens the session before it matches the URL.
        if found.url_rule is not None or found.routing_exception is not None:
            self.cookies_were_read = True
            _note("cookie")
        return _read_quietly(lambda: super(_Recording, self).cookies)  # type: ignore[misc]

    @property
    def args(self) -> Any:
        _note(QUERY)
        return super().args  # type: ignore[misc]

    @property
    def remote_user(self) -> Any:
        _note(CLIENT)
        return super().remote_user  # type: ignore[misc]

    query_string = _make_property("query_string", QUERY)
    remote_addr = _make_property("remote_addr", CLIENT)

    @property
    def headers(self) -> Any:
        headers = self.__dict__["headers"]
        if _reads.get() is None or not isinstance(headers, EnvironHeaders):
            return headers
        return _RecordedHeaders(headers.environ)

    @headers.setter
    def headers(self, value: Any) -> None:
        self.__dict__["headers"] = value


class _RecordedHeaders(EnvironHeaders):
    """Request headers that record each name that is read."""

    def __getitem__(self, key: Any) -> Any:
        _note(str(key).lower())
        return super().__getitem__(key)

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        _note(key.lower())
        return super().get(key, *args, **kwargs)

    def getlist(self, key: str, *args: Any, **kwargs: Any) -> Any:
        _note(key.lower())
        return EnvironHeaders(self.environ).getlist(key, *args, **kwargs)

    def __contains__(self, key: Any) -> bool:
        _note(str(key).lower())
        return super().__contains__(key)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        _note(_ALL_HEADERS)
        return super().__iter__()


_classes: dict[type[Request], type[Request]] = {}


def _make_recording(kind: type[Request]) -> type[Request]:
    if issubclass(kind, _Recording):
        return kind
    if kind in _classes:
        return _classes[kind]
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    made = _classes[kind] = type(kind.__name__, (_Recording, kind), names)
    return made


def _let_record(found: Any) -> None:
    """Let a request record that was made before ``record_requests``."""
    if not isinstance(found, _Recording):
        found.__class__ = _make_recording(type(found))
        # Whether they were, nobody knows.
        found.cookies_were_read = True


def _get_request() -> Any:
    proxy: Any = request
    return proxy._get_current_object()


def _read_quietly(read: Callable[[], Any]) -> Any:
    token = _reads.set(None)
    try:
        return read()
    finally:
        _reads.reset(token)
