"""What a service's tests are given: overrides, fixtures, wire-faithful servers."""

from .overrides import overriding

__all__ = ["overriding"]
