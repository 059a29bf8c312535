"""The bytes of one version of an object, as a stream that detects losses."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol

from .errors import IntegrityError, StorageUnavailable
from .object_info import ObjectInfo

__all__ = ["Checksum", "ObjectReader", "Stream"]

_CHUNK = 64 * 1024
_RESUMES = 3  # how many lost connections one read survives


class Stream(Protocol):
    """A vendor's body; ``b""`` is its end, and it raises StorageUnavailable."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Checksum(Protocol):
    """A checksum over bytes that come in pieces."""

    @property
    def value(self) -> int: ...

    def update(self, data: bytes, /) -> None: ...


class ObjectReader:
    """Read it like a file, or iterate over chunks of at most 64 KiB.

    The connection or file is released at the end of the bytes, or when the reader is
    closed.

    After a lost connection the reader resumes where it broke, at the same version of
    the object. It raises when a body ends early or has a wrong checksum, and never
    returns the last chunk of such a body.

    Attributes:
        info: The whole object's info, even if only a range is read.
        moved: Called with ``"get"`` and the size of each piece that is returned.

    Raises:
        StorageUnavailable: The connection was lost, and the read could not be resumed.
        IntegrityError: All bytes arrived, and they are not those that were stored.
        ObjectChanged: The object was replaced before a lost read could be resumed.
    """

    moved: Callable[[str, int], object] | None = None

    def __init__(
        self,
        info: ObjectInfo,
        place: str,
        body: Stream,
        length: int,
        *,
        checksum: Checksum | None = None,
        expected: int | None = None,
        resume: Callable[[int], Stream] | None = None,
    ) -> None:
        self.info = info
        self._place, self._body, self._length = place, body, length
        self._checksum, self._expected = checksum, expected
        self._resume, self._resumes = resume, 0
        self._offset = 0
        self._closed = False
        if not length:
            body.close()

    @classmethod
    def make_empty(cls, info: ObjectInfo, place: str) -> "ObjectReader":
        """A reader of no bytes."""
        return cls(info, place, _NoBytes(), 0)

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes, fewer only at the end; without ``size``, the rest."""
        if size is None or size < 0:
            return b"".join(self)
        pieces = []
        while size:
            piece = self._read_chunk(min(size, _CHUNK))
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._read_chunk(_CHUNK):
            yield chunk

    def _read_chunk(self, size: int) -> bytes:
        if self._closed:
            raise ValueError(f'The reader of "{self.info.key}" is closed.')
        left = self._length - self._offset
        if not left:
            return b""
        piece = self._read_piece(min(size, left))
        self._offset += len(piece)
        if self._checksum is not None:
            self._checksum.update(piece)
        if self._offset == self._length:
            # Most readers that are never closed have been read to the end.
            self._body.close()
            self._check_checksum()
        if self.moved is not None:
            self.moved("get", len(piece))
        return piece

    def _read_piece(self, size: int) -> bytes:
        """Some bytes of the body; a lost connection is replaced."""
        while True:
            cause = None
            try:
                piece = self._body.read(size)
            except StorageUnavailable as error:
                cause, piece = error, b""
            if piece:
                return piece
            if self._resume is None or self._resumes == _RESUMES:
                reason = f"it ended after {self._offset} of {self._length} bytes"
                key = self.info.key
                raise StorageUnavailable("read", key, self._place, reason) from cause
            self._resumes += 1
            self._body.close()
            self._body = self._resume(self._offset)

    def _check_checksum(self) -> None:
        if self._checksum is None or self._expected is None:
            return
        found = self._checksum.value
        if found != self._expected:
            reason = f"their checksum is {found}, not {self._expected}"
            raise IntegrityError(self.info.key, self._place, reason)

    def close(self) -> None:
        """Release the connection; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._body.close()

    def __enter__(self) -> "ObjectReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        span = f"{self._offset} of {self._length} bytes"
        return f"<ObjectReader: {self.info.key!r} in {self._place}, {span}>"


class _NoBytes:
    """The body of a reader without bytes."""

    def read(self, size: int, /) -> bytes:
        return b""

    def close(self) -> None:
        """Do nothing: nothing is open."""
