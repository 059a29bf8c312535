"""The checksums of stored bytes: the vendors' CRC-64, and CRC-32 for files."""

import zlib
from collections.abc import Callable
from functools import cache

__all__ = ["Crc32", "Crc64", "load_crc64"]


@cache
def load_crc64() -> Callable[[bytes, int], int]:
    """CRC-64/XZ over bytes and a former value; the vendors say ``crc64ecma``."""
    try:
        from fastcrc import crc64

        return lambda data, value: int(crc64.xz(data, value))
    except ImportError:
        # Both SDKs install it; without a C compiler it reaches 15 MB/s.
        from crcmod import mkCrcFun

        step = mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=2**64 - 1, rev=True)
        return lambda data, value: int(step(bytes(data), value))


class Crc64:
    """The checksum that COS and OSS compute over each object."""

    def __init__(self) -> None:
        self.value = 0
        self._step = load_crc64()

    def update(self, data: bytes, /) -> None:
        self.value = self._step(data, self.value)


class Crc32:
    """A checksum of the standard library: the local vendor needs no extra."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes, /) -> None:
        self.value = zlib.crc32(data, self.value)
