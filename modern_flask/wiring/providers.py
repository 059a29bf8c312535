"""How long an object lives: the providers that the kit's container is declared with.

They are the library's own kinds with what it leaves open: a lock, a late import and a
scope that a request or a task closes.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from importlib import import_module
from types import GeneratorType
from typing import Any

from dependency_injector import providers

from .scope import Scope, current_scope, finish

__all__ = ["Late", "Once", "Opened", "Parked", "Scoped"]

ABSENT: Any = object()
_NOTHING: dict[str, Any] = {}
_PROVIDER = providers.Provider
_SEQUENCE = itertools.count()
_Rest = Generator[Any, None, None]


class Late(providers.Provider[Any]):
    """A target that may be named by its path: it is imported at the first use.

    So a component that is not configured is never imported.
    """

    _target: Any = None
    args: Any
    kwargs: Any

    def set_provides(self, provides: Any) -> Any:
        self._target = provides
        return self

    # A delegated provider is handed over as it is, not what it provides: the library
    # knows that at each call, here it is settled when the argument is declared.
    def set_args(self, *args: Any) -> Any:
        return super().set_args(*map(_handed_over, args))  # type: ignore[misc]

    def add_args(self, *args: Any) -> Any:
        return super().add_args(*map(_handed_over, args))  # type: ignore[misc]

    def set_kwargs(self, **kwargs: Any) -> Any:
        given = {name: _handed_over(value) for name, value in kwargs.items()}
        return super().set_kwargs(**given)  # type: ignore[misc]

    def add_kwargs(self, **kwargs: Any) -> Any:
        given = {name: _handed_over(value) for name, value in kwargs.items()}
        return super().add_kwargs(**given)  # type: ignore[misc]

    @property
    def provides(self) -> Any:
        return self._target

    @property
    def label(self) -> str:
        target = self._target
        return target if isinstance(target, str) else getattr(target, "__name__", "?")

    def load(self) -> Callable[..., Any]:
        """The target itself."""
        if isinstance(self._target, str):
            module, _, name = self._target.rpartition(".")
            self._target = getattr(import_module(module), name)
        return self._target  # type: ignore[no-any-return]

    def _begin(self, args: Any, kwargs: Any) -> tuple[Any, _Rest | None]:
        """Call the target with what it depends on; of a generator, keep the rest."""
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


def _handed_over(value: Any) -> Any:
    return value.provider if providers.is_delegated(value) else value


@dataclass(frozen=True)
class Parked:
    """An object that was put aside, with what closes it."""

    object: Any
    rest: _Rest | None
    sequence: int


class Opened(Late, providers.Resource[Any]):
    """Made once in a process, under a lock; closed by the app's lifecycle.

    The target is a generator function (what follows its ``yield`` closes the object) or
    a plain one, or the dotted path of either. ``observed_by`` is not for the target: it
    is called with the object, so that a component need not know who watches it.
    """

    def __init__(self, provides: Any = None, *args: Any, **kwargs: Any) -> None:
        self._object = ABSENT
        self._rest: _Rest | None = None
        self._lock = threading.RLock()
        self.sequence = -1
        #: The object while it is open and nothing overrides it, for a look without a
        #: call: that costs an injected function the most.
        self.ready: list[Any] = [ABSENT]
        super().__init__(provides, *args, **kwargs)
        self.disable_async_mode()

    def _provide(self, args: Any, kwargs: Any) -> Any:
        made = self._object
        if made is ABSENT:
            made = self._open(args, kwargs)
        self.ready[0] = made
        # After it, so that an override that comes between the two is seen.
        if self.last_overriding is not None or self._object is not made:
            self.ready[0] = ABSENT
        return made

    def override(self, provider: Any) -> Any:
        """As in the library."""
        overriding: Any = super().override(provider)
        self.ready[0] = ABSENT
        return overriding

    def _open(self, args: Any, kwargs: Any) -> Any:
        with self._lock:
            if self._object is ABSENT:
                made, self._rest = self._begin(args, kwargs)
                # Counted when complete: what it depends on has a lower number.
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

    def park(self) -> Parked:
        """Put the object aside without closing it; the next call makes another."""
        with self._lock:
            parked = Parked(self._object, self._rest, self.sequence)
            self._object, self._rest = ABSENT, None
            self.ready[0] = ABSENT
        return parked

    def put_back(self, parked: Parked) -> None:
        """Be again what :meth:`park` put aside."""
        with self._lock:
            self._object, self._rest = parked.object, parked.rest
            self.ready[0] = ABSENT
            self.sequence = parked.sequence


class Once(Opened):
    """Made once in a process; there is nothing to close."""


class Scoped(Late, providers.Callable[Any]):
    """Made at first use in a request or task, the same for everything in it.

    The target is a generator function: it receives at its ``yield`` what the view
    really raised, also when an error handler answered for it.
    """

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
        # Threads that share a context get one object; what lost is closed as well.
        return scope.objects.setdefault(self, made)
