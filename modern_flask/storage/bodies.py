"""Bodies of objects: cut into parts that can be sent more than once."""

import hashlib
import io
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, TypeAlias

from ..waiting import Deadline
from .checksums import Crc64, combine_crc64

__all__ = [
    "CHUNK",
    "PART",
    "Body",
    "Part",
    "SentBody",
    "Source",
    "iterate_chunks",
    "iterate_part_sizes",
]

Body: TypeAlias = bytes | BinaryIO | Iterable[bytes]

CHUNK = 64 * 1024  # bytes
PART = 8 * 1024 * 1024  # bytes: the size of a part, and what of it stays in memory
_MOST_PARTS = 10_000  # COS and OSS alike

# A file within an upload or a named temporary file, which may be read in its place.
_HOLDERS = {
    ("werkzeug.datastructures.file_storage", "FileStorage"): "stream",
    ("tempfile", "_TemporaryFileWrapper"): "file",
}


class Part:
    """Some bytes that can be sent more than once, and their checksums. Close it.

    Args:
        file: The file that holds the bytes already; without one, they are kept in
            memory, and beyond 8 MiB in a temporary file.
        start: Where the bytes begin in ``file``.

    Attributes:
        size: In bytes.
        crc64: The checksum of the bytes.
        md5: The value of the header Content-MD5 (RFC 1864).
    """

    def __init__(self, file: IO[bytes] | None = None, start: int = 0) -> None:
        self._spool: IO[bytes] | None = None
        if file is None:
            file, start = SpooledTemporaryFile(PART), 0  # noqa: SIM115
            self._spool = file
        self._file, self._start = file, start
        self._crc, self._digest = Crc64(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    @property
    def crc64(self) -> int:
        return self._crc.value

    @property
    def md5(self) -> str:
        return b64encode(self._digest.digest()).decode()

    @property
    def etag(self) -> str:
        """The etag of an object of these bytes that the vendor does not encrypt."""
        return self._digest.hexdigest()

    def add(self, data: bytes) -> None:
        """Append bytes, which ``file`` holds already if there is one."""
        if self._spool is not None:
            self._spool.write(data)
        self._crc.update(data)
        self._digest.update(data)
        self.size += len(data)

    def content(self) -> Any:
        """The bytes from their beginning, in a form that both SDKs can send."""
        if not self.size:
            # requests sends an empty file as an endless chunked body.
            return b""
        return SentBody(self._file, self._start, self.size)

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SentBody:
    """The bytes of a part while they are sent.

    It has a length and no ``fileno``: the COS SDK and requests call ``fileno`` on a
    spooled file, which makes it move from memory to the disk.

    Attributes:
        deadline: Until when the bytes must have been read, if there is a limit.
        error: The error of the file, if it had one.
    """

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self.deadline: Deadline | None = None
        self.error: Exception | None = None
        self.seek(0)

    def __len__(self) -> int:
        return self._size

    @property
    def has_ended(self) -> bool:
        """Whether all bytes have been read."""
        return self._offset == self._size

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int) -> int:
        self._file.seek(self._start + offset)
        self._offset = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(self)
        if self.deadline is not None and self.deadline.passed:
            raise TimeoutError("timed out")
        size = min(size, self._size - self._offset)
        data = self._read_file(size) if size else b""
        self._offset += len(data)
        return data

    def _read_file(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
            if not data:
                raise ValueError("The file became shorter while it was being sent.")
        except Exception as error:
            self.error = error
            raise
        return data

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk


class Source:
    """Any body as one stream that knows whether it has ended.

    Bytes and plain files are read twice, for their checksums and when they are sent. A
    body that can be read only once, or at the price of decompressing it again, is
    copied part by part.

    Attributes:
        size: The bytes that were read so far.
        crc64: The checksum of those bytes.
    """

    def __init__(self, body: Body) -> None:
        self._file = _find_plain_file(body)
        self._start = 0 if self._file is None else self._file.tell()
        self._chunks = (
            iterate_chunks(body) if self._file is None else self._iterate_file()
        )
        self._rest = memoryview(b"")
        self.size = self.crc64 = 0

    def _iterate_file(self) -> Iterator[bytes]:
        """The chunks of the file, in which sending a part moves the position."""
        file: Any = self._file
        offset = self._start
        while True:
            file.seek(offset)
            chunk = file.read(CHUNK)
            if not chunk:
                return
            offset += len(chunk)
            yield chunk

    @property
    def has_ended(self) -> bool:
        """Whether no bytes are left; may read the next chunk of the body."""
        while not len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._rest = memoryview(chunk).cast("B")
        return False

    def read_part(self, most: int) -> Part:
        """The next bytes, at most ``most`` of them."""
        part = Part(self._file, self._start + self.size)
        try:
            while part.size < most and not self.has_ended:
                piece = bytes(self._rest[: min(most - part.size, CHUNK)])
                self._rest = self._rest[len(piece) :]
                part.add(piece)
        except BaseException:
            part.close()
            raise
        self.size += part.size
        self.crc64 = combine_crc64(self.crc64, part.crc64, part.size)
        return part


def _find_plain_file(body: Any) -> IO[bytes] | None:
    """The file in ``body`` that can be read twice for little; ``None`` for others.

    Only types that are known not to change the bytes count: a file that decrypts or
    decompresses may have a ``seek`` that reads all of it again, or none that works.
    """
    if isinstance(body, bytes):
        return io.BytesIO(body)
    kind = type(body)
    holder = _HOLDERS.get((kind.__module__, kind.__name__))
    file = getattr(body, holder) if holder else body
    plain = file.raw if type(file) in {io.BufferedReader, io.BufferedRandom} else file
    known = type(plain) in {io.BytesIO, io.FileIO, SpooledTemporaryFile}
    is_text = getattr(file, "encoding", None) is not None
    return file if known and not is_text and file.seekable() else None


def iterate_chunks(body: Body) -> Iterator[Any]:
    """The bytes of a body of any kind.

    Raises:
        TypeError: The body is text, or yields text.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        return iter([body])
    read = getattr(body, "read", None)
    pieces = iter(lambda: read(CHUNK), b"") if callable(read) else iter(body)
    first = next(pieces, None)
    if isinstance(first, str):
        raise TypeError("The body of an object is bytes, not text; encode it.")
    return iter(()) if first is None else chain((first,), pieces)


def iterate_part_sizes(first: int) -> Iterator[int]:
    """The sizes of the parts of a body of unknown length, in bytes.

    They double every 1,000 parts: 10,000 parts of 8 MiB would hold only 80 GiB.
    """
    for number in range(_MOST_PARTS):
        yield first << number // 1000
