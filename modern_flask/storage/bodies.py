"""Bodies in pieces: spooled, summed, sent again."""

import random
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar

from .errors import StorageUnavailable
from .storage import Body

__all__ = ["Crc64", "Part", "Source", "again", "part_sizes"]

T = TypeVar("T")

CHUNK = 64 * 1024
PART = 8 * 1024 * 1024  # bytes: a part, and what of a part is kept in memory
_MOST_PARTS = 10_000  # COS and OSS alike

_ATTEMPTS = 3
FIRST_WAIT = 0.1  # seconds, doubled by each further one
_LONGEST_WAIT = 2.0
_BUDGET = 30.0  # seconds after which nothing is tried again


@cache
def crc64_function() -> Callable[[bytes, int], int]:
    """CRC-64/XZ over bytes and a former value; the vendors say ``crc64ecma``."""
    try:
        from fastcrc import crc64

        return lambda data, value: int(crc64.xz(data, value))
    except ImportError:
        # Both SDKs bring it; without a C compiler it makes 15 MB/s.
        from crcmod import mkCrcFun

        step = mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=2**64 - 1, rev=True)
        return lambda data, value: int(step(bytes(data), value))


class Crc64:
    """The checksum that COS and OSS compute over each object."""

    def __init__(self) -> None:
        self.value = 0
        self._step = crc64_function()

    def update(self, data: bytes, /) -> None:
        self.value = self._step(data, self.value)


class Part:
    """Some bytes that can be sent more than once. Close it.

    Attributes:
        size: Bytes.
        crc64: Their checksum.
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
        """The bytes from their beginning, as an SDK wants them."""
        if not self.size:
            # requests sends an empty file as an endless chunked body.
            return b""
        self._file.seek(0)
        return _Sized(self._file, self.size)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Sized:
    """A file that tells its length and hides its ``fileno``.

    The COS SDK and requests ask a spooled file for its ``fileno``, and to answer it
    moves from memory to the disk.
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
        size: Bytes given out so far.
        crc64: Their checksum.
    """

    def __init__(self, body: Body) -> None:
        self._chunks = chunks(body)
        self._rest = memoryview(b"")
        self._crc = Crc64()
        self.size = 0

    @property
    def crc64(self) -> int:
        return self._crc.value

    @property
    def ended(self) -> bool:
        while not len(self._rest):
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._rest = memoryview(chunk).cast("B")
        return False

    def part(self, most: int) -> Part:
        """The next bytes, at most ``most`` of them."""
        part = Part()
        try:
            while part.size < most and not self.ended:
                piece = bytes(self._rest[: min(most - part.size, CHUNK)])
                self._rest = self._rest[len(piece) :]
                part.add(piece)
                self._crc.update(piece)
                self.size += len(piece)
        except BaseException:
            part.close()
            raise
        return part


def chunks(body: Body) -> Iterator[Any]:
    """The bytes of a body, whatever it is.

    Raises:
        TypeError: It is text, or gives text.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        return iter([body])
    read = getattr(body, "read", None)
    pieces = iter(lambda: read(CHUNK), b"") if callable(read) else iter(body)
    first = next(pieces, None)
    if isinstance(first, str):
        raise TypeError("The body of an object is bytes, not text; encode it.")
    return iter(()) if first is None else chain((first,), pieces)


def part_sizes(first: int) -> Iterator[int]:
    """Sizes of the parts of a body of unknown length.

    They double every 1,000 parts: at 8 MiB each, 10,000 parts would end at 80 GiB.
    """
    for number in range(_MOST_PARTS):
        yield first << number // 1000


def again(
    call: Callable[[], T],
    *,
    attempts: int = _ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """The result of ``call``, tried again while the vendor does not answer.

    Waits 0.1 s, 0.2 s and so on, each between its half and its whole by chance, and
    begins nothing after 30 s.

    Raises:
        StorageUnavailable: The last one, when the attempts or the time ran out.
    """
    began = clock()
    for attempt in range(attempts - 1):
        try:
            return call()
        except StorageUnavailable:
            wait = min(FIRST_WAIT * 2**attempt, _LONGEST_WAIT)
            wait *= random.uniform(0.5, 1.0)
            if clock() - began + wait > _BUDGET:
                raise
            sleep(wait)
    return call()
