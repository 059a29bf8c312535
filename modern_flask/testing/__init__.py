"""What a service's tests are given: overrides, fixtures, wire-faithful servers."""

from modern_flask.testing.overrides import overriding

__all__ = ["overriding"]
