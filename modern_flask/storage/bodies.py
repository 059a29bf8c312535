"""Bodies of objects: cut into parts that can be sent more than once."""

from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, TypeAlias

from .checksums import Crc64

__all__ = [
    "CHUNK",
    "PART",
    "Body",
    "Part",
    "Source",
    "iterate_chunks",
    "iterate_part_sizes",
]

Body: TypeAlias = bytes | BinaryIO | Iterable[bytes]

CHUNK = 64 * 1024  # bytes
PART = 8 * 1024 * 1024  # bytes: the size of a part, and what of it stays in memory
_MOST_PARTS = 10_000  # COS and OSS alike


class Part:
    """Some bytes that can be sent more than once. Close it.

    Attributes:
        size: In bytes.
        crc64: The checksum of the bytes.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = SpooledTemporaryFile(PART)  # noqa: SIM115 - closed below
        self._crc = Crc64()
        self.size = 0

    @property
    def crc64(self) -> int:
        return self._crc.value

    def add(self, data: bytes) -> None:
        self._file.write(data)
        self._crc.update(data)
        self.size += len(data)

    def content(self) -> Any:
        """The bytes from their beginning, in a form that both SDKs can send."""
        if not self.size:
            # requests sends an empty file as an endless chunked body.
            return b""
        self._file.seek(0)
        return _SizedFile(self._file, self.size)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _SizedFile:
    """A file that has a length and hides its ``fileno``.

    The COS SDK and requests call ``fileno`` on a spooled file, which makes it move from
    memory to the disk.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk


class Source:
    """Any body as one stream that knows whether it has ended.

    Attributes:
        size: The bytes that were read so far.
        crc64: The checksum of those bytes.
    """

    def __init__(self, body: Body) -> None:
        self._chunks = iterate_chunks(body)
        self._rest = memoryview(b"")
        self._crc = Crc64()
        self.size = 0

    @property
    def crc64(self) -> int:
        return self._crc.value

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
        part = Part()
        try:
            while part.size < most and not self.has_ended:
                piece = bytes(self._rest[: min(most - part.size, CHUNK)])
                self._rest = self._rest[len(piece) :]
                part.add(piece)
                self._crc.update(piece)
                self.size += len(piece)
        except BaseException:
            part.close()
            raise
        return part


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
