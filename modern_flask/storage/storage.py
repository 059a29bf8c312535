"""One interface for every vendor of object storage."""

import contextvars
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, TypeAlias

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
    guessed_type,
)
from .reader import ObjectReader

__all__ = ["Body", "ObjectInfo", "Observer", "Storage"]

Body: TypeAlias = bytes | BinaryIO | Iterable[bytes]
Observer: TypeAlias = Callable[[str, str], AbstractContextManager[Any]]
_Moved: TypeAlias = Callable[[str, int], object]


@dataclass(frozen=True)
class ObjectInfo:
    """What a storage knows of an object without its bytes.

    Attributes:
        key: The object's key.
        size: Bytes of the whole object.
        etag: The vendor's name for this version, without quotes.
        last_modified: Aware, in UTC; to the second with COS and OSS.
        content_type: ``None`` where it was not told: listings do not tell it.
        metadata: The names in lower case; empty in listings.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Storage(ABC):
    """Objects by key. Safe to be used by several threads.

    The public methods check what they are given and call the vendor inside
    ``observe(operation, key)``, a context manager that may be set per instance and
    sees every transfer: ``put``, ``get``, ``head``, ``delete``, ``list`` once a page.
    ``moved(operation, size)`` is told the bytes of a whole ``put``, and those that a
    reader of ``get`` gives out, piece by piece.
    """

    vendor: str
    observe: Observer | None = None
    moved: _Moved | None = None
    _pinging: threading.Thread | None = None

    @property
    @abstractmethod
    def raw(self) -> Any:
        """The vendor's own client."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the objects are, in words; never a secret."""

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
            body: Bytes, a binary file from where it stands, or chunks of bytes.
            content_type: Without it, the one that the key's ending stands for.
            metadata: Names ``[a-z0-9-]``, 2 KB in sum.
            overwrite: With ``False``, an object that is there stays as it is. COS and
                OSS do not keep this in buckets with versioning.

        Returns:
            What is known of it; ``last_modified`` is when COS or OSS answered.

        Raises:
            ObjectExists: ``overwrite=False`` and there is one.
            IntegrityError: The vendor received other bytes than were sent.
        """
        check_key(key)
        kind = guessed_type(key) if content_type is None else content_type
        check_content_type(kind)
        kept = check_metadata(metadata)
        with self._observe("put", key):
            info = self._put(key, body, kind, kept, overwrite)
        if self.moved is not None:
            self.moved("put", info.size)
        return info

    def get(self, key: str, *, start: int = 0, end: int | None = None) -> ObjectReader:
        """Open the bytes from ``start`` up to but without ``end``.

        Returns:
            A stream of one version of the object. Close it, or use it in ``with``.

        Raises:
            ObjectNotFound: No object has this key.
            InvalidRange: ``start`` is negative or behind the last byte, or ``end`` is
                before ``start``. An ``end`` behind the last byte is cut.
        """
        check_key(key)
        if start < 0 or (end is not None and end < start):
            raise InvalidRange(key, start, end, "it must be 0 <= start <= end")
        with self._observe("get", key):
            if start != end:
                try:
                    reader = self._get(key, start, end)
                    reader.moved = self.moved
                    return reader
                except InvalidRange:
                    # An empty object has no first byte, and all of it was asked for.
                    if start:
                        raise
            return ObjectReader.empty(self._head(key), self.place)

    def head(self, key: str) -> ObjectInfo:
        """What is known of an object.

        Raises:
            ObjectNotFound: No object has this key.
        """
        check_key(key)
        with self._observe("head", key):
            return self._head(key)

    def exists(self, key: str) -> bool:
        """Whether an object has this key."""
        check_key(key)
        with self._observe("head", key):
            try:
                self._head(key)
            except ObjectNotFound:
                return False
            return True

    def delete(self, key: str) -> None:
        """Delete the object, if there is one."""
        check_key(key)
        with self._observe("delete", key):
            self._delete(key)

    def list(self, prefix: str = "", *, limit: int | None = None) -> "_Pages":
        """The objects whose key begins with ``prefix``, by the bytes of their keys.

        Keys that are not portable, such as a console's folder markers, are left out.

        Args:
            prefix: Any beginning of a key, not only up to a slash.
            limit: Most objects; further pages are fetched only when they are needed.
        """
        check_prefix(prefix)
        if limit is not None and limit < 0:
            raise ValueError(f"limit must not be negative, it is {limit}.")
        return self._listed(prefix, limit)

    def _listed(self, prefix: str, limit: int | None) -> Iterator[ObjectInfo]:
        left = limit
        pages = iter(self._list(prefix, limit)) if left != 0 else iter(())
        while left is None or left > 0:
            with self._observe("list", prefix):
                page = next(pages, None)
            if page is None:
                return
            yield from page[:left]
            left = None if left is None else left - len(page)

    @abstractmethod
    def url(self, key: str, *, expires: int = 3600, method: str = "GET") -> str:
        """A URL that lets whoever has it do ``method`` for ``expires`` seconds.

        Raises:
            Unsupported: The vendor has no such URLs.
        """

    def ping(self, timeout: float) -> None:
        """Ask the storage whether it serves us.

        Args:
            timeout: Seconds until this returns, whatever a resolver or a disk does.

        Raises:
            StorageUnavailable: It does not, or not in time.
        """
        previous = self._pinging
        if previous is not None and previous.is_alive():
            # One stuck thread is enough: a dead mount holds it for ever.
            reason = "an earlier ping still waits"
            raise StorageUnavailable("answer a ping", "", self.place, reason)
        faults: list[Exception] = []

        def ask() -> None:
            try:
                self._ping(timeout)
            except Exception as error:
                faults.append(error)

        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(ask,), daemon=True)
        self._pinging = thread
        thread.start()
        thread.join(timeout)
        if thread.is_alive():
            reason = f"nothing came in {timeout:g} s"
            raise StorageUnavailable("answer a ping", "", self.place, reason)
        if faults:
            raise self._ping_fault(faults[0]) from faults[0]

    def _ping_fault(self, error: Exception) -> StorageUnavailable:
        if isinstance(error, StorageUnavailable):
            reason = error.reason
        elif isinstance(error, StorageError):
            reason = getattr(error, "code", "") or type(error).__name__
        else:
            reason = type(error).__name__
        return StorageUnavailable("answer a ping", "", self.place, reason)

    def close(self) -> None:  # noqa: B027 - nothing to close is a proper answer
        """Give back what the storage holds open."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.place}>"

    def _observe(self, operation: str, key: str) -> AbstractContextManager[Any]:
        return nullcontext() if self.observe is None else self.observe(operation, key)

    @abstractmethod
    def _put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo: ...

    @abstractmethod
    def _get(self, key: str, start: int, end: int | None) -> ObjectReader: ...

    @abstractmethod
    def _head(self, key: str) -> ObjectInfo: ...

    @abstractmethod
    def _delete(self, key: str) -> None: ...

    @abstractmethod
    def _list(self, prefix: str, limit: int | None) -> "Iterable[Page]": ...

    @abstractmethod
    def _ping(self, timeout: float) -> None: ...


Page: TypeAlias = Sequence[ObjectInfo]
_Pages: TypeAlias = Iterator[ObjectInfo]


def ping(storage: Storage, timeout: float) -> None:
    """Ask ``storage`` whether it serves us; see :meth:`Storage.ping`."""
    storage.ping(timeout)
