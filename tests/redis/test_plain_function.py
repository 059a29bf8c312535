"""Functions that neither ``cached`` nor ``synchronized`` can decorate."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from modern_flask.redis import NotPlainFunction, make_cached, make_synchronized


async def awaited() -> int:
    return 1


def yielding() -> Iterator[int]:
    yield 1


async def streaming() -> AsyncIterator[int]:
    yield 1


def find_client() -> Redis:
    raise AssertionError("no client is looked for")


@pytest.mark.parametrize("late", [awaited, yielding, streaming])
@pytest.mark.parametrize(
    ("name", "decorator"),
    [
        ("cached", make_cached(find_client)(10)),
        ("synchronized", make_synchronized(find_client)("work")),
    ],
)
def test_function_that_runs_later(
    name: str, decorator: Callable[..., Any], late: Callable[..., Any]
) -> None:
    """The decorator refuses a function whose call returns before it has run."""
    with pytest.raises(NotPlainFunction) as raised:
        decorator(late)

    assert str(raised.value) == (
        f"@{name} can't decorate {__name__}.{late.__name__}: a call returns before "
        "the body of the function has run.\n"
        f"  fix      put @{name} on a plain function that it calls"
    )
