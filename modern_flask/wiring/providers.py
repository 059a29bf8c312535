"""The providers of the kit's container. Each kind sets how long its object lives.

They extend the library's providers with a lock, a late import, and a scope that closes
at the end of a request or task. Each is generic in the type of its object.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import GeneratorType
from typing import Any, ClassVar, Generic, TypeVar, overload

from dependency_injector import providers

from .scope import Scope, current_scope, finish

__all__ = ["ABSENT", "Late", "Once", "Opened", "Parked", "Scoped", "drop_own_keywords"]

T = TypeVar("T")

ABSENT: Any = object()
_NOTHING: dict[str, Any] = {}
_PROVIDER = providers.Provider
_SEQUENCE = itertools.count()
_Rest = Generator[Any, None, None]


class Late(providers.Provider[T]):
    """A provider whose target may be a dotted path, imported at its first use.

    So a component that is not configured is never imported.
    """

    #: Keywords of a declaration that only the kit uses. The target never gets them.
    own_keywords: ClassVar[tuple[str, ...]] = ("critical", "observed_by", "ping")
    _target: Any = None
    args: Any
    kwargs: Any

    def set_provides(self, provides: Any) -> Any:
        self._target = provides
        return self

    # For a delegated provider, the argument is the provider itself, not its object. The
    # library checks for this at each call; the kit checks once, at the declaration.
    def set_args(self, *args: Any) -> Any:
        return super().set_args(*map(_get_delegate, args))  # type: ignore[misc]

    def add_args(self, *args: Any) -> Any:
        return super().add_args(*map(_get_delegate, args))  # type: ignore[misc]

    def set_kwargs(self, **kwargs: Any) -> Any:
        given = {name: _get_delegate(value) for name, value in kwargs.items()}
        return super().set_kwargs(**given)  # type: ignore[misc]

    def add_kwargs(self, **kwargs: Any) -> Any:
        given = {name: _get_delegate(value) for name, value in kwargs.items()}
        return super().add_kwargs(**given)  # type: ignore[misc]

    @property
    def provides(self) -> Any:
        return self._target

    @property
    def label(self) -> str:
        """The target's name, for messages."""
        target = self._target
        return target if isinstance(target, str) else getattr(target, "__name__", "?")

    @property
    def ping(self) -> Any:
        """The function that pings the object's server, or its path, or None."""
        named: dict[str, Any] = self.kwargs
        return named.get("ping")

    @property
    def critical(self) -> bool:
        """Whether the service is not ready while the ping fails."""
        named: dict[str, Any] = self.kwargs
        return bool(named.get("critical", True))

    def load(self) -> Callable[..., Any]:
        """Return the target; import it first if it is a dotted path."""
        self._target = _load(self._target)
        return self._target  # type: ignore[no-any-return]

    def _begin(self, args: Any, kwargs: Any) -> tuple[Any, _Rest | None]:
        """Call the target with its dependencies.

        Returns:
            The object, and the generator if the target is one: it closes the object.
        """
        target = self._target
        if isinstance(target, str):
            target = self.load()
        values = self.args
        if values:
            values = [arg() if isinstance(arg, _PROVIDER) else arg for arg in values]
        named = self.kwargs
        if named or kwargs:
            return self._begin_named(target, (*values, *args), {**named, **kwargs})
        made = target(*values, *args)
        return (next(made), made) if type(made) is GeneratorType else (made, None)

    def _begin_named(
        self, target: Any, values: Any, given: dict[str, Any]
    ) -> tuple[Any, _Rest | None]:
        observe = given.pop("observed_by", None)
        named = {
            name: arg() if isinstance(arg, _PROVIDER) else arg
            for name, arg in given.items()
            if name not in self.own_keywords
        }
        if isinstance(observe, _PROVIDER):
            observe = observe()
        made = target(*values, **named)
        rest: _Rest | None = None
        if type(made) is GeneratorType:
            rest = made
            made = next(made)
        if observe is not None:
            try:
                observe(made)
            except BaseException as error:
                if rest is not None:
                    finish(rest, error)
                raise
        return made, rest


def drop_own_keywords(provider: Any) -> dict[str, Any]:
    """Return the keywords of a declaration without those that only the kit uses."""
    own = provider.own_keywords if isinstance(provider, Late) else ()
    return {name: v for name, v in dict(provider.kwargs).items() if name not in own}


def _load(named: Any) -> Any:
    """Import what a dotted path names; return everything else as it is."""
    if not isinstance(named, str):
        return named
    module, _, name = named.rpartition(".")
    return getattr(import_module(module), name)


def _get_delegate(value: Any) -> Any:
    return value.provider if providers.is_delegated(value) else value


@dataclass(frozen=True)
class Parked(Generic[T]):
    """An object that was put aside, and the generator that closes it."""

    object: T
    rest: _Rest | None
    sequence: int


