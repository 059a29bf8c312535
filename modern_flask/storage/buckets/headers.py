"""Headers of requests and answers, as COS and OSS use them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

__all__ = ["Headers", "lower_names", "make_range", "parse_date"]

Headers: TypeAlias = Mapping[str, str]


def make_range(start: int, end: int | None) -> dict[str, str]:
    """The header for the bytes from ``start`` up to but not including ``end``.

    There is none for all bytes. Source: RFC 9110, section 14.2.
    """
    if start == 0 and end is None:
        return {}
    return {"Range": f"bytes={start}-{'' if end is None else end - 1}"}


def parse_date(answer: Headers) -> datetime:
    """When the vendor answered: the answer to a put has no Last-Modified."""
    text = answer.get("date")
    return parsedate_to_datetime(text) if text else datetime.now(UTC)


def lower_names(headers: Mapping[str, Any]) -> dict[str, str]:
    """The headers with their names in lower case."""
    return {name.lower(): str(value) for name, value in headers.items()}
