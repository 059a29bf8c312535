"""What a log call or a record factory adds to a record is in the JSON line."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from tests.observability.logs.conftest import Write

log = logging.getLogger("shop.orders")

Read = Callable[..., dict[str, Any]]


@pytest.fixture
def read(write: Write) -> Read:
    """``read(order=17)``: the JSON line of a call with ``extra={"order": 17}``."""

    def members(**extra: Any) -> dict[str, Any]:
        (line,) = write(lambda: log.info("sold", extra=extra), format="json")
        found: dict[str, Any] = json.loads(line, parse_constant=refuse)
        return found

    return members


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_extra(read: Read) -> None:
    """The fields of ``extra=`` are members of the line, with their types."""
    found = read(order_id=17, amount=9.5, paid=True, note=None, items=["tea", 2])

    assert (found["order_id"], found["amount"], found["paid"]) == (17, 9.5, True)
    assert (found["note"], found["items"]) == (None, ["tea", 2])
    assert found["message"] == "sold"


class Colour(Enum):
    RED = "red"


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 11, 1, 8, tzinfo=UTC), "2026-11-01T08:00:00+00:00"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (Decimal("9.50"), "9.50"),
        (PurePosixPath("a/b"), "PurePosixPath('a/b')"),
        (Colour.RED, "red"),
        (HTTPStatus.OK, 200),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1 << 70, str(1 << 70)),
        (b"tea", "tea"),
        (b"\xff", "\ufffd"),
        ({1: (2, {"a": None})}, {"1": [2, {"a": None}]}),
        (frozenset({7}), [7]),
        (ValueError("too few"), "ValueError: too few"),
        (Mute(), "<Mute: not readable, RuntimeError>"),
    ],
)
def test_values(read: Read, value: Any, written: Any) -> None:
    """A value that JSON does not have is written as text, and none breaks the line."""
    assert read(value=value)["value"] == written


@pytest.mark.parametrize(
    "name", ["time", "level", "logger", "service", "route", "trace_id", "exception"]
)
def test_name_of_the_kit(read: Read, name: str) -> None:
    """A field with the name of one of the kit's members has a prefix, and stays."""
    found = read(**{name: "mine", f"extra_{name}": "other"})

    assert found[f"extra_{name}"] == "mine"
    assert found[f"extra_extra_{name}"] == "other"
    assert found.get(name) != "mine"


def test_secrets_of_extra(read: Read) -> None:
    """A field with a secret name is masked, at any depth, and URLs in its text."""
    found = read(
        password="pa55",
        request={"Authorization": "Bearer pa55", "Accept": "*/*"},
        account={"name": "ann", "keys": {"api_key": 1234}},
        target="redis://:pa55@cache/0",
        error=ValueError("no answer from redis://:pa55@cache/0"),
    )

    assert "pa55" not in json.dumps(found)
    assert "1234" not in json.dumps(found)
    assert found["request"]["Accept"] == "*/*"
    assert found["account"]["name"] == "ann"
    assert found["target"] == "redis://:******@cache/0"


def test_limits(read: Read) -> None:
    """A line has a limit, and says what it leaves out."""
    circle: list[Any] = []
    circle.append(circle)

    wide = {str(number): 0 for number in range(101)}
    found = read(text="x" * 9000, many=[*range(103)], wide=wide, circle=circle)

    assert found["text"] == "x" * 8192 + "... 808 more characters"
    assert found["many"][99:] == [99, "... 3 more"]
    assert found["wide"]["..."] == "1 more"
    assert "[[...]]" in json.dumps(found["circle"])
    assert read(**{f"f{n}": n for n in range(105)})["extra_dropped"] == 5


@pytest.fixture
def tenant_factory() -> Iterator[None]:
    """A record factory of the service, set before the app's."""
    before = logging.getLogRecordFactory()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        record.tenant = "acme"
        return record

    logging.setLogRecordFactory(make)
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("tenant_factory")
def test_record_factory_of_the_service(read: Read) -> None:
    """What the service's own record factory sets is in the line."""
    assert read()["tenant"] == "acme"


def test_text_has_no_extra(write: Write) -> None:
    """A text line names its fields itself: it stays as its format says."""
    (line,) = write(lambda: log.info("sold", extra={"order_id": 17}))

    assert line.endswith("] - sold")
