"""Bodies in pieces."""

import io
import tracemalloc

import pytest

from modern_flask.storage import StorageUnavailable
from modern_flask.storage.bodies import (
    PART,
    Crc64,
    Part,
    Source,
    again,
    crc64_function,
    part_sizes,
)

MIB = 1024 * 1024


def unavailable() -> StorageUnavailable:
    return StorageUnavailable("get", "key", "memory", "no reason")


def test_crc64_is_the_vendors():
    """The checksum is CRC-64/XZ, by the check value of its catalogue."""
    crc = Crc64()
    crc.update(b"1234")
    crc.update(b"56789")

    assert crc.value == 0x995DC9BBDF1939FA


def test_crc64_without_fastcrc(monkeypatch):
    """Without fastcrc the SDKs' crcmod gives the same sum."""
    monkeypatch.setitem(__import__("sys").modules, "fastcrc", None)
    step = crc64_function.__wrapped__()

    assert step(b"56789", step(memoryview(b"1234"), 0)) == 0x995DC9BBDF1939FA


def test_source_cuts_exactly():
    """Parts have the size asked for, whatever the pieces are, and the sums fit."""
    source = Source(iter([b"abc", b"", b"defgh", b"i"]))
    cut = []
    while not source.ended:
        with source.part(4) as part:
            cut.append((bytes(part.content().read()), part.size))

    whole = Crc64()
    whole.update(b"abcdefghi")
    assert cut == [(b"abcd", 4), (b"efgh", 4), (b"i", 1)]
    assert (source.size, source.crc64) == (9, whole.value)


def test_source_reads_no_further_than_needed():
    """A body is not read ahead of what is sent by more than one piece."""
    taken = []

    def body():
        for number in range(10):
            taken.append(number)
            yield b"x" * 100

    source = Source(body())
    source.part(300).close()

    assert len(taken) == 3


def test_part_can_be_sent_again():
    """The content of a part begins anew each time it is asked for."""
    with Source(b"abc").part(10) as part:
        assert part.content().read() == part.content().read() == b"abc"
        assert len(part.content()) == 3
        assert list(part.content()) == [b"abc"]


def test_empty_part_is_bytes():
    """An empty part is no file: requests would send that in endless chunks."""
    with Part() as part:
        assert part.content() == b""


def test_part_stays_in_memory_up_to_its_usual_size():
    """A part of the usual size needs no disk; a larger one goes there."""
    with Source(b"x" * (PART + 1)).part(PART) as part:
        assert not part._file._rolled
    with Source(b"x" * (PART + 1)).part(PART + 1) as part:
        assert part._file._rolled


def test_memory_is_bounded():
    """However large a body is, one part of it is held."""
    source = Source(b"x" * MIB for _ in range(64))
    tracemalloc.start()

    while not source.ended:
        source.part(2 * MIB).close()

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert source.size == 64 * MIB
    assert peak < 8 * MIB


def test_part_sizes_grow():
    """Ten thousand parts of 8 MiB would end at 80 GiB; growing ones hold terabytes."""
    sizes = list(part_sizes(PART))

    assert len(sizes) == 10_000
    assert sizes[:1000] == [PART] * 1000
    assert sizes[1000] == 2 * PART
    assert sum(sizes) > 7 * 1024**4


def test_text_file_is_refused():
    """A file opened as text is refused at its first piece."""
    with pytest.raises(TypeError, match="The body of an object is bytes, not text"):
        Source(io.StringIO("text"))


# Retries.


class Flaky:
    """Fails some times, then answers."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise unavailable()
        return "answer"


def test_retries_wait_longer_each_time():
    """Waits double, and chance takes up to half of each."""
    waits: list[float] = []

    assert again(Flaky(4), attempts=5, sleep=waits.append) == "answer"

    assert len(waits) == 4
    for wait, whole in zip(waits, [0.1, 0.2, 0.4, 0.8], strict=True):
        assert whole / 2 <= wait <= whole


def test_retries_end():
    """After the last attempt its error is raised."""
    call = Flaky(99)

    with pytest.raises(StorageUnavailable):
        again(call, sleep=lambda wait: None)

    assert call.calls == 3


def test_retries_have_a_budget():
    """Nothing is tried again once thirty seconds have gone."""
    moments = iter([0.0, 29.99])
    call = Flaky(99)

    with pytest.raises(StorageUnavailable):
        again(call, sleep=pytest.fail, clock=lambda: next(moments))

    assert call.calls == 1


def test_other_errors_are_not_retried():
    """Only a missing answer is worth another attempt."""
    calls = []

    def refuse() -> None:
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        again(refuse, sleep=pytest.fail)

    assert calls == [1]
