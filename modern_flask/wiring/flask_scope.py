"""Close scopes when Flask ends a request or an app context, with the right error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, has_request_context, request, stream_with_context

from .scope import (
    Scope,
    drop_closed,
    find_scope,
    has_open_scopes,
    iterate_scopes,
)

__all__ = ["guard", "guard_errors", "note_error"]

logger = logging.getLogger(__name__)

# stream_with_context returns a generator. An inner function of it makes the generator.
_STREAMS = frozenset(
    code
    for code in stream_with_context.__code__.co_consts
    if getattr(code, "co_name", None) == "generator"
)


def guard(app: Flask) -> None:
    """Make ``app`` close each scope with the error of its request or app context.

    This wraps methods of the app instead of registering hooks. Each of Flask's hooks
    costs one microsecond even in a request without a scope, and no hook sees an error
    that an error handler has handled. All code of the service runs inside the wrapped
    methods, so none runs after the scope is closed.
    """
    guard_errors(app)
    for name, wrap in (
        ("process_response", _settle),
        ("do_teardown_request", _end_request),
        ("do_teardown_appcontext", _end_app_context),
    ):
        # Flask 3.2 passes the context as first argument, so the wrappers read the last.
        setattr(app, name, wrap(getattr(app, name)))


def guard_errors(app: Flask) -> None:
    """Make ``app`` record each error before a handler gets it.

    Extensions such as Flask-RESTful put their own handlers around Flask's. Therefore
    call this again before the first request, when all extensions are there.
    """
    for name in ("handle_user_exception", "handle_exception"):
        handle = getattr(app, name)
        if getattr(handle, "__code__", None) is not _NOTE:
            setattr(app, name, _note_handled(handle))


def _note(error: BaseException) -> None:
    if has_open_scopes():
        scope = find_scope()
        if scope is not None:
            scope.note(error)


def _note_handled(handle: Callable[..., Any]) -> Callable[..., Any]:
    """Remember the error before an error handler turns it into a response.

    A handler that runs because a closer failed gets new objects.
    """

    @wraps(handle)
    def note(*args: Any) -> Any:
        _note(args[-1])
        scope = drop_closed()
        if scope is not None:
            # Flask drops the response that was made before, together with its body.
            scope.stream = None
        return handle(*args)

    return note


_NOTE = _note_handled(print).__code__


def note_error(error: BaseException) -> None:
    """Remember the error of an injected function that Flask does not dispatch.

    Socket.IO calls its handlers in a new request context and handles their errors
    itself. If another injected function is the caller, nothing is recorded: the caller
    may handle the error.
    """
    if not has_open_scopes() or not has_request_context():
        return
    # The frame of the injected function that calls note_error.
    first = sys._getframe(1)
    frame = first.f_back
    while frame is not None:
        if frame.f_code is first.f_code or frame.f_code in _DISPATCHING:
            return
        frame = frame.f_back
    _note(error)


_DISPATCHING = frozenset(
    {
        Flask.full_dispatch_request.__code__,
        Flask.handle_user_exception.__code__,
        Flask.handle_exception.__code__,
        Flask.do_teardown_request.__code__,
    }
)


def _settle(process: Callable[..., Any]) -> Callable[..., Any]:
    """Close the scope once the response is made: a closer's error can cause a 500."""

    @wraps(process)
    def settle(*args: Any) -> Any:
        try:
            response = process(*args)
        except BaseException as error:
            # An after-request hook failed. Flask may still send an error response.
            _note(error)
            raise
        if has_open_scopes():
            scope = find_scope()
            if scope is not None:
                # A view that returns stream_with_context(...) keeps its context and its
                # objects until the body is closed.
                body = response.response
                streams = getattr(body, "gi_code", None) in _STREAMS
                if streams and request.method != "HEAD":
                    scope.stream = body
                    response.call_on_close(scope.close)
                else:
                    scope.close()
        return response

    return settle


def _end_request(teardown: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(teardown)
    def end(*args: Any) -> None:
        before = drop_closed()
        error = args[-1] if args else None
        try:
            teardown(*args)
        except BaseException as failure:
            # Flask raises this error and sends no response: no body will be closed.
            if has_open_scopes() and (scope := find_scope()) is not None:
                scope.close(error or failure)
            raise
        if has_open_scopes() and (scope := find_scope()) is not None:
            _close_scope(scope, error, late=scope is not before)

    return end


def _end_app_context(teardown: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(teardown)
    def end(*args: Any) -> None:
        error = args[-1] if args else None
        before = iterate_scopes() if has_open_scopes() else []
        try:
            teardown(*args)
        except BaseException:
            # Flask drops the response, and with it the body that would close the scope.
            for scope in reversed(iterate_scopes()):
                scope.close(error)
            raise
        if has_open_scopes():
            _close_all(error, before)

    return end


def _close_all(error: BaseException | None, before: list[Scope]) -> None:
    failures: list[Exception] = []
    for scope in reversed(iterate_scopes()):
        try:
            _close_scope(scope, error, late=scope not in before)
        except Exception as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def _close_scope(scope: Scope, error: BaseException | None, late: bool) -> None:
    """Close a scope that no body uses.

    Args:
        late: True if a teardown hook opened the scope. The response is already made, so
            an error of a closer is logged: it must not cause a 500 after a commit.
    """
    ends_process = error is not None and not isinstance(error, Exception)
    if scope.is_awaited and not ends_process:
        return
    if not late:
        scope.close(error)
        return
    try:
        scope.close(error)
    except Exception:
        logger.exception("Closing the objects that a teardown hook used failed.")
