"""Tools for a service's tests: overrides, fixtures, wire-faithful servers."""

from .overrides import overriding

__all__ = ["overriding"]
