"""What a storage needs from a vendor: one set of verbs for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from .bodies import Body
from .errors import Unsupported
from .object_info import ObjectInfo
from .reader import ObjectReader

__all__ = ["PING", "Client", "Page"]

PING = "answer a ping"  # the operation, as errors name it

Page: TypeAlias = Sequence[ObjectInfo]


class Client(ABC):
    """The objects of one vendor, by key. Several threads may use one client.

    :class:`~modern_flask.storage.Storage` checks keys, prefixes, ranges and metadata
    before it calls a client. A client raises a :class:`StorageError`, or what the
    caller's own body raised.

    Attributes:
        vendor: The value of ``STORAGE_VENDOR``.
        page_size: The most objects in a page of a listing: COS and OSS list no more
            at once.
    """

    vendor: str
    page_size: int = 1000

    @property
    @abstractmethod
    def raw(self) -> Any:
        """The vendor's own client."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the objects are, in words; never a secret."""

    @abstractmethod
    def put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo:
        """Store ``body``; readers see all of it or nothing.

        Raises:
            ObjectExists: ``overwrite`` is false, and the object exists.
            OutcomeUnknown: ``overwrite`` is false, and it may have been stored.
            IntegrityError: The vendor received other bytes than were sent.
        """

    @abstractmethod
    def get(self, key: str, start: int, end: int | None) -> ObjectReader:
        """Open the bytes from ``start`` up to but not including ``end``.

        Raises:
            ObjectNotFound: No object has this key.
            InvalidRange: The object has no byte at ``start``.
        """

    @abstractmethod
    def head(self, key: str) -> ObjectInfo:
        """The object's info.

        Raises:
            ObjectNotFound: No object has this key.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete the object; do nothing if it does not exist."""

    @abstractmethod
    def list_pages(self, prefix: str, limit: int | None) -> Iterator[Page]:
        """The objects whose keys begin with ``prefix``, by the bytes of their keys.

        Args:
            prefix: The beginning of the keys.
            limit: No more objects than this are needed; a page may still hold more.
        """

    def url(self, key: str, expires: int, method: str, content_type: str | None) -> str:
        """A URL that lets its holder do ``method`` for ``expires`` seconds.

        Args:
            key: The object's key.
            expires: In seconds.
            method: GET, HEAD, PUT or DELETE.
            content_type: The Content-Type that an upload must send; ``None`` for none.

        Raises:
            Unsupported: The vendor has no such URLs.
        """
        what = "makes no presigned URLs"
        raise Unsupported(self.vendor, what, "serve the object from a view")

    @abstractmethod
    def ping(self, timeout: float) -> None:
        """Check that the vendor answers and accepts our credentials.

        Args:
            timeout: No wait that can be bounded lasts longer, in seconds.
        """

    def close(self) -> None:  # noqa: B027 - most clients have nothing to close
        """Release the client's connections and files."""
