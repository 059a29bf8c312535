"""The deadline of what runs at present: a request, a task or a block.

All times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from .waiting import Deadline

__all__ = ["at_most", "deadline", "within"]

_NONE = Deadline(float("inf"))
_current: ContextVar[Deadline] = ContextVar("modern_flask.deadline", default=_NONE)


def deadline() -> Deadline:
    """Return the deadline of the current request, task or block.

    Returns:
        A deadline that never passes (``left()`` is infinity) where there is none.
    """
    return _current.get()


def at_most(seconds: float) -> float:
    """Return the time that a wait may take: ``seconds``, or less before a deadline."""
    current = _current.get()
    return seconds if current is _NONE else min(seconds, current.left())


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Set a deadline for the block. It never extends the one around it."""
    token = _current.set(Deadline(at_most(seconds)))
    try:
        yield _current.get()
    finally:
        _current.reset(token)
