"""One object for each request or task, closed once with what really happened."""

from __future__ import annotations

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

SCOPES = "_modern_flask_scopes"
_DONE: Any = object()
# The identities of all open scopes, of every thread: while it is empty, the end of a
# request has nothing to look for. Each change of a set is atomic.
_open: set[int] = set()
has_open_scopes = _open.__len__
# Looked up once: these run on every request.
_app_context: Callable[[], Any] = app_ctx._get_current_object  # type: ignore[attr-defined]
# Through the proxy of the request: an object with an identity of its own.
_request: Callable[[], Any] = request._get_current_object  # type: ignore[attr-defined]

if TYPE_CHECKING:

    class _Provider(Protocol):
        """A provider whose object a scope keeps: hashable, and named in messages."""

        @property
        def label(self) -> str: ...


def finish(generator: Generator[Any, None, None], error: BaseException | None) -> None:
    """Run the rest of a generator that has yielded its object.

    Args:
        error: Raised at its ``yield``; None to go on there.

    Raises:
        Exception: What the generator raised itself; not ``error``.
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

    # On the class: most scopes never change them.
    error: BaseException | None = None
    #: The body that the objects must outlive: a generator of stream_with_context.
    stream: Any = None
    closed = False

    def __init__(self) -> None:
        self.objects: dict[Any, Any] = {}
        self.rests: list[Generator[Any, None, None]] = []

    @property
    def is_awaited(self) -> bool:
        """Whether a body that has not ended yet still uses the objects.

        Flask leaves the context of a streamed request inside the body's generator, at
        its end; that it runs just then says that this is the end, on every version.
        """
        return self.stream is not None and not self.stream.gi_running

    def close(self, error: BaseException | None = None) -> None:
        """Close all objects, the last made first, whatever fails; only once.

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
                # The way that nearly all go, without another call.
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
    """The scope of the current request or task, made at its first use.

    It hangs on the app context and is keyed by the request: an app context that is
    pushed around several requests gives each its own, and a task that runs eagerly
    inside a request has an app context of its own.

    Raises:
        NoScope: There is no app context.
        ScopeClosed: The scope was closed.
    """
    try:
        held = _app_context().g.__dict__
    except RuntimeError:
        raise NoScope(provider.label) from None
    key = _key()
    scopes: dict[Any, Scope] | None = held.get(SCOPES)
    if scopes is None:
        # Threads may share a context: no thread's scope is lost.
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


def iterate_scopes() -> list[Scope]:
    """All scopes of the current app context, as they were made."""
    scopes: dict[Any, Scope] = _app_context().g.__dict__.get(SCOPES) or {}
    return list(scopes.values())


def drop_closed() -> Scope | None:
    """The scope in use here while it is open; a closed one gives way to a fresh one.

    After the answer is made, hooks and handlers may still use a request's objects.
    """
    scopes = _app_context().g.__dict__.get(SCOPES)
    if not scopes:
        return None
    key = _key()
    scope: Scope | None = scopes.get(key)
    if scope is not None and scope.closed:
        scopes.pop(key, None)
        return None
    return scope


def _key() -> Any:
    try:
        return _request()
    except RuntimeError:
        return None


@contextmanager
def parked_scope(users: Iterable[Any]) -> Iterator[None]:
    """Put the current scope's objects of ``users`` aside, and back afterwards.

    What is made in between is closed with the scope.
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
