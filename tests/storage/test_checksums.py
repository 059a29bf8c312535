"""The checksums of stored bytes."""

from modern_flask.storage.checksums import Crc64, combine_crc64, load_crc64


def test_crc64_is_the_vendors():
    """The checksum is CRC-64/XZ, by the check value of its catalogue."""
    crc = Crc64()
    crc.update(b"1234")
    crc.update(b"56789")

    assert crc.value == 0x995DC9BBDF1939FA


def test_crc64_without_fastcrc(monkeypatch):
    """Without fastcrc the SDKs' crcmod gives the same sum."""
    monkeypatch.setitem(__import__("sys").modules, "fastcrc", None)
    step = load_crc64.__wrapped__()

    assert step(b"56789", step(memoryview(b"1234"), 0)) == 0x995DC9BBDF1939FA


def test_crc64_of_pieces_combine():
    """The checksum of two pieces follows from theirs, without reading them again."""
    text = bytes(range(256)) * 5000

    for cut in (0, 1, 8, 1000, len(text) - 1, len(text)):
        first, second, whole = Crc64(), Crc64(), Crc64()
        first.update(text[:cut])
        second.update(text[cut:])
        whole.update(text)
        size = len(text) - cut
        assert combine_crc64(first.value, second.value, size) == whole.value
