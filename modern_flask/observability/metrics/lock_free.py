"""Reads a counter of :mod:`itertools`, which counts without a lock."""

from __future__ import annotations

from itertools import count

__all__ = ["read_count"]


def read_count(counter: count[int]) -> int:
    """Read the counter from its ``repr``, since ``next()`` would change it."""
    return int(repr(counter)[len("count(") : -1])