class Opened(Late[T], providers.Resource[T]):
    """Makes its object once in a process, under a lock. The app's lifecycle closes it.

    The target is a generator function (the code after its ``yield`` closes the object),
    a plain function or class, or the dotted path of one. Three keywords are not passed
    to the target. The provider calls ``observed_by`` with the object, so a component
    does not depend on its telemetry. ``/readyz`` calls ``ping(object, timeout)``, which
    may also be a dotted path; the timeout is in seconds. With ``critical=False`` a
    failing ping is shown, and the service stays ready.
    """

    @overload
    def __init__(
        self, provides: Callable[..., Iterator[T]], *args: Any, **kwargs: Any
    ) -> None: ...
    @overload
    def __init__(
        self, provides: Callable[..., T], *args: Any, **kwargs: Any
    ) -> None: ...
    @overload
    def __init__(
        self: Opened[Any], provides: str | None = None, *args: Any, **kwargs: Any
    ) -> None: ...
    def __init__(self, provides: Any = None, *args: Any, **kwargs: Any) -> None:
        self._object = ABSENT
        self._rest: _Rest | None = None
        self._lock = threading.RLock()
        self.sequence = -1
        #: The object, while it is open and nothing overrides it. An injected function
        #: reads this list first, because a call of the provider is much slower.
        self.ready: list[Any] = [ABSENT]
        super().__init__(provides, *args, **kwargs)
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        made = self._object
        if made is ABSENT:
            made = self._open(args, kwargs)
        self.ready[0] = made
        # Check after the assignment, to see an override from another thread.
        if self.last_overriding is not None or self._object is not made:
            self.ready[0] = ABSENT
        return made

    def override(self, provider: Any) -> Any:
        """Override as the library does, and clear :attr:`ready`."""
        overriding: Any = super().override(provider)
        self.ready[0] = ABSENT
        return overriding

    def _open(self, args: Any, kwargs: Any) -> Any:
        with self._lock:
            if self._object is ABSENT:
                made, self._rest = self._begin(args, kwargs)
                # The number is taken at the end: its dependencies have lower numbers.
                self.sequence = next(_SEQUENCE)
                self._object = made
            return self._object

    @property
    def initialized(self) -> bool:
        return self._object is not ABSENT

    def init(self) -> Any:
        return self()

    def shutdown(self) -> None:
        rest = self.park().rest
        if rest is not None:
            finish(rest, None)

    def park(self) -> Parked[Any]:
        """Put the object aside without closing it; the next call makes another."""
        with self._lock:
            parked = Parked(self._object, self._rest, self.sequence)
            self._object, self._rest = ABSENT, None
            self.ready[0] = ABSENT
        return parked

    def put_back(self, parked: Parked[Any]) -> None:
        """Restore the object that :meth:`park` put aside."""
        with self._lock:
            self._object, self._rest = parked.object, parked.rest
            self.ready[0] = ABSENT
            self.sequence = parked.sequence


class Once(Opened[T]):
    """Makes its object once in a process. The object needs no closing."""


class Scoped(Late[T], providers.Callable[T]):
    """Makes one object for each request or task, at its first use there.

    The target is a generator function. The error that the view raised is raised again
    at its ``yield``, even if an error handler has handled the error. The scope calls
    ``on_error(object)``, which may be a dotted path, for each error of the request
    before an error handler runs. The keyword is not passed to the target.
    """

    own_keywords = (*Late.own_keywords, "on_error")

    @overload
    def __init__(
        self, provides: Callable[..., Iterator[T]], *args: Any, **kwargs: Any
    ) -> None: ...
    @overload
    def __init__(
        self, provides: Callable[..., T], *args: Any, **kwargs: Any
    ) -> None: ...
    @overload
    def __init__(
        self: Scoped[Any], provides: str | None = None, *args: Any, **kwargs: Any
    ) -> None: ...
    def __init__(self, provides: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(provides, *args, **kwargs)
        self.disable_async_mode()

    @property
    def on_error(self) -> Callable[[Any], object] | None:
        """The function to call with the object before an error handler runs."""
        named: dict[str, Any] = self.kwargs
        return _load(named.get("on_error"))  # type: ignore[no-any-return]

    def _provide(self, args: Any, kwargs: Any) -> Any:
        scope = current_scope(self)
        made = scope.objects.get(self, ABSENT)
        return self._make(scope, args, kwargs) if made is ABSENT else made

    def find(self) -> Any:
        """Return the same object as a call without arguments, but faster."""
        if self.last_overriding is not None:
            return self()
        scope = current_scope(self)
        made = scope.objects.get(self, ABSENT)
        return self._make(scope, (), _NOTHING) if made is ABSENT else made

    def _make(self, scope: Scope, args: Any, kwargs: Any) -> Any:
        made, rest = self._begin(args, kwargs)
        if rest is not None:
            scope.rests.append(rest)
        # Threads that share a context get the same object. If two threads made one at
        # the same time, the scope closes both.
        return scope.objects.setdefault(self, made)
