"""One object for each request or task, closed once with what really happened."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import Flask, stream_with_context
from flask.globals import app_ctx, request

from .errors import NoScope, ScopeClosed

if TYPE_CHECKING:
    from .providers import Scoped

__all__ = ["Scope", "current_scope", "find_scope", "finish", "guard", "parked_scope"]

SCOPES = "_modern_flask_scopes"
_DONE: Any = object()
# The identities of all open scopes, of every thread: while it is empty, the end of a
# request has nothing to look for. Each change of a set is atomic.
_open: set[int] = set()
# What stream_with_context returns is a generator of a function inside it.
_STREAMS = frozenset(
    code
    for code in stream_with_context.__code__.co_consts
    if getattr(code, "co_name", None) == "generator"
)
# Looked up once: these run on every request.
_app_context: Callable[[], Any] = app_ctx._get_current_object  # type: ignore[attr-defined]
# Through the proxy of the request: an object with an identity of its own.
_request: Callable[[], Any] = request._get_current_object  # type: ignore[attr-defined]


def finish(generator: Generator[Any, None, None], error: BaseException | None) -> None:
    """Run the rest of a generator that has yielded its object.

    Raises:
        Exception: What the generator raised of its own; not ``error``.
    """
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except BaseException as raised:
        if raised is not error:
            raise
        return
    generator.close()


class Scope:
    """What was made for one request or task."""

    # On the class: most scopes never change them.
    error: BaseException | None = None
    streamed = awaited = closed = False

    def __init__(self) -> None:
        self.objects: dict[Scoped, Any] = {}
        self.rests: list[Generator[Any, None, None]] = []

    def close(self, error: BaseException | None = None) -> None:
        """Close all, the last made first, whatever fails on the way; only once.

        Raises:
            Exception: What the only failing generator raised.
            BaseExceptionGroup: Several failed; an ExceptionGroup unless one of them was
                raised to end the process.
        """
        if self.closed:
            return
        self.closed = True
        _open.discard(id(self))
        error = self.error or error
        failures: list[BaseException] | None = None
        rests = self.rests
        while rests:
            rest = rests.pop()
            try:
                # The way that nearly all go, without a call more.
                if error is not None:
                    finish(rest, error)
                elif next(rest, _DONE) is not _DONE:
                    rest.close()
            except BaseException as failure:
                failures = [*(failures or ()), failure]
        self.objects.clear()
        self.error = None
        if failures is not None:
            if len(failures) == 1:
                raise failures[0]
            raise BaseExceptionGroup("Closing a request's objects failed.", failures)


def current_scope(provider: Scoped) -> Scope:
    """The scope of the request or task that runs here, made at its first use.

    It hangs on the app context and is keyed by the request: an app context that is
    pushed around several requests gives each its own, and a task that runs eagerly
    inside a request has an app context of its own.
    """
    try:
        held = _app_context().g.__dict__
    except RuntimeError:
        raise NoScope(provider.label) from None
    key = _key()
    scopes: dict[Any, Scope] | None = held.get(SCOPES)
    if scopes is None:
        # Threads may share a context: nobody's scope is lost.
        scopes = held.setdefault(SCOPES, {})
    scope = scopes.get(key)
    if scope is None:
        if scopes:
            # An app context that outlives its requests must not keep them all.
            for other, one in list(scopes.items()):
                if one.closed:
                    scopes.pop(other, None)
        scope = scopes.setdefault(key, Scope())
        _open.add(id(scope))
    elif scope.closed:
        raise ScopeClosed(provider.label)
    return scope


def find_scope() -> Scope | None:
    """The scope in use here, if anything was made in it."""
    scopes = _app_context().g.__dict__.get(SCOPES)
    return scopes.get(_key()) if scopes else None


def _key() -> Any:
    try:
        return _request()
    except RuntimeError:
        return None


@contextmanager
def parked_scope(users: Iterable[Scoped]) -> Iterator[None]:
    """Put the current scope's objects of ``users`` aside, and back afterwards.

    What is made meanwhile is closed with the scope.
    """
    scope = find_scope() if app_ctx else None
    if scope is None:
        yield
        return
    found = [user for user in users if user in scope.objects]
    parked = {user: scope.objects.pop(user) for user in found}
    try:
        yield
    finally:
        scope.objects.update(parked)


def guard(app: Flask) -> None:
    """Have ``app`` close each scope with what its request or app context came to.

    Its methods are wrapped instead of hooked: Flask's hooks cost a request that uses no
    scope a microsecond each, and an error handler's errors pass them by. What is the
    user's runs inside, so nothing of it comes after the scope is closed.
    """
    for name, wrap in (
        ("handle_user_exception", _noting),
        ("handle_exception", _noting),
        ("process_response", _settling),
        ("do_teardown_request", _ending_request),
        ("do_teardown_appcontext", _ending_app_context),
    ):
        # Flask 3.2 hands the context first: the last argument is the one that counts.
        setattr(app, name, wrap(getattr(app, name)))


def _noting(handle: Callable[..., Any]) -> Callable[..., Any]:
    """Remember what was raised before an error handler turns it into an answer."""

    @wraps(handle)
    def note(*args: Any) -> Any:
        scope = find_scope()
        if scope is not None and scope.error is None:
            scope.error = args[-1]
        return handle(*args)

    return note


def _settling(process: Callable[..., Any]) -> Callable[..., Any]:
    """Close when the answer is made: a closer that fails can still become a 500."""

    @wraps(process)
    def settle(*args: Any) -> Any:
        response = process(*args)
        if _open:
            scope = find_scope()
            if scope is not None:
                # Of a view that asked by stream_with_context that its context outlive
                # it, the objects live until the body is closed.
                code = getattr(response.response, "gi_code", None)
                scope.streamed = code in _STREAMS and request.method != "HEAD"
                if scope.streamed:
                    response.call_on_close(scope.close)
                else:
                    scope.close()
        return response

    return settle


def _ending_request(teardown: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(teardown)
    def end(*args: Any) -> None:
        try:
            teardown(*args)
        except BaseException as failure:
            # Flask raises it in the place of the answer: no body will be closed.
            if _open and (scope := find_scope()) is not None:
                scope.close((args[-1] if args else None) or failure)
            raise
        if _open:
            _end_request(*args[-1:])

    return end


def _end_request(error: BaseException | None = None) -> None:
    scope = find_scope()
    if scope is None:
        return
    if scope.streamed:
        # Flask pops the context once before the body is produced and once after it.
        scope.streamed, scope.awaited = False, True
        return
    scope.close(error)


def _ending_app_context(teardown: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(teardown)
    def end(*args: Any) -> None:
        try:
            teardown(*args)
        except BaseException:
            if _open:
                _end_app_context(args[-1] if args else None, dropped=True)
            raise
        if _open:
            _end_app_context(*args[-1:])

    return end


def _end_app_context(error: BaseException | None = None, dropped: bool = False) -> None:
    """``dropped``: the answer is, and with it the body that would close its scope."""
    held: dict[Any, Scope] = _app_context().g.__dict__.get(SCOPES) or {}
    failures: list[Exception] = []
    for scope in reversed(list(held.values())):
        if dropped or not scope.awaited:
            try:
                scope.close(error)
            except Exception as failure:
                failures.append(failure)
    if failures:
        raise failures[0]
