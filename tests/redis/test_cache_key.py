"""The key of a cached call."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Annotated, Any
from uuid import UUID

import pytest
from dependency_injector.wiring import Provide, inject

from modern_flask.redis import NotKeyable
from modern_flask.redis.cache_key import CallKey, canonicalize


class Colour(Enum):
    RED = 1


class Size(IntEnum):
    SMALL = 1


class Name(str):
    """A subclass of text."""


@dataclass
class Point:
    x: int
    y: int


NEIGHBOURS: list[Any] = [
    *(1, "1", True, 1.0, b"1", None, "None", Decimal(1), Size.SMALL, Colour.RED),
    *((1,), [1], {1}, frozenset({1}), {1: 1}, {"1": 1}, (), [], {}, set(), ""),
    *(Name("1"), Point(1, 2), Point(2, 1), {"x": 1, "y": 2}, (1, 2), (1, (2,))),
    *(datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2), datetime.time(1)),
    *(datetime.timedelta(1), UUID(int=1), PurePosixPath("1"), ("a", "b"), ("a,b",)),
]


def test_types_are_distinguished() -> None:
    """Similar values of different types have different texts."""
    texts = [canonicalize(value) for value in NEIGHBOURS]

    assert len(set(texts)) == len(NEIGHBOURS)


def test_order_makes_no_difference_where_there_is_none() -> None:
    """Dictionaries and sets have the same text in any order."""
    assert canonicalize({"a": 1, "b": 2}) == canonicalize({"b": 2, "a": 1})
    assert canonicalize({"a", "b", "c"}) == canonicalize({"c", "b", "a"})


def test_same_call_same_key() -> None:
    """By position, by name or by default: the same arguments have the same key."""

    def total(order: int, currency: str = "EUR") -> None: ...

    key = CallKey(total, ["orders", "total"])

    assert key(7) == key(order=7) == key(7, "EUR") == key(currency="EUR", order=7)
    assert key(7) == "cache.orders.total(order=7,currency='EUR')"
    assert key(7, "USD") != key(7)
    assert key("7") != key(7)


def test_variable_arguments_count() -> None:
    """The arguments of ``*args`` and ``**kwargs`` are part of the key."""

    def total(*orders: int, **options: str) -> None: ...

    key = CallKey(total, ["total"])

    assert key(1, 2, tax="no") == "cache.total(orders=(1,2),options={'tax':'no'})"
    assert key(1, 2, b="", a="") == key(1, 2, a="", b="")


def test_function_is_the_prefix() -> None:
    """Without keys, the function's full name is the prefix."""
    key = CallKey(canonicalize)

    assert key(1) == "cache.modern_flask.redis.cache_key.canonicalize(value=1)"


def test_arguments_may_be_left_out() -> None:
    """Ignored parameters, or all of them, make no difference."""

    def total(order: int, verbose: bool) -> None: ...

    some = CallKey(total, ["total"], ignore=["verbose"])
    none = CallKey(total, ["a", "b"], by_arguments=False)

    assert some(7, True) == some(7, False) == "cache.total(order=7)"
    assert none(7, True) == none(8, object()) == "cache.a.b"


def test_injected_arguments_are_left_out() -> None:
    """Injected arguments are not part of the key, even if they are passed."""

    @inject
    def total(
        order: int,
        session: Annotated[object, Provide["session"]],
        storage: object = Provide["storage"],
    ) -> None: ...

    key = CallKey(total, ["total"])

    assert key(order=7) == "cache.total(order=7)"
    assert key(7, session=object(), storage=object()) == key(7)


def test_long_arguments_are_hashed() -> None:
    """A key stays short, and different long arguments have different keys."""

    def search(text: str) -> None: ...

    key = CallKey(search, ["search"])

    assert len(key("a" * 10_000)) < 100
    assert key("a" * 10_000) != key("a" * 9_999)


def test_argument_without_a_text_is_an_error() -> None:
    """The error about an argument without a canonical text names it and the remedy."""

    def total(order: int, customer: object) -> None: ...

    with pytest.raises(NotKeyable) as fault:
        CallKey(total)(7, customer=[object()])

    name = f"{__name__}.test_argument_without_a_text_is_an_error.<locals>.total"
    assert str(fault.value) == (
        f"{name} can't be cached by its argument `customer`: "
        "a value of the type object can't be part of a key.\n"
        '  fix      pass plain values, or leave it out with ignore=["customer"]'
    )
