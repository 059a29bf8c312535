"""Scopes: the objects of one request or task, closed once, with the error if any."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from flask.globals import app_ctx, request

from .errors import NoScope, ScopeClosed

__all__ = [
    "SCOPES",
    "Scope",
    "current_scope",
    "drop_closed",
    "find_scope",
    "finish",
    "has_open_scopes",
    "iterate_scopes",
    "parked_scope",
]

logger = logging.getLogger(__name__)

SCOPES = "_modern_flask_scopes"
_DONE: Any = object()
# The ids of the open scopes of all threads. While the set is empty, the end of a
# request does not search for a scope. Adding and removing an element is atomic.
_open: set[int] = set()
has_open_scopes = _open.__len__
# Looked up once, because they run on every request.
_app_context: Callable[[], Any] = app_ctx._get_current_object  # type: ignore[attr-defined]
# The request behind the proxy: an object that is unique for each request.
_request: Callable[[], Any] = request._get_current_object  # type: ignore[attr-defined]

if TYPE_CHECKING:

    class _Provider(Protocol):
        """A provider whose object a scope keeps: hashable, with a name for messages."""

        @property
        def label(self) -> str: ...

        @property
        def on_error(self) -> Callable[[Any], object] | None: ...


def finish(generator: Generator[Any, None, None], error: BaseException | None) -> None:
    """Run the rest of a generator that has yielded its object.

    Args:
        generator: The generator.
        error: The error to raise at its ``yield``; None to continue without an error.

    Raises:
        Exception: An error that the generator raised itself, other than ``error``.
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
    """The objects that were made for one request or task."""

    # These are on the class because most scopes never change them.
    error: BaseException | None = None
    #: A streamed body that uses the objects: a generator of stream_with_context.
    stream: Any = None
    closed = False

    def __init__(self) -> None:
        self.objects: dict[Any, Any] = {}
        self.rests: list[Generator[Any, None, None]] = []

    @property
    def is_awaited(self) -> bool:
        """Whether a streamed body still uses the objects.

        Every version of Flask leaves the context of a streamed request inside the
        body's generator, at its end. So if the generator is running when the context
        ends, the body has ended.
        """
        return self.stream is not None and not self.stream.gi_running

    def note(self, error: BaseException) -> None:
        """Remember the first error, and tell the objects, the last made first.

        This comes before an error handler runs. The handler may use the same objects,
        so what the view has left undone in them must not become part of its work.
        """
        if self.error is None:
            self.error = error
        for provider, made in reversed(list(self.objects.items())):
            try:
                on_error = provider.on_error
                if on_error is not None:
                    on_error(made)
            except Exception:
                # The error handler gets the error of the view, not this one.
                logger.exception("%s failed after an error.", provider.label)

    def close(self, error: BaseException | None = None) -> None:
        """Close all objects once, the last made first, even if some of them fail.

        Raises:
            Exception: The error of a generator, if only one failed.
            BaseExceptionGroup: The errors, if several failed. It is an ExceptionGroup
                unless one of the errors ends the process.
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
                # The most frequent case, without a further call.
                if error is not None:
                    finish(rest, error)
                elif next(rest, _DONE) is not _DONE:
                    rest.close()
            except BaseException as failure:
                failures = [*(failures or ()), failure]
        self.objects.clear()
        self.error = self.stream = None
        if failures is not None:
            if len(failures) == 1:
                raise failures[0]
            raise BaseExceptionGroup("Closing a request's objects failed.", failures)


def current_scope(provider: _Provider) -> Scope:
    """Return the scope of the current request or task; make it at its first use.

    The app context holds the scopes, one for each request. So several requests within
    one app context have different scopes. A task that runs eagerly inside a request has
    its own app context, and so its own scope.

    Raises:
        NoScope: There is no app context.
        ScopeClosed: The scope was closed.
    """
    try:
        held = _app_context().g.__dict__
    except RuntimeError:
        raise NoScope(provider.label) from None
    key = _get_key()
    scopes: dict[Any, Scope] | None = held.get(SCOPES)
    if scopes is None:
        # Threads may share a context: setdefault loses no scope of another thread.
        scopes = held.setdefault(SCOPES, {})
    scope = scopes.get(key)
    if scope is None:
        if scopes:
            # A long-lived app context must not keep the scopes of all its requests.
            for other, one in list(scopes.items()):
                if one.closed:
                    scopes.pop(other, None)
        scope = scopes.setdefault(key, Scope())
        _open.add(id(scope))
    elif scope.closed:
        raise ScopeClosed(provider.label)
    return scope


def find_scope() -> Scope | None:
    """Return the current scope, or None if nothing was made in it."""
    scopes = _app_context().g.__dict__.get(SCOPES)
    return scopes.get(_get_key()) if scopes else None


def iterate_scopes() -> list[Scope]:
    """Return all scopes of the current app context, in the order of creation."""
    scopes: dict[Any, Scope] = _app_context().g.__dict__.get(SCOPES) or {}
    return list(scopes.values())


def drop_closed() -> Scope | None:
    """Return the current scope if it is open; remove it if it is closed.

    After the response is made, hooks and handlers may still use a request's objects.
    They get a new scope with new objects.
    """
    scopes = _app_context().g.__dict__.get(SCOPES)
    if not scopes:
        return None
    key = _get_key()
    scope: Scope | None = scopes.get(key)
    if scope is not None and scope.closed:
        scopes.pop(key, None)
        return None
    return scope


def _get_key() -> Any:
    try:
        return _request()
    except RuntimeError:
        return None


@contextmanager
def parked_scope(users: Iterable[Any]) -> Iterator[None]:
    """Put the objects of ``users`` in the current scope aside for the block.

    The scope closes the objects that the block makes.

    Args:
        users: The providers of the objects.
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
