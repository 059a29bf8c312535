"""How long an object lives: the providers that the kit's container is declared with.

They are the library's own kinds with what it leaves open: a lock, a late import, and a
scope that a request or a task closes. Each is generic in the type of its object.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import GeneratorType
from typing import Any, Generic, TypeVar, overload

from dependency_injector import providers

from .scope import Scope, current_scope, finish

__all__ = ["ABSENT", "OWN_KEYWORDS", "Late", "Once", "Opened", "Parked", "Scoped"]

T = TypeVar("T")

ABSENT: Any = object()
_NOTHING: dict[str, Any] = {}
_PROVIDER = providers.Provider
_SEQUENCE = itertools.count()
_Rest = Generator[Any, None, None]

OWN_KEYWORDS = ("observed_by", "ping")
"""Keywords of a declaration that are for the kit and never passed to the target."""


class Late(providers.Provider[T]):
    """A target that may be named by its path and is then imported at its first use.

    A component that is not configured is never imported.
    """

    _target: Any = None
    args: Any
    kwargs: Any

    def set_provides(self, provides: Any) -> Any:
        self._target = provides
        return self

    # A delegated provider is itself the argument, not the object that it makes. The
    # library finds that out at each call; here it is decided at the declaration.
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
        """The function that pings the object's server, or its path; None for none."""
        named: dict[str, Any] = self.kwargs
        return named.get("ping")

    def load(self) -> Callable[..., Any]:
        """The target itself, imported if it is named by its path."""
        if isinstance(self._target, str):
            module, _, name = self._target.rpartition(".")
            self._target = getattr(import_module(module), name)
        return self._target  # type: ignore[no-any-return]

    def _begin(self, args: Any, kwargs: Any) -> tuple[Any, _Rest | None]:
        """Call the target with its dependencies; of a generator, keep the rest."""
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
        given.pop("ping", None)
        named = {
            name: arg() if isinstance(arg, _PROVIDER) else arg
            for name, arg in given.items()
        }
        observe = named.pop("observed_by", None)
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


def _get_delegate(value: Any) -> Any:
    return value.provider if providers.is_delegated(value) else value


@dataclass(frozen=True)
class Parked(Generic[T]):
    """An object that was put aside, with the generator that closes it."""

    object: T
    rest: _Rest | None
    sequence: int


class Opened(Late[T], providers.Resource[T]):
    """Made once in a process, under a lock; closed by the app's lifecycle.

    The target is a generator function (the code after its ``yield`` closes the object),
    a plain function or class, or the dotted path of one. Two keywords are not passed to
    it: ``observed_by`` is called with the object, so that a component does not know who
    watches it, and ``ping(object, timeout)``, or its path, is what ``/readyz`` calls.
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
        #: The object while it is open and nothing overrides it. An injected function
        #: looks here first: a call of the provider costs more than the rest of it.
        self.ready: list[Any] = [ABSENT]
        super().__init__(provides, *args, **kwargs)
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        made = self._object
        if made is ABSENT:
            made = self._open(args, kwargs)
        self.ready[0] = made
        # Checked after it is set, so that an override in between is seen.
        if self.last_overriding is not None or self._object is not made:
            self.ready[0] = ABSENT
        return made

    def override(self, provider: Any) -> Any:
        """Override as the library does, also what is ready."""
        overriding: Any = super().override(provider)
        self.ready[0] = ABSENT
        return overriding

    def _open(self, args: Any, kwargs: Any) -> Any:
        with self._lock:
            if self._object is ABSENT:
                made, self._rest = self._begin(args, kwargs)
                # Numbered when it is complete: its dependencies have lower numbers.
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
        """Take back what :meth:`park` put aside."""
        with self._lock:
            self._object, self._rest = parked.object, parked.rest
            self.ready[0] = ABSENT
            self.sequence = parked.sequence


class Once(Opened[T]):
    """Made once in a process; nothing has to be closed."""


class Scoped(Late[T], providers.Callable[T]):
    """Made at first use in a request or task, and the same for everything in it.

    The target is a generator function: at its ``yield`` it receives the error that the
    view raised, even when an error handler answered for it.
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
        self: Scoped[Any], provides: str | None = None, *args: Any, **kwargs: Any
    ) -> None: ...
    def __init__(self, provides: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(provides, *args, **kwargs)
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        scope = current_scope(self)
        made = scope.objects.get(self, ABSENT)
        return self._make(scope, args, kwargs) if made is ABSENT else made

    def find(self) -> Any:
        """The same as a call without arguments, and faster."""
        if self.last_overriding is not None:
            return self()
        scope = current_scope(self)
        made = scope.objects.get(self, ABSENT)
        return self._make(scope, (), _NOTHING) if made is ABSENT else made

    def _make(self, scope: Scope, args: Any, kwargs: Any) -> Any:
        made, rest = self._begin(args, kwargs)
        if rest is not None:
            scope.rests.append(rest)
        # Threads that share a context get one object; the others are closed with it.
        return scope.objects.setdefault(self, made)
