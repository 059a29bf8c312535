"""The checksums of stored bytes: the vendors' CRC-64, and CRC-32 for files."""

import zlib
from collections.abc import Callable
from functools import cache, lru_cache

__all__ = ["Crc32", "Crc64", "combine_crc64", "load_crc64"]

# The polynomial of CRC-64/XZ without its highest term; the highest bit stands for 1.
_POLYNOMIAL = 0xC96C5795D7870F42
_ONE = 1 << 63


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


def combine_crc64(first: int, second: int, size: int) -> int:
    """The checksum of two pieces that follow each other, from those of the pieces.

    So no byte of a large object is read twice for its checksum.

    Args:
        first: The checksum of the first piece.
        second: The checksum of the second piece.
        size: The bytes of the second piece.
    """
    return second ^ _multiply(_raise_x(8 * size), first) if first else second


@lru_cache(maxsize=64)
def _raise_x(exponent: int) -> int:
    """The polynomial x to the power ``exponent``, modulo the CRC's."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        exponent >>= 1
    return result


def _multiply(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo the CRC's."""
    product = 0
    for bit in range(63, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


class Crc32:
    """A checksum of the standard library: the local vendor needs no extra."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes, /) -> None:
        self.value = zlib.crc32(data, self.value)
