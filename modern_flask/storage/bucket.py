"""What our operations ask of a vendor that speaks HTTP, and how they ask it."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from .errors import IntegrityError, StorageError
from .sdk_logs import unheard
from .storage import Page, Storage
from .reader import Stream
from .bodies import Part, again
from .sdk_errors import broken

__all__ = ["Headers", "Wire", "dated", "lowered", "ranged"]

T = TypeVar("T")
Headers = Mapping[str, str]


class Wire(Storage):
    """A vendor's requests, one method each; header names of answers in lower case.

    They raise what the SDK raises; whoever calls them does so through ``_tried``.
    """

    prefix: str  # of the vendor's own headers, such as "x-cos-"

    @abstractmethod
    def _fault(self, error: Exception, operation: str, key: str) -> StorageError | None:
        """What the SDK raised as one of our errors; ``None`` for what it did not."""

    @abstractmethod
    def _sign(self, key: str, expires: int, method: str) -> str: ...

    @abstractmethod
    def _write(self, key: str, part: Part, headers: dict[str, str]) -> Headers: ...

    @abstractmethod
    def _begin(self, key: str, headers: dict[str, str]) -> str: ...

    @abstractmethod
    def _send(self, key: str, upload: str, number: int, part: Part) -> Headers: ...

    @abstractmethod
    def _finish(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers: ...

    @abstractmethod
    def _abort(self, key: str, upload: str) -> None: ...

    @abstractmethod
    def _open(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]: ...

    @abstractmethod
    def _look(self, key: str) -> Headers: ...

    @abstractmethod
    def _remove(self, key: str) -> None: ...

    @abstractmethod
    def _page(self, prefix: str, after: str, most: int) -> tuple[Page, str]:
        """At most ``most`` objects, and where to go on; empty at the end."""

    def _compare(self, key: str, crc64: int, answer: Headers) -> None:
        found = answer.get(f"{self.prefix}hash-crc64ecma")
        if found is not None and found != str(crc64):
            reason = f"{crc64} was sent and {found} arrived, by their crc64"
            raise IntegrityError(key, self.place, reason)

    @contextmanager
    def _answers(self, operation: str, key: str) -> Iterator[None]:
        """What the SDK raises, as this package's errors, and unheard of in the log."""
        with unheard():
            try:
                yield
            except StorageError:
                raise
            except Exception as error:
                fault = self._fault(error, operation, key)
                if fault is None:
                    fault = broken(error, operation, key, self.place)
                raise fault from error

    def _tried(
        self, operation: str, key: str, call: Callable[[], T], repeatable: bool = True
    ) -> T:
        """``call`` with our errors; again while there is no answer, if it may be.

        A put that must not overwrite is asked once: after a lost answer, the object
        that is in its way may be its own.
        """

        def asked() -> T:
            with self._answers(operation, key):
                return call()

        return again(asked) if repeatable else asked()


def ranged(start: int, end: int | None) -> dict[str, str]:
    """The header for the bytes from ``start`` up to but without ``end`` (RFC 9110)."""
    if start == 0 and end is None:
        return {}
    return {"Range": f"bytes={start}-{'' if end is None else end - 1}"}


def dated(answer: Headers) -> datetime:
    """When the vendor answered: a put is told no Last-Modified."""
    text = answer.get("date")
    return parsedate_to_datetime(text) if text else datetime.now(UTC)


def lowered(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}
