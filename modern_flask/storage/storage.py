"""Object storage: the same operations for every vendor."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeAlias

from ..failures import describe
from ..waiting import BackgroundCall, DeadlinePassed
from .bodies import Body
from .client import PING, Client
from .errors import (
    InvalidRange,
    ObjectNotFound,
    StorageError,
    StorageUnavailable,
)
from .keys import (
    check_content_type,
    check_key,
    check_metadata,
    check_prefix,
    guess_content_type,
)
from .object_info import ObjectInfo
from .reader import ObjectReader

__all__ = ["Observer", "Storage", "ping"]

Observer: TypeAlias = Callable[[str, str], AbstractContextManager[Any]]
_Moved: TypeAlias = Callable[[str, int], object]

_URL_METHODS = ("GET", "HEAD", "PUT", "DELETE")


class Storage:
    """Objects by key. Several threads may use one storage.

    The public methods check their arguments and call the vendor's client inside
    ``observe(operation, key)``, a context manager that may be set per instance. It
    sees every operation: ``put``, ``get``, ``head``, ``delete``, and ``list`` once for
    each page. ``moved(operation, size)`` is called with the bytes of a whole ``put``,
    and with those that a reader of ``get`` returns, piece by piece.

    Args:
        client: The vendor's client.

    Attributes:
        client: The vendor's client.
        vendor: The value of ``STORAGE_VENDOR``.
        observe: Makes the context manager around each operation.
        moved: Called with an operation and a number of bytes.
    """

    observe: Observer | None = None
    moved: _Moved | None = None

    def __init__(self, client: Client) -> None:
        self.client, self.vendor = client, client.vendor
        self._last_ping: BackgroundCall[None] | None = None

    @property
    def raw(self) -> Any:
        """The vendor's own client."""
        return self.client.raw

    @property
    def place(self) -> str:
        """Where the objects are, in words; never a secret."""
        return self.client.place

    def put(
        self,
        key: str,
        body: Body,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool = True,
    ) -> ObjectInfo:
        """Store ``body`` under ``key``; readers see all of it or nothing.

        Args:
            key: See :func:`~modern_flask.storage.keys.check_key`.
            body: Bytes, a binary file from its current position, or chunks of bytes.
                A plain file is read twice, and must not change meanwhile.
            content_type: By default, the type that the key's ending stands for.
            metadata: Names of ``[a-z0-9-]``, 2 KB in total.
            overwrite: With ``False``, an object that exists stays as it is. COS and
                OSS do not honour this in buckets with versioning.

        Returns:
            The object's info; ``last_modified`` is when COS or OSS answered.

        Raises:
            ObjectExists: ``overwrite`` is false, and the object exists.
            OutcomeUnknown: ``overwrite`` is false, the answer was lost, and the same
                bytes are there: they may be another writer's.
            IntegrityError: The vendor received other bytes each time they were sent.
        """
        check_key(key)
        kind = guess_content_type(key) if content_type is None else content_type
        check_content_type(kind)
        checked = check_metadata(metadata)
        with self._observe("put", key):
            info = self.client.put(key, body, kind, checked, overwrite)
        if self.moved is not None:
            self.moved("put", info.size)
        return info

    def get(self, key: str, *, start: int = 0, end: int | None = None) -> ObjectReader:
        """Open the bytes from ``start`` up to but not including ``end``.

        Returns:
            A stream of one version of the object. Close it, or use it in ``with``.

        Raises:
            ObjectNotFound: No object has this key.
            InvalidRange: ``start`` is negative or after the last byte, or ``end`` is
                before ``start``. An ``end`` after the last byte is cut.
        """
        check_key(key)
        if start < 0 or (end is not None and end < start):
            raise InvalidRange(key, start, end, "it must be 0 <= start <= end")
        with self._observe("get", key):
            if start != end:
                try:
                    reader = self.client.get(key, start, end)
                    reader.moved = self.moved
                    return reader
                except InvalidRange:
                    # An empty object has no first byte, and all of it was requested.
                    if start:
                        raise
            return ObjectReader.make_empty(self.client.head(key), self.place)

    def head(self, key: str) -> ObjectInfo:
        """The object's info.

        Raises:
            ObjectNotFound: No object has this key.
        """
        check_key(key)
        with self._observe("head", key):
            return self.client.head(key)

    def exists(self, key: str) -> bool:
        """Whether an object has this key."""
        check_key(key)
        with self._observe("head", key):
            try:
                self.client.head(key)
            except ObjectNotFound:
                return False
            return True

    def delete(self, key: str) -> None:
        """Delete the object; do nothing if it does not exist."""
        check_key(key)
        with self._observe("delete", key):
            self.client.delete(key)

    def list(
        self, prefix: str = "", *, limit: int | None = None
    ) -> Iterator[ObjectInfo]:
        """The objects whose key begins with ``prefix``, by the bytes of their keys.

        Keys that are not portable, such as a console's folder markers, are left out.

        Args:
            prefix: Any beginning of a key, not only up to a slash.
            limit: The most objects; a page is fetched only when it is needed.
        """
        check_prefix(prefix)
        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, it is {limit}.")
        return self._iterate(prefix, limit)

    def _iterate(self, prefix: str, limit: int | None) -> Iterator[ObjectInfo]:
        left = limit
        pages = iter(()) if left == 0 else self.client.list_pages(prefix, limit)
        while left is None or left > 0:
            with self._observe("list", prefix):
                page = next(pages, None)
            if page is None:
                return
            yield from page[:left]
            left = None if left is None else left - len(page)

    def url(
        self,
        key: str,
        method: str = "GET",
        *,
        expires: int = 3600,
        content_type: str | None = None,
    ) -> str:
        """A URL that lets its holder do ``method`` for ``expires`` seconds.

        Args:
            key: The object's key.
            method: GET, HEAD, PUT or DELETE.
            expires: In seconds.
            content_type: Of a PUT: the upload must send this Content-Type, or it is
                refused. Without it the upload should send none, so that every vendor
                takes it: OSS refuses an upload with a type that was not signed.

        Raises:
            ValueError: There are no presigned URLs for ``method``, ``expires`` is
                below 1, or another method than PUT has a ``content_type``.
            Unsupported: The vendor has no such URLs, or none that last so long.
        """
        check_key(key)
        if method not in _URL_METHODS:
            raise ValueError(f"method must be one of {', '.join(_URL_METHODS)}.")
        if expires < 1:
            raise ValueError(f"expires must be at least 1 second, it is {expires}.")
        if content_type is not None:
            if method != "PUT":
                raise ValueError(f"a {method} sends no content; omit content_type.")
            check_content_type(content_type)
        return self.client.url(key, expires, method, content_type)

    def ping(self, timeout: float) -> None:
        """Check that the storage answers and accepts our credentials.

        Args:
            timeout: Seconds until this returns, whatever a resolver or a disk does.

        Raises:
            StorageUnavailable: It does not answer, or not in time.
        """
        previous = self._last_ping
        if previous is not None and not previous.ended:
            # One stuck thread is enough: a dead mount holds it forever.
            raise self._unavailable("an earlier ping is still waiting")
        call = BackgroundCall(partial(self.client.ping, timeout), "storage-ping")
        self._last_ping = call
        try:
            call.result(timeout)
        except DeadlinePassed as error:
            raise self._unavailable(f"no answer in {timeout:g} s") from error
        except StorageUnavailable as error:
            raise self._unavailable(error.reason) from error
        except StorageError as error:
            reason = getattr(error, "code", "") or getattr(error, "reason", "")
            raise self._unavailable(reason or type(error).__name__) from error
        except Exception as error:
            raise self._unavailable(describe(error)) from error

    def _unavailable(self, reason: str) -> StorageUnavailable:
        return StorageUnavailable(PING, "", self.place, reason)

    def close(self) -> None:
        """Release the storage's connections and files."""
        self.client.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.place}>"

    def _observe(self, operation: str, key: str) -> AbstractContextManager[Any]:
        return nullcontext() if self.observe is None else self.observe(operation, key)


def ping(storage: Storage, timeout: float) -> None:
    """Check that ``storage`` answers; see :meth:`Storage.ping`."""
    storage.ping(timeout)
