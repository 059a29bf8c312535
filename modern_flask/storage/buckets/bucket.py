"""A bucket of a vendor that speaks HTTP: one method for each request."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ...waiting import Deadline
from ..bodies import Part
from ..client import Page
from ..errors import BucketNotFound, IntegrityError, NoBucket, StorageError
from ..reader import Stream
from ..retries import call_with_retries, is_repeatable
from .answers import Operation
from .exchange import Exchange
from .headers import Headers
from .sdk_errors import make_unknown_error
from .sdk_logs import silence_sdks

__all__ = ["Bucket"]

T = TypeVar("T")

_DEADLINE = 60.0  # seconds for an operation, its retries included
_SLOWEST = 64 * 1024  # bytes a second that a body may take besides


class Bucket(ABC):
    """The requests that COS and OSS have in common; each is sent once.

    A request raises what the SDK raises: send it by :meth:`call`, which also judges the
    answer. The names of headers in answers are in lower case.

    Args:
        name: The bucket's name; empty if only ``raw`` is used.
        bucket_key: The setting to name in an error if the bucket is missing.
        limits: Timeouts (connect, read) in seconds.
        deadline: Seconds for an operation in all; by default 60, or one attempt that
            takes as long as ``limits`` allow if that is longer.

    Attributes:
        vendor: The value of ``STORAGE_VENDOR``.
        prefix: The beginning of the vendor's own headers, such as ``x-cos-``.
        ping_operation: What :meth:`ping` requests.
        raw: The vendor's own client, for the user.
    """

    vendor: str
    prefix: str
    ping_operation: Operation
    raw: Any

    def __init__(
        self,
        name: str,
        bucket_key: str,
        limits: tuple[float, float],
        deadline: float | None = None,
    ) -> None:
        self.name, self._bucket_key = name, bucket_key
        self._deadline = deadline or max(_DEADLINE, sum(limits))
        self._was_seen = False

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
    def url(self, key: str, expires: int, method: str, content_type: str | None) -> str:
        """Presign a URL; this sends nothing and raises this package's errors."""

    @abstractmethod
    def ping(self) -> None:
        """Request the bucket."""

    @abstractmethod
    def list_buckets(self) -> None:
        """Request one bucket of the account."""

    # What differs between the vendors' answers.

    def check_bucket(self) -> None:  # noqa: B027 - OSS has nothing to check
        """Raise BucketNotFound if it is the bucket that is missing, not an object.

        It is called after a HEAD found nothing, and does nothing if the answer to a
        HEAD names what is missing.
        """

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
    def exchange(
        self, operation: Operation, key: str, deadline: Deadline
    ) -> Iterator[None]:
        """Judge the answer to the request in the block; raise this package's errors."""
        exchange = Exchange(operation, key, self.place, self.prefix, deadline)
        try:
            # What the body raised comes through; what the SDK raised is translated.
            with exchange.open(), self.translate_errors(operation.name, key):
                yield
        except BucketNotFound:
            self._was_seen = False
            raise
        self._was_seen = True

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
        operation: Operation,
        key: str,
        request: Callable[[], T],
        *,
        size: int = 0,
        repeat: Callable[[StorageError], bool] = is_repeatable,
        within: float | None = None,
    ) -> T:
        """The result of ``request``; it is repeated while there is no answer.

        Args:
            operation: What is requested, and what its answer must be.
            key: The object's key.
            request: Calls one of the requests above.
            size: The bytes of the request's body.
            repeat: After which errors the request is repeated.
            within: Seconds for all attempts, instead of the operation's.
        """
        seconds = within or self._deadline + size / _SLOWEST + operation.patience
        deadline = Deadline(seconds)

        def send() -> T:
            with self.exchange(operation, key, deadline):
                return request()

        return call_with_retries(send, repeat=repeat, within=seconds)
