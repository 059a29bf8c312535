"""A bucket of a vendor that speaks HTTP: one method for each request."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..bodies import Part
from ..client import Page
from ..errors import IntegrityError, NoBucket, StorageError
from ..reader import Stream
from ..retries import call_with_retries
from .headers import Headers
from .sdk_errors import make_unknown_error
from .sdk_logs import silence_sdks

__all__ = ["Bucket"]

T = TypeVar("T")


class Bucket(ABC):
    """The requests that COS and OSS have in common; each is sent once.

    A request raises what the SDK raises: send it by :meth:`call`. The names of headers
    in answers are in lower case.

    Args:
        name: The bucket's name; empty if only ``raw`` is used.
        bucket_key: The setting to name in an error if the bucket is missing.

    Attributes:
        vendor: The value of ``STORAGE_VENDOR``.
        prefix: The beginning of the vendor's own headers, such as ``x-cos-``.
        raw: The vendor's own client, for the user.
    """

    vendor: str
    prefix: str
    raw: Any

    def __init__(self, name: str, bucket_key: str) -> None:
        self.name, self._bucket_key = name, bucket_key

    @property
    def place(self) -> str:
        return f"{self.vendor} bucket {self.name}" if self.name else self.vendor

    def make_no_bucket(self) -> NoBucket:
        """The error for an operation that needs a bucket, where none is set."""
        return NoBucket(self.vendor, self._bucket_key)

    # Requests.

    @abstractmethod
    def put(self, key: str, part: Part, headers: dict[str, str]) -> Headers:
        """Store an object in one request."""

    @abstractmethod
    def start_upload(self, key: str, headers: dict[str, str]) -> str:
        """Start a multipart upload; its id."""

    @abstractmethod
    def put_part(self, key: str, upload: str, number: int, part: Part) -> Headers:
        """Send a part; the first one has the number 1."""

    @abstractmethod
    def complete_upload(
        self, key: str, upload: str, etags: Sequence[str], headers: dict[str, str]
    ) -> Headers:
        """Make an object from the parts with these etags, in their order."""

    @abstractmethod
    def abort_upload(self, key: str, upload: str) -> None:
        """Delete the parts of an upload."""

    @abstractmethod
    def get(self, key: str, headers: dict[str, str]) -> tuple[Headers, Stream]:
        """Open an object, or the range in ``headers``."""

    @abstractmethod
    def head(self, key: str) -> Headers:
        """The headers of an object."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object."""

    @abstractmethod
    def list_page(self, prefix: str, after: str, most: int) -> tuple[Page, str]:
        """At most ``most`` objects, and the next page's marker; empty at the end."""

    @abstractmethod
    def url(self, key: str, expires: int, method: str) -> str:
        """Presign a URL; this sends nothing and raises this package's errors."""

    @abstractmethod
    def ping(self, timeout: float) -> None:
        """Request the bucket; no wait lasts longer than ``timeout`` seconds."""

    @abstractmethod
    def list_buckets(self, timeout: float) -> None:
        """Request one bucket of the account, with waits of ``timeout`` seconds."""

    # What differs between the vendors' answers.

    @abstractmethod
    def make_error(
        self, error: Exception, operation: str, key: str
    ) -> StorageError | None:
        """An SDK's exception as this package's error; ``None`` for other exceptions."""

    def quote_etag(self, etag: str) -> str:
        """The etag as a condition's header has it (RFC 9110, section 8.8.3)."""
        return f'"{etag}"'

    def check_crc64(self, key: str, crc64: int, answer: Headers) -> None:
        """Compare the checksum of the sent bytes with the vendor's.

        Raises:
            IntegrityError: They differ.
        """
        found = answer.get(f"{self.prefix}hash-crc64ecma")
        if found is not None and found != str(crc64):
            reason = f"{crc64} was sent and {found} arrived, by their crc64"
            raise IntegrityError(key, self.place, reason)

    # How requests are sent.

    @contextmanager
    def translate_errors(self, operation: str, key: str) -> Iterator[None]:
        """Raise the SDK's exceptions as this package's errors; silence its log."""
        with silence_sdks():
            try:
                yield
            except StorageError:
                raise
            except Exception as error:
                fault = self.make_error(error, operation, key)
                if fault is None:
                    fault = make_unknown_error(error, operation, key, self.place)
                raise fault from error

    def call(
        self,
        operation: str,
        key: str,
        request: Callable[[], T],
        repeatable: bool = True,
    ) -> T:
        """The result of ``request``; it is repeated while there is no answer.

        Args:
            operation: What the errors name, such as ``put``.
            key: The object's key.
            request: Calls one of the requests above.
            repeatable: False for a put that must not overwrite: after a lost answer,
                the object that prevents the second attempt may come from the first.
        """

        def send() -> T:
            with self.translate_errors(operation, key):
                return request()

        return call_with_retries(send) if repeatable else send()
